"""Checkpoints written beside the updates, so that these do not wait for the disk."""

from __future__ import annotations

from concurrent.futures import Future, wait
from pathlib import Path

from longsong.model import Network
from longsong.training.background import in_background
from longsong.training.checkpoint import Checkpoint, pack

__all__ = ["Saver"]


class Saver:
    """Writes the checkpoints of a run, one after the other.

    Parameters
    ----------
    folder : Path
        Of checkpoints.
    network : Network
    best_sha256 : str
        Of the best parameters so far; empty where there are none.
    keep : int
        How many of the newest checkpoints stay.
    """

    def __init__(self, folder: Path, network: Network, best_sha256: str, keep: int = 1) -> None:
        self._folder, self._network, self._best_sha256, self._keep = folder, network, best_sha256, keep
        self._writing: Future[str] | None = None

    def save(self, at: Checkpoint, *, best: bool) -> None:
        """Begin to write a checkpoint as it is now; `at` may change at once. Waits for the one before.

        Parameters
        ----------
        at : Checkpoint
            What it says of the digest of the best parameters does not matter.
        best : bool
            Whether its parameters are the best so far, to be written as such too.

        Raises
        ------
        longsong.errors.LongsongError
            The one before could not be written.
        """
        known = self.wait()
        packed = pack(self._network, at, best_sha256=None if best else known)
        self._writing = in_background(lambda: packed.write(self._folder, self._keep))

    def check(self) -> None:
        """Raise if a checkpoint could not be written, and that is known by now."""
        if self._writing is not None and self._writing.done():
            self.wait()

    def wait(self) -> str:
        """Wait until what was begun is written; gives the sha256 of the best parameters."""
        if self._writing is not None:
            wait([self._writing])
            written, self._writing = self._writing, None
            self._best_sha256 = written.result()
        return self._best_sha256
