"""The order of examples for a state that is carried along the song."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from streams.checks import whole
from streams.errors import SchemeError
from streams.schemes import Indices, Runs, Scheme

__all__ = ["LaneScheme"]

_REACHES = (0, 1, 8, 64)
"""Examples of each lane worth fetching ahead: first the next one of all lanes, then 7 more of all, then 56."""


class LaneScheme(Scheme):
    """Each row of the mini-batches goes along a lane of its own: consecutive examples of the song.

    The examples are cut into `batch_size` runs, the lanes, one behind the other, whose lengths differ by one at
    most; the longer ones come first. Row b of mini-batch k is example k of lane b. So row b of mini-batch
    k + 1 is the example after row b of mini-batch k, each example comes once in an epoch, and a last mini-batch
    that is shorter has rows 0 .. r - 1, each of which still goes on along its lane. With fewer examples than
    `batch_size` there is one mini-batch, and each lane has one example. The order is the same in each epoch.

    Where windows have ``hop == frame * seq``, what a row carries from one mini-batch to the next is what it
    would carry along the song. At the start of an epoch all lanes start again, and `resets` says so.

    Parameters
    ----------
    examples, batch_size : int
        As for `Scheme`.
    """

    carries = True

    def __init__(self, examples: int, batch_size: int = 128) -> None:
        super().__init__(examples, batch_size)
        lanes = min(self.batch_size, self.examples)
        self._shorter, self._longer_lanes = divmod(self.examples, self.batch_size)
        numbers = np.arange(lanes, dtype=np.int64)
        self._starts = numbers * self._shorter + np.minimum(numbers, self._longer_lanes)
        self._lengths = self._shorter + (numbers < self._longer_lanes)

    def _mini_batches(self, epoch: int, first: int) -> Iterator[Indices]:
        for number in range(first, self._shorter):
            yield self._starts + number
        if first <= self._shorter < len(self):
            yield self._starts[: self._longer_lanes] + self._shorter

    def resets(self, epoch: int, number: int) -> npt.NDArray[np.bool_]:
        """Tell which rows do not continue: all of an epoch's first mini-batch, and none later; see `Scheme`."""
        whole("epoch", epoch, SchemeError, at_least=0)
        return np.full(self.rows(number), number == 0)

    def ahead(self, epoch: int, number: int) -> Runs:
        """Give the next example of every lane, then some more of each; see `Scheme.ahead`.

        Behind the last example of a lane comes its first, of the next epoch.
        """
        self._given(epoch, number)
        done = np.minimum(number + 1, self._lengths)
        runs: Runs = []
        for near, far in pairwise(_REACHES):
            # Where along its lane each run begins and ends, up to the end of it, and then again from the start.
            begin, end = done + near, done + far
            for low, high in (
                (np.minimum(begin, self._lengths), np.minimum(end, self._lengths)),
                (np.clip(begin - self._lengths, 0, done), np.clip(end - self._lengths, 0, done)),
            ):
                some = low < high
                firsts, stops = (self._starts + low)[some], (self._starts + high)[some]
                runs += zip(firsts.tolist(), stops.tolist(), strict=True)
        return runs
