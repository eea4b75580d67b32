"""What generation keeps of each iteration, until there is enough of it to be turned into frames at once."""

from __future__ import annotations

from torch import Tensor

from longsong.model.fused import Stepper

__all__ = ["ITERATIONS", "Kept"]

ITERATIONS = 64
"""Iterations that become frames together: fewer are more work, more would be heard later."""


class Kept:
    """The last layer's states at the last positions of iterations whose frames are not given yet.

    Parameters
    ----------
    stepper : Stepper
    seeds : int
        Rows of an iteration.
    """

    def __init__(self, stepper: Stepper, seeds: int) -> None:
        self._h = stepper.top.new_empty(ITERATIONS, seeds, stepper.top.shape[1])
        self._stepper, self._some = stepper, 0

    def keep(self, h: Tensor) -> None:
        """Keep states, shape (seeds, hidden), of the next iteration."""
        self._h[self._some].copy_(h)
        self._some += 1

    def give(self, *, rest: bool) -> Tensor | None:
        """Give the frames of what is kept, shape (some, seeds, frame), once it is enough; `rest` however few."""
        if not self._some or (self._some < ITERATIONS and not rest):
            return None
        some, self._some = self._some, 0
        return self._stepper.decode(self._h[:some])
