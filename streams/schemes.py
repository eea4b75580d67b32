"""The order of examples: a pure function of scheme, seed and epoch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.random import RandomState

from streams.checks import whole
from streams.errors import SchemeError

__all__ = ["LARGEST_SEED", "Indices", "Runs", "Scheme", "SequentialScheme", "ShuffledScheme"]

Indices = npt.NDArray[np.int64]

Runs = list[tuple[int, int]]
"""Runs of examples, each as its first one and the one after its last."""

LARGEST_SEED = 2**32 - 1

_BYTES_PER_EXAMPLE = 8
_BUDGET_BYTES = 2**31


class Scheme(ABC):
    """Cuts the order of an epoch into mini-batches; the last of an epoch may be shorter, and is used.

    A scheme of your own gives `_mini_batches`, and `ahead` and `resets` where it knows better.

    Parameters
    ----------
    examples : int
        How many there are; 0 gives epochs without a mini-batch.
    batch_size : int
        Examples of a mini-batch.

    Attributes
    ----------
    carries : bool
        Whether row b of a mini-batch is the example after row b of the one before (see `resets`), so that a
        state may be carried along the song.

    Raises
    ------
    SchemeError
        A number that is not whole, or out of its range; here and in the methods.
    """

    carries = False

    def __init__(self, examples: int, batch_size: int = 128) -> None:
        self.examples = whole("examples", examples, SchemeError, at_least=0)
        self.batch_size = whole("batch_size", batch_size, SchemeError, at_least=1)
        self._next_epoch = 0

    @abstractmethod
    def _mini_batches(self, epoch: int, first: int) -> Iterator[Indices]:
        """Give what `mini_batches` gives; the numbers have been checked."""

    @property
    def identity(self) -> dict[str, Any]:
        """What tells the order from others: plain JSON."""
        return {"name": type(self).__name__, "examples": self.examples, "batch_size": self.batch_size}

    @property
    def updates_per_epoch(self) -> int:
        """Mini-batches of an epoch."""
        return -(-self.examples // self.batch_size)

    def __len__(self) -> int:
        return self.updates_per_epoch

    def mini_batches(self, epoch: int, first: int = 0) -> Iterator[Indices]:
        """Give the mini-batches of an epoch (from 0) from number `first` on, as arrays of int64."""
        epoch = whole("epoch", epoch, SchemeError, at_least=0)
        return self._mini_batches(epoch, whole("first", first, SchemeError, at_least=0))

    def get_request_iterator(self) -> Iterator[Indices]:
        """Give the mini-batches of one epoch: the first at the first call, the next at the next."""
        epoch, self._next_epoch = self._next_epoch, self._next_epoch + 1
        return self.mini_batches(epoch)

    def rows(self, number: int) -> int:
        """Give how many examples mini-batch `number` of an epoch has."""
        number = whole("number of the mini-batch", number, SchemeError, at_least=0, at_most=len(self) - 1)
        return min(self.batch_size, self.examples - number * self.batch_size)

    def resets(self, epoch: int, number: int) -> npt.NDArray[np.bool_]:
        """Tell which rows of a mini-batch do not continue the same row of the mini-batch before.

        Returns
        -------
        ndarray, shape (rows of this mini-batch,), bool
            A state that was carried along is set back where True: everywhere, unless the scheme `carries`.
        """
        whole("epoch", epoch, SchemeError, at_least=0)
        return np.ones(self.rows(number), dtype=np.bool_)

    def ahead(self, epoch: int, number: int) -> Runs:
        """Give the runs of examples worth fetching early once mini-batch `number` of an epoch is given.

        Parameters
        ----------
        epoch, number : int
            Which mini-batch was given last; number -1, before the first one.

        Returns
        -------
        list of (int, int)
            First example of a run and the one after its last; what is asked for first comes first, and the
            start of the next epoch follows the end of this one. Nobody has to fetch all of them. Empty where
            the order leaves nothing to be known ahead of use.
        """
        self._given(epoch, number)
        return []

    def _given(self, epoch: int, number: int) -> int:
        """Check a mini-batch given last, and give how many examples of the epoch have been."""
        whole("epoch", epoch, SchemeError, at_least=0)
        number = whole("number of the mini-batch", number, SchemeError, at_least=-1, at_most=len(self) - 1)
        return min((number + 1) * self.batch_size, self.examples)


class SequentialScheme(Scheme):
    """Examples 0, 1, 2 and so on, the same in each epoch.

    Parameters
    ----------
    examples, batch_size : int
        As for `Scheme`.
    """

    def _mini_batches(self, epoch: int, first: int) -> Iterator[Indices]:
        for at in range(first * self.batch_size, self.examples, self.batch_size):
            yield np.arange(at, min(at + self.batch_size, self.examples), dtype=np.int64)

    def ahead(self, epoch: int, number: int) -> Runs:
        """Give all examples that follow, up to the end and from the start; see `Scheme.ahead`."""
        given = self._given(epoch, number)
        return [run for run in ((given, self.examples), (0, given)) if run[0] < run[1]]


class ShuffledScheme(Scheme):
    """Fuel's own order, index for index (FACTS section 5).

    ``numpy.random.RandomState(seed)`` shuffles a fresh 0 .. examples - 1 for each epoch, and is not seeded
    again in between: the order of an epoch depends on how many were shuffled before it. An epoch before those
    known is reached from the seed again.

    Fuel's order cannot be had but as a list of all examples. There is one of them for each iterator of
    mini-batches that has not come to its last, and none beside: the mini-batches are copies.

    Parameters
    ----------
    examples, batch_size : int
        As for `Scheme`.
    seed : int
        From 0 to 2**32 - 1.
    budget_bytes : int
        What the list may take, at 8 bytes an example; by default 2 GiB.

    Raises
    ------
    SchemeError
        As for `Scheme`, and where the list does not fit the budget.
    """

    def __init__(self, examples: int, batch_size: int = 128, seed: int = 1, budget_bytes: int = _BUDGET_BYTES) -> None:
        super().__init__(examples, batch_size)
        self.seed = whole("seed", seed, SchemeError, at_least=0, at_most=LARGEST_SEED)
        budget = whole("budget_bytes", budget_bytes, SchemeError, at_least=0)
        if (needed := self.examples * _BYTES_PER_EXAMPLE) > budget:
            raise SchemeError(
                f"the shuffled order of {self.examples} examples is a list of {needed} bytes, and the budget is "
                f"{budget}: take ShardShuffledScheme, which needs none, or give budget_bytes={needed}"
            )
        # The generator's state before an epoch: of the first, and of the one asked for last and its next.
        self._before: dict[int, Any] = {0: RandomState(self.seed).get_state()}

    @property
    def identity(self) -> dict[str, Any]:
        """What tells the order from others: plain JSON."""
        return {**super().identity, "seed": self.seed}

    def epoch(self, number: int) -> Indices:
        """Give the order of epoch `number` (from 0): ndarray, shape (examples,), int64, anew at each call."""
        number = whole("epoch", number, SchemeError, at_least=0)
        known = max(epoch for epoch in self._before if epoch <= number)
        generator = RandomState()
        generator.set_state(self._before[known])
        for _ in range(known, number):
            generator.shuffle(np.arange(self.examples, dtype=np.int64))
        before = generator.get_state()
        order = np.arange(self.examples, dtype=np.int64)
        generator.shuffle(order)
        self._before = {0: self._before[0], number: before, number + 1: generator.get_state()}
        return order

    def _mini_batches(self, epoch: int, first: int) -> Iterator[Indices]:
        at, last = first * self.batch_size, (len(self) - 1) * self.batch_size
        if at > last:
            return
        order = self.epoch(epoch)
        for begin in range(at, last, self.batch_size):
            yield order[begin : begin + self.batch_size].copy()
        # Whoever takes the last one may never ask for the end.
        batch = order[last:].copy()
        del order
        yield batch
