"""The floor: the least that can be done to have a mini-batch, as one compiled loop on one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.stream_peers.raw import RawSong
from benchmarks.stream_peers.task import Batch, Task

__all__ = ["Floor", "compile_loop"]

_ALIGNMENT = 64


def compile_loop() -> Callable[..., None]:
    """Compile the gather that normalises as it goes.

    Returns
    -------
    callable
        ``loop(song, starts, scale, offset, out)``: song int16 of one dimension, starts uint64 (rows,), out float32
        (rows, length). Multiplication and addition are rounded each, as everywhere.
    """
    import numba

    # Indices without a sign: a check for negative ones would keep LLVM from vector instructions.
    signature = "void(Array(int16, 1, 'C', readonly=True), uint64[::1], float32, float32, float32[:, ::1])"

    @numba.njit(signature, nogil=True, fastmath=False)
    def loop(song: Any, starts: Any, scale: Any, offset: Any, out: Any) -> None:
        length = np.uint64(out.shape[1])
        for row in range(np.uint64(len(starts))):
            source = song[starts[row] : starts[row] + length]
            target = out[row]
            for i in range(length):
                target[i] = np.float32(source[i]) * scale + offset

    return loop


class Floor(RawSong):
    """Rows of a memory-mapped int16 song into one buffer, normalised, and nothing else.

    The order of the first epoch is made before it begins, and is given again in each epoch: making an order is
    not the floor's.
    """

    title, kind, needs = "floor: a bare compiled loop", "floor", ("numba",)

    def load(self) -> None:
        """Compile."""
        self._loop = compile_loop()

    def open(self, task: Task) -> Iterator[Iterator[Batch]]:
        """Map the song, and make the buffer and the order."""
        song = self.mapped(task)
        starts = [(rows * task.hop).astype(np.uint64) for rows in next(task.orders())]
        buffer = _aligned(task.batch * task.row_samples).reshape(task.batch, task.row_samples)
        while True:
            yield self._epoch(task, song, starts, buffer)

    def _epoch(self, task: Task, song: Any, starts: list[Any], buffer: Any) -> Iterator[Batch]:
        scale, offset = np.float32(task.scale), np.float32(task.offset)
        for rows in starts:
            out = buffer[: len(rows)]
            self._loop(song, rows, scale, offset, out)
            yield task.inputs_and_targets(out)


def _aligned(samples: int) -> np.ndarray:
    """Give float32 memory that begins with a cache line."""
    memory = np.empty(samples + _ALIGNMENT, dtype=np.float32)
    first = (-memory.ctypes.data % _ALIGNMENT) // memory.itemsize
    return memory[first : first + samples]
