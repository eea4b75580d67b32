"""A loop over rows in NumPy: no library's way, but what one thread can do without a compiler."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.stream_peers.raw import RawSong
from benchmarks.stream_peers.task import Batch, Task

__all__ = ["NumPyRows"]


class NumPyRows(RawSong):
    """Each row is normalised from a memory map into its place of a fresh mini-batch, while it is in the cache."""

    title, kind = "hand-written NumPy loop", "reference"

    def open(self, task: Task) -> Iterator[Iterator[Batch]]:
        """Map the song."""
        song = self.mapped(task)
        for order in task.orders():
            yield self._epoch(task, song, order)

    def _epoch(self, task: Task, song: np.ndarray, order: list[np.ndarray]) -> Iterator[Batch]:
        scale, offset = np.float32(task.scale), np.float32(task.offset)
        for rows in order:
            out = np.empty((len(rows), task.row_samples), dtype=np.float32)
            for start, row in zip((rows * task.hop).tolist(), out, strict=True):
                np.multiply(song[start : start + task.row_samples], scale, out=row)
                np.add(row, offset, out=row)
            yield task.inputs_and_targets(out)
