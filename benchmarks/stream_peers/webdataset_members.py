"""WebDataset: one member of a tar an example."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.stream_peers.task import Batch, Candidate, Task

__all__ = ["WebDatasetMembers"]

_SHARD_BYTES = 1 << 25
_BUFFER_BYTES = 1 << 28
_BUFFER_ROWS = 1000


class WebDatasetMembers(Candidate):
    """A tar is read from its beginning to its end: the order is that of shuffled shards and a buffer."""

    title, needs = "WebDataset, one member an example", ("webdataset",)
    own_order = "shards and a buffer shuffled"

    def prepare(self, task: Task) -> None:
        """Write tars of about the same size."""
        from webdataset import ShardWriter

        pattern = str(Path(task.folder) / "rows-%06d.tar")
        with ShardWriter(pattern, maxsize=_SHARD_BYTES, verbose=0) as writer:
            for example in range(task.examples):
                writer.write({"__key__": f"{example:09d}", "npy": np.asarray(task.row(example))})

    def open(self, task: Task) -> Iterator[Iterator[Batch]]:
        """Stream the tars."""
        from webdataset import WebDataset

        shards = sorted(map(str, Path(task.folder).glob("rows-*.tar")))
        # As large as a reader would make it: ten mini-batches are many at 4000x50.
        rows = max(task.batch, min(_BUFFER_ROWS, _BUFFER_BYTES // (2 * task.row_samples)))
        dataset = (
            WebDataset(shards, shardshuffle=len(shards), empty_check=False)
            .shuffle(rows, initial=rows)
            .decode()
            .to_tuple("npy")
            .batched(task.batch, collation_fn=lambda found: task.normalised(np.stack([row for (row,) in found])))
        )
        while True:
            yield iter(dataset)
