"""LitData: its token loader, one block an example, read by index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks.stream_peers.task import Batch, Candidate, Task

__all__ = ["LitDataTokens"]


class LitDataTokens(Candidate):
    """Blocks of int16 "tokens" that do not overlap, so that each shape is stored anew."""

    title, needs = "LitData token loader, by index", ("litdata",)

    def prepare(self, task: Task) -> None:
        """Write a block for each example."""
        from litdata import TokensLoader, optimize

        # A task that has not opened the song: what it holds goes to LitData's process as a pickle.
        optimize(
            fn=partial(_row, replace(task)),
            inputs=list(range(task.examples)),
            output_dir=task.folder,
            chunk_bytes="64MB",
            item_loader=TokensLoader(),
            num_workers=1,
            start_method="fork",  # the default would import everything anew
        )

    def open(self, task: Task) -> Iterator[Iterator[Batch]]:
        """Open the blocks."""
        from litdata import StreamingDataset, TokensLoader

        dataset = StreamingDataset(task.folder, item_loader=TokensLoader(block_size=task.row_samples), shuffle=False)
        for order in task.orders():
            yield self._epoch(task, dataset, order)

    def _epoch(self, task: Task, dataset: Any, order: list[np.ndarray]) -> Iterator[Batch]:
        for rows in order:
            yield task.normalised(np.stack([dataset[example] for example in rows.tolist()]))


def _row(task: Task, example: int) -> np.ndarray:
    """Give an example's samples, in LitData's own process."""
    return np.array(task.row(example))
