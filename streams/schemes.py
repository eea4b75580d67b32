"""The order of examples: a pure function of scheme, seed and epoch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.checks import whole
from streams.errors import SchemeError

__all__ = ["Scheme", "SequentialScheme", "ShuffledScheme"]

Indices = npt.NDArray[np.int64]

_LARGEST_SEED = 2**32 - 1


class Scheme(ABC):
    """Cuts the order of an epoch into mini-batches; the last of an epoch may be shorter, and is used.

    Parameters
    ----------
    examples : int
        How many there are; 0 gives epochs without a mini-batch.
    batch_size : int
        Examples of a mini-batch.

    Raises
    ------
    SchemeError
        A number that is not whole, or out of its range.
    """

    def __init__(self, examples: int, batch_size: int = 128) -> None:
        self.examples = whole("examples", examples, SchemeError, at_least=0)
        self.batch_size = whole("batch_size", batch_size, SchemeError, at_least=1)
        self._next_epoch = 0

    @abstractmethod
    def epoch(self, number: int) -> Indices:
        """Give the order of epoch `number` (from 0): ndarray, shape (examples,), int64."""

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
        """Give the mini-batches of an epoch from number `first` on, as arrays of int64."""
        order = self.epoch(epoch)
        for at in range(first * self.batch_size, self.examples, self.batch_size):
            yield order[at : at + self.batch_size]

    def get_request_iterator(self) -> Iterator[Indices]:
        """Give the mini-batches of one epoch: the first at the first call, the next at the next."""
        epoch, self._next_epoch = self._next_epoch, self._next_epoch + 1
        return self.mini_batches(epoch)


class SequentialScheme(Scheme):
    """Examples 0, 1, 2 and so on, the same in each epoch.

    Parameters
    ----------
    examples, batch_size : int
        As for `Scheme`.
    """

    def epoch(self, number: int) -> Indices:
        """Give ``0 .. examples - 1``."""
        whole("epoch", number, SchemeError, at_least=0)
        return np.arange(self.examples, dtype=np.int64)

    def mini_batches(self, epoch: int, first: int = 0) -> Iterator[Indices]:
        """Give the mini-batches of an epoch from number `first` on, without a list of all examples."""
        for at in range(first * self.batch_size, self.examples, self.batch_size):
            yield np.arange(at, min(at + self.batch_size, self.examples), dtype=np.int64)


class ShuffledScheme(Scheme):
    """Fuel's own order, index for index (FACTS section 5).

    ``numpy.random.RandomState(seed)`` shuffles a fresh 0 .. examples - 1 for each epoch, and is not seeded
    again in between: the order of an epoch depends on how many were shuffled before it. An epoch before those
    known is reached from the seed again.

    Parameters
    ----------
    examples, batch_size : int
        As for `Scheme`. An epoch needs 8 bytes for each example.
    seed : int
        From 0 to 2**32 - 1.
    """

    def __init__(self, examples: int, batch_size: int = 128, seed: int = 1) -> None:
        super().__init__(examples, batch_size)
        self.seed = whole("seed", seed, SchemeError, at_least=0, at_most=_LARGEST_SEED)
        # The generator's state before an epoch: of the first, and of the one asked for last and its next.
        self._before: dict[int, Any] = {0: np.random.RandomState(self.seed).get_state()}

    @property
    def identity(self) -> dict[str, Any]:
        """What tells the order from others: plain JSON."""
        return {**super().identity, "seed": self.seed}

    def epoch(self, number: int) -> Indices:
        """Give the order of epoch `number` (from 0): ndarray, shape (examples,), int64, not to be changed."""
        whole("epoch", number, SchemeError, at_least=0)
        known = max(epoch for epoch in self._before if epoch <= number)
        generator = np.random.RandomState()
        generator.set_state(self._before[known])
        for _ in range(known, number):
            generator.shuffle(np.arange(self.examples, dtype=np.int64))
        before = generator.get_state()
        order = np.arange(self.examples, dtype=np.int64)
        generator.shuffle(order)
        order.flags.writeable = False
        self._before = {0: self._before[0], number: before, number + 1: generator.get_state()}
        return order
