"""MosaicML Streaming: one MDS sample an example, read by index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.stream_peers.task import Batch, Candidate, Task

__all__ = ["MosaicMDS"]


class MosaicMDS(Candidate):
    """Its own iterator reads samples by the same method, in threads; by index it follows an order that is given."""

    title, needs = "MosaicML Streaming, by index", ("streaming",)

    def prepare(self, task: Task) -> None:
        """Write a sample for each example."""
        from streaming import MDSWriter

        with MDSWriter(out=task.folder, columns={"row": f"ndarray:int16:{task.row_samples}"}) as writer:
            for example in range(task.examples):
                writer.write({"row": np.asarray(task.row(example))})

    def open(self, task: Task) -> Iterator[Iterator[Batch]]:
        """Open the samples."""
        from streaming import StreamingDataset

        dataset = StreamingDataset(local=task.folder, batch_size=task.batch)
        for order in task.orders():
            yield self._epoch(task, dataset, order)

    def _epoch(self, task: Task, dataset: Any, order: list[np.ndarray]) -> Iterator[Batch]:
        for rows in order:
            yield task.normalised(np.stack([dataset[example]["row"] for example in rows.tolist()]))
