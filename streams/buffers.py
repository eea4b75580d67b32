"""Memory of mini-batches, used again once nobody looks at it any more."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Buffers"]

_ALIGNMENT = 64
"""Bytes of a cache line, and of the widest vector register."""


class _Lease:
    """Owns one buffer for as long as an array over it lives; every view of that array keeps it alive."""

    __slots__ = ("__array_interface__", "_buffer", "_idle")

    def __init__(self, interface: dict[str, Any], buffer: npt.NDArray[np.uint8], idle: deque[Any]) -> None:
        self.__array_interface__ = interface
        self._buffer, self._idle = buffer, idle

    def __del__(self) -> None:
        self._idle.append(self._buffer)


class Buffers:
    """Gives arrays that belong to who holds them, from memory that was given before where that is free.

    A mini-batch of 1000x100 has 52 MB: fresh memory for each would take longer to get from the operating system
    than to fill. Threads may share it.

    Parameters
    ----------
    most_idle : int or None
        Buffers that are kept while nobody uses them; None for any number.
    """

    def __init__(self, most_idle: int | None = 2) -> None:
        self._idle: deque[npt.NDArray[np.uint8]] = deque(maxlen=most_idle)

    def take(self, shape: tuple[int, ...], dtype: type[np.generic]) -> npt.NDArray[Any]:
        """Give an array of that shape and type, with whatever in it, that nobody else sees."""
        kind = np.dtype(dtype)
        size = math.prod(shape) * kind.itemsize
        if not size:
            return np.empty(shape, dtype)
        buffer = self._buffer(size)
        interface = {
            "version": 3,
            "shape": shape,
            "typestr": kind.str,
            "data": (buffer.__array_interface__["data"][0], False),
        }
        return np.asarray(_Lease(interface, buffer, self._idle))

    def __reduce__(self) -> tuple[type[Buffers], tuple[int | None]]:
        return Buffers, (self._idle.maxlen,)

    def _buffer(self, size: int) -> npt.NDArray[np.uint8]:
        try:
            while (buffer := self._idle.pop()).size < size:
                pass  # of a smaller mini-batch: let it go
            return buffer
        except IndexError:
            memory = np.empty(size + _ALIGNMENT, dtype=np.uint8)
            start = -memory.__array_interface__["data"][0] % _ALIGNMENT
            return memory[start : start + size]
