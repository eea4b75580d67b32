"""`streams`: shards, windows, Fuel's shuffle; no prefetch, one thread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.stream_peers.task import Batch, Candidate, Task

__all__ = ["Ours"]


class Ours(Candidate):
    """The data layer of this project, as its README shows it."""

    title, kind, per_shape, needs = "streams (ours)", "ours", False, ("streams.writer",)
    needs_to_prepare = ("webdataset",)
    settles_after = 2**27  # its loop is compiled once so many samples were read that it pays

    def prepare(self, task: Task) -> None:
        """Write shards."""
        from streams import ShardWriter

        with ShardWriter(Path(task.folder), sample_rate=16_000, source=[], made_by={}) as writer:
            writer.write(task.samples)

    def open(self, task: Task) -> Iterator[Iterator[Batch]]:
        """Open the shards in one shape."""
        from streams import DataStream, ShuffledScheme, Song, Windows

        windows = Windows(Song.open(task.folder), task.frame, task.seq)
        stream = DataStream(windows, ShuffledScheme(len(windows), task.batch))
        while True:
            yield stream.get_epoch_iterator()
