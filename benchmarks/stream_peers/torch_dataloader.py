"""torch's DataLoader over a memory map."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.stream_peers.raw import RawSong
from benchmarks.stream_peers.task import Batch, Task

__all__ = ["TorchDataLoader"]


class TorchDataLoader(RawSong):
    """A map-style data set whose items are views of the map, stacked and normalised as a mini-batch.

    No workers: one thread is compared.
    """

    title, needs = "torch DataLoader, memory map", ("torch.utils.data",)

    def open(self, task: Task) -> Iterator[Iterator[Batch]]:
        """Map the song, and make a loader for each epoch's mini-batches."""
        from torch.utils.data import DataLoader

        rows: Any = _Rows(task, self.mapped(task))
        for order in task.orders():
            batches = [batch.tolist() for batch in order]
            yield iter(DataLoader(rows, batch_sampler=batches, num_workers=0, collate_fn=rows.collate))


class _Rows:
    """A data set in torch's sense: a length and items."""

    def __init__(self, task: Task, song: np.ndarray) -> None:
        self._task, self._song = task, song

    def __len__(self) -> int:
        return self._task.examples

    def __getitem__(self, example: int) -> np.ndarray:
        start = example * self._task.hop
        return self._song[start : start + self._task.row_samples]

    def collate(self, rows: list[np.ndarray]) -> Batch:
        """Make a mini-batch of items."""
        return self._task.normalised(np.stack(rows))
