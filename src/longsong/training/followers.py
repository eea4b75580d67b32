"""What the ranks of a run do, other than the first, where that writes: nothing."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from longsong.model import Network
from longsong.training.checkpoint import Checkpoint

__all__ = ["NoMonitors", "NoSaver"]


class NoMonitors:
    """In the place of `longsong.training.monitors.Monitors`."""

    waiting_share = 0.0
    sha256 = ""

    def __init__(self, run: Path, keep_bytes: int = 0, update: int = 0, keep_sha256: str = "") -> None:
        self._bytes = keep_bytes

    def update(self, **values: Any) -> None:
        """Record no update."""

    def dev(self, **values: Any) -> None:
        """Record no evaluation."""

    def synced_bytes(self) -> int:
        """Give what the checkpoint knew."""
        return self._bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class NoSaver:
    """In the place of `longsong.training.saver.Saver`."""

    def __init__(self, folder: Path, network: Network, best_sha256: str, keep: int = 1) -> None:
        self._best_sha256 = best_sha256

    def save(self, at: Checkpoint, *, best: bool) -> None:
        """Write no checkpoint."""

    def check(self) -> None:
        """Have nothing to look after."""

    def wait(self) -> str:
        """Give the digest of the best parameters that was given."""
        return self._best_sha256
