"""Compiled loops on the threads that torch has.

Between two matrix products there are some ten microseconds of element-wise work. Threads of another pool would have
to be woken for it, while torch's still spin on the same cores; so the loops run on torch's own OpenMP runtime
(``docs/decisions/010``).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["STEPS_WORTH_COMPILING", "Loop", "Team", "compiled_available", "openmp"]

STEPS_WORTH_COMPILING = 20_000
"""Steps of the recurrence, in a run or a generation, from which on compiled loops gain more than they take to make."""

Loop = Callable[[int], None]
"""A loop over all rows of step t."""


@cache
def compiled_available() -> str | None:
    """Say why the compiled loops cannot be had here; None where they can."""
    try:
        import numba  # noqa: F401
    except ImportError as error:
        return f"numba cannot be imported ({error})"
    return None if openmp() is not None else "torch's OpenMP runtime is not libgomp here"


@cache
def openmp() -> ctypes.CDLL | None:
    """Find the OpenMP runtime that torch has loaded, if it is GNU's; loads nothing.

    Returns
    -------
    ctypes.CDLL or None
        With ``GOMP_parallel``, ``omp_get_thread_num`` and ``omp_get_num_threads`` declared.
    """
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return None
    lines = maps.read_text(encoding="utf-8", errors="replace").splitlines()
    paths = sorted({line.split(maxsplit=5)[-1] for line in lines if "/libgomp" in line})
    own = [path for path in paths if "/torch" in path]
    for path in own or paths:
        try:
            library = ctypes.CDLL(path)
            library.GOMP_parallel.restype = None
            library.GOMP_parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
            for name in ("omp_get_thread_num", "omp_get_num_threads"):
                getattr(library, name).restype = ctypes.c_int
                getattr(library, name).argtypes = []
        except (OSError, AttributeError):
            continue
        return library
    return None


class Team:
    """Loops over one set of buffers, each run by all of torch's threads at once.

    Parameters
    ----------
    loops : mapping of str to numba's C function
        Each takes the address of int64 numbers: step, rows, width, and the addresses of the buffers.
    rows, width : int
        What is shared out among the threads, and how wide a row is.
    buffers : sequence of Tensor or None
        What the loops work on, in the order that they know; C-contiguous. None for what they leave alone.
    """

    def __init__(self, loops: Mapping[str, Any], rows: int, width: int, buffers: Sequence[Tensor | None]) -> None:
        library = openmp()
        if library is None:
            raise RuntimeError("there is no OpenMP runtime to run compiled loops on")
        if any(buffer is not None and not buffer.is_contiguous() for buffer in buffers):
            raise ValueError("a buffer of a compiled loop does not lie in one piece")
        self._buffers = list(buffers)
        addresses = [0 if buffer is None else buffer.data_ptr() for buffer in buffers]
        self._numbers = np.array([0, rows, width, *addresses], dtype=np.int64)
        self._loops, self._parallel = loops, library.GOMP_parallel
        self._begins = addresses
        self._row_bytes = [0 if buffer is None else buffer.stride(0) * buffer.element_size() for buffer in buffers]
        self._where = self._numbers.ctypes.data
        self._addresses = {name: loop.address for name, loop in loops.items()}
        self._most = torch.get_num_threads()
        self.threads = min(self._most, rows)

    def place(self, buffer: int, row: int) -> None:
        """Have the loops begin at another row of a buffer of shape (rows, columns)."""
        self._numbers[3 + buffer] = self._begins[buffer] + row * self._row_bytes[buffer]

    def resize(self, rows: int) -> None:
        """Have the loops run over another number of rows."""
        self._numbers[1] = rows
        self.threads = min(self._most, rows)

    def run(self, name: str) -> None:
        """Run one of the loops over step 0."""
        self._parallel(self._addresses[name], self._where, self.threads, 0)

    def loop(self, name: str) -> Loop:
        """Give one of the loops."""
        numbers, run = self._numbers, self._parallel
        address, where = self._addresses[name], self._where

        def each(step: int) -> None:
            numbers[0] = step
            run(address, where, self.threads, 0)  # `self` keeps buffers and loops as long as there is a loop

        return each
