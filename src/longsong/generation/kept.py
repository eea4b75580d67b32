"""What generation keeps of each iteration, until there is enough of it to be turned into frames at once."""

from __future__ import annotations

from torch import Tensor

from longsong.model.fused import Stepper

__all__ = ["ITERATIONS", "Kept"]

ITERATIONS = 64
"""Iterations that become frames together: fewer are more work, more would be heard later."""


class Kept:
    """The last layer's states at the last positions of iterations that are not given yet.

    Parameters
    ----------
    stepper : Stepper
    last : int
        Positions of an iteration.
    seeds : int
        Rows of an iteration.
    """

    def __init__(self, stepper: Stepper, last: int, seeds: int) -> None:
        # One is complete while `last - 1` after it are not.
        self._h = stepper.top.new_empty(ITERATIONS + last - 1, last, seeds, stepper.top.shape[1])
        self._stepper, self._first, self._last = stepper, 0, last

    def keep(self, iteration: int, position: int, h: Tensor) -> None:
        """Keep states, shape (seeds, hidden), of an iteration at one of its last positions, counted from 0."""
        self._h[iteration - self._first, position].copy_(h)

    def give(self, complete: int, *, rest: bool) -> Tensor | None:
        """Give the frames, shape (some, last, seeds, frame), of iterations before `complete`, if they are enough.

        `rest` gives them however few they are.
        """
        some = complete - self._first
        if some < (1 if rest else ITERATIONS):
            return None
        frames = self._stepper.decode(self._h[:some])
        begun = self._last - 1
        self._h[:begun] = self._h[some : some + begun].clone()
        self._first = complete
        return frames
