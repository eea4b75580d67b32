"""The blocks of a song that can be read right now, and reading runs of samples from them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from streams.compiled import compile_gather
from streams.kernel import Runs, copy_plain, gather_plain
from streams.normalise import Normaliser

__all__ = ["Blocks"]

Samples = npt.NDArray[np.int16]
Numbers = npt.NDArray[np.int64]
Gather = Callable[..., int]

_PAST_CACHES = 1 << 23
"""Bytes of a mini-batch from which on it is written past the caches: it would not stay in those of one core."""


class Blocks:
    """Consecutive blocks of int16 samples, each of which may be at hand or not.

    Parameters
    ----------
    borders : ndarray, shape (blocks + 1,), int64
        First sample of each block, and the length of the song; each block holds a sample or more.
    view_of : callable
        Gives the samples of a block at hand by its number, int16 in a row. Of each block there is an address here
        and nothing else: a song of 1000 hours has half a million.
    """

    compile_after: ClassVar[int] = 1 << 26
    """Samples that a process reads before it loads the compiled loop: by then the load is paid for."""

    _read: ClassVar[int] = 0
    _compiled: ClassVar[Gather | None] = None
    _tried: ClassVar[bool] = False
    _loading: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, borders: Numbers, view_of: Callable[[int], Samples]) -> None:
        self.borders = borders
        self._view_of = view_of
        self._addresses = np.zeros(len(borders) - 1, dtype=np.int64)

    def __contains__(self, number: int) -> bool:
        return bool(self._addresses[number])

    def put(self, number: int, samples: Samples) -> None:
        """Have block `number` at hand: all of its samples, which stay where they are until it is dropped."""
        self._addresses[number] = samples.__array_interface__["data"][0]

    def drop(self, number: int) -> None:
        """Have it no longer; nothing where it was not."""
        self._addresses[number] = 0

    def view(self, number: int) -> Samples | None:
        """Give the samples of block `number`; None where it is not at hand."""
        return self._view_of(number) if number in self else None

    def gather(self, runs: Runs, normaliser: Normaliser, out: npt.NDArray[np.float32]) -> int:
        """Normalise runs into `out` as `streams.kernel.gather_plain` does; gives how many are done."""
        compiled = Blocks._compiled if Blocks._tried else self._load(int(runs[1].sum()))
        if compiled is None:
            return gather_plain(runs, self.borders, self.view, normaliser, out)
        scale, offset = normaliser.scale, normaliser.offset
        return compiled(*runs, self.borders, self._addresses, scale, offset, out.nbytes >= _PAST_CACHES, out)

    def copy(self, runs: Runs, out: Samples) -> int:
        """Copy runs into `out` as `streams.kernel.copy_plain` does; gives how many are done."""
        return copy_plain(runs, self.borders, self.view, out)

    @classmethod
    def forked(cls) -> None:
        """Have a lock of its own in a forked process: a thread of the parent may have had it."""
        cls._loading = threading.Lock()

    @classmethod
    def _load(cls, samples: int) -> Gather | None:
        """Load the compiled loop if it is due, with `samples` more to be read."""
        cls._read += samples
        if cls._read < cls.compile_after:
            return None
        with cls._loading:
            if not cls._tried:
                cls._compiled, cls._tried = compile_gather(), True
        return cls._compiled


os.register_at_fork(after_in_child=Blocks.forked)
