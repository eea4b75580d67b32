"""Memory of mini-batches, used again once nobody looks at it any more."""

from __future__ import annotations

import math
import os
import threading
import weakref
from sys import getrefcount
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Buffers"]

Memory = tuple[npt.NDArray[np.uint8], int]
"""An array that owns its memory, and the first byte of it that begins a cache line."""

_ALIGNMENT = 64
"""Bytes of a cache line, and of the widest vector register."""


def _find_alone(memories: list[Memory], size: int, alone: int) -> Memory | None:
    """Give the memory of `size` bytes or more that nobody refers to but the list: then its count is `alone`."""
    for found in memories:
        memory = found[0]
        if getrefcount(memory) <= alone and len(memory) >= size:
            return found
    return None


def _count_alone() -> int:
    """Give what `getrefcount` says there of memory that nobody refers to: that depends on the interpreter."""
    count = 0
    while _find_alone([(np.empty(1, dtype=np.uint8), 0)], 0, count) is None:
        count += 1
    return count


_ALONE = _count_alone()


class Buffers:
    """Gives arrays that belong to who holds them, from memory that was given before where that is free.

    A mini-batch of 1000x100 has 52 MB: fresh memory for each would take longer to get from the operating system
    than to fill. NumPy has every view of an array refer to the array that owns its memory, so that the count of
    references to that one says whether anybody looks at it still. Threads may share it.

    Parameters
    ----------
    most : int
        Pieces of memory that are kept to be used again. What is taken beyond them is freed by who holds it.
    """

    def __init__(self, most: int = 4) -> None:
        self._most = most
        self._begin()
        this = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: None if (buffers := this()) is None else buffers._begin())

    def _begin(self) -> None:
        self._memories: list[Memory] = []
        self._lock = threading.Lock()

    def take(self, shape: tuple[int, ...], dtype: type[np.generic]) -> npt.NDArray[Any]:
        """Give an array of that shape and type, with whatever in it, that nobody else sees."""
        size = math.prod(shape) * np.dtype(dtype).itemsize + _ALIGNMENT
        with self._lock:
            memory, start = _find_alone(self._memories, size, _ALONE) or self._new(size)
            return np.ndarray(shape, dtype, memory, start)

    def __reduce__(self) -> tuple[type[Buffers], tuple[int]]:
        return Buffers, (self._most,)

    def _new(self, size: int) -> Memory:
        """Make memory, and keep it in the place of the smallest where there are enough."""
        memory = np.empty(size, dtype=np.uint8)
        new = memory, -memory.__array_interface__["data"][0] % _ALIGNMENT
        self._memories.append(new)
        if len(self._memories) > self._most:
            self._memories.sort(key=lambda kept: len(kept[0]), reverse=True)
            self._memories.pop()
        return new
