"""What generation keeps of each iteration, until there is enough of it to be turned into frames at once."""

from __future__ import annotations

from torch import Tensor

from longsong.model.fused import Stepper

__all__ = ["Kept", "iterations_together"]

_ITERATIONS, _SAMPLES = 64, 1 << 14


def iterations_together(frame: int) -> int:
    """Give how many iterations become frames together: fewer are more work, more would be heard later.

    Those of frames of so many samples: 64, but not more than a second of sound at 16 kHz, or one.
    """
    return max(1, min(_ITERATIONS, _SAMPLES // frame))


class Kept:
    """The last layer's states at the last positions of iterations whose frames are not given yet.

    Parameters
    ----------
    stepper : Stepper
    seeds : int
        Rows of an iteration.
    """

    def __init__(self, stepper: Stepper, seeds: int) -> None:
        self._h = stepper.top.new_empty(iterations_together(stepper.network.frame), seeds, stepper.top.shape[1])
        self._stepper, self._some = stepper, 0

    def keep(self, h: Tensor) -> None:
        """Keep states, shape (seeds, hidden), of the next iteration."""
        self._h[self._some].copy_(h)
        self._some += 1

    def give(self, *, rest: bool) -> Tensor | None:
        """Give the frames of what is kept, shape (some, seeds, frame), once it is enough; `rest` however few."""
        if not self._some or (self._some < len(self._h) and not rest):
            return None
        some, self._some = self._some, 0
        return self._stepper.decode(self._h[:some])
