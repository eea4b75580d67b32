"""A song as one file of samples, for what reads it through a memory map."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.stream_peers.task import Candidate, Task

__all__ = ["RawSong"]


class RawSong(Candidate):
    """What candidates over such a file share."""

    per_shape = False

    def mapped(self, task: Task) -> np.ndarray:
        """Map the song: shape (n,), int16, read-only."""
        return np.asarray(np.memmap(_path(task), dtype="<i2", mode="r"))

    def prepare(self, task: Task) -> None:
        """Write the file."""
        np.asarray(task.samples).tofile(_path(task))


def _path(task: Task) -> Path:
    return Path(task.folder) / "song.i16"
