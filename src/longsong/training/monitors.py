"""What is written while a run trains: `metrics.jsonl` and TensorBoard, the same numbers."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from longsong.errors import CheckpointError
from longsong.files import os_errors_named
from longsong.metrics import LONGEST_LINE
from longsong.training.checkpoint_files import REMEDY
from longsong.training.events import EventFile
from longsong.training.optimiser import StepStatistics

__all__ = ["Monitors", "indices_digest"]

_SECONDS_BETWEEN_WRITES = 2.0
"""Updates are written together: by itself each would take several times as long, of code that is in no cache."""


def indices_digest(indices: NDArray[np.int64]) -> str:
    """Give the sha256 of a mini-batch's example indices, as little-endian int64."""
    return hashlib.sha256(indices.astype("<i8").tobytes()).hexdigest()


def _read_kept(metrics: Path, size: int) -> tuple[hashlib._Hash, int]:
    """Give the digest of the first `size` bytes of the metrics, and how many updates they say were clipped."""
    digest, clipped = hashlib.sha256(), 0
    with metrics.open("rb") as file:
        while size > 0 and (line := file.readline(min(size, LONGEST_LINE))):
            digest.update(line)
            clipped += b'"clipped": true' in line
            size -= len(line)
    return digest, clipped


class Monitors:
    """The metrics of one run, appended line by line.

    Parameters
    ----------
    run : Path
        The run's folder.
    keep_bytes, update : int
        Where to go on: what lies behind `keep_bytes` of ``metrics.jsonl``, or behind `update` in
        TensorBoard, was written after the checkpoint and will be written again.
    keep_sha256 : str
        The digest of what is kept of ``metrics.jsonl``; empty where nobody knows.

    Raises
    ------
    CheckpointError
        ``metrics.jsonl`` is shorter than `keep_bytes`, or altered.
    """

    def __init__(self, run: Path, keep_bytes: int = 0, update: int = 0, keep_sha256: str = "") -> None:
        self._path = run / "metrics.jsonl"
        with os_errors_named(self._path):
            self._path.touch()
            there = self._path.stat().st_size
            if there < keep_bytes:
                raise CheckpointError(
                    f"{self._path} is cut short: it has {there} bytes, and the checkpoint knows of {keep_bytes}; "
                    f"{REMEDY}"
                )
            self._digest, self._clipped = _read_kept(self._path, keep_bytes)
            if keep_sha256 not in ("", self._digest.hexdigest()):
                raise CheckpointError(
                    f"{self._path} is altered: its first {keep_bytes} bytes are not those of the checkpoint; {REMEDY}"
                )
            os.truncate(self._path, keep_bytes)
            # Steps from here on are those that this start writes itself.
            again = any(run.glob("events.out.tfevents.*"))
            self._file = self._path.open("ab")
        # Nothing was kept where there was no checkpoint; else all steps up to that update were.
        first = update + 1 if keep_bytes else 0
        try:
            self._events = EventFile(run, first if again else None)
        except BaseException:
            self._file.close()
            raise
        self._lines: list[dict[str, Any]] = []
        self._scalars_left: list[tuple[int, float, dict[str, float]]] = []
        self._written = time.monotonic()
        self._updates = update
        self._seconds = self._waited = 0.0

    @property
    def waiting_share(self) -> float:
        """How much of the time of this start's updates so far went by waiting for data, from 0 to 1."""
        return self._waited / self._seconds if self._seconds else 0.0

    @property
    def sha256(self) -> str:
        """The digest of ``metrics.jsonl``, as far as it is written."""
        return self._digest.hexdigest()

    def update(
        self,
        *,
        update: int,
        epoch: int,
        indices: NDArray[np.int64],
        cost: float,
        step: StepStatistics,
        learning_rate: float,
        seconds: float,
        waited_seconds: float,
        computed_seconds: float,
    ) -> None:
        """Record an update.

        Of its `seconds`, which begin with the end of the one before, `waited_seconds` went by until its mini-batch
        was there, and `computed_seconds` with its computation.
        """
        self._line(
            kind="update",
            update=update,
            epoch=epoch,
            examples=len(indices),
            indices_sha256=indices,
            train_cost=cost,
            gradient_norm=step.gradient_norm,
            step_norm=step.step_norm,
            step_norm_unclipped=step.step_norm_unclipped,
            clipped=step.clipped,
            floor_share=step.floor_share,
            learning_rate=learning_rate,
            seconds=seconds,
            waited_seconds=waited_seconds,
            computed_seconds=computed_seconds,
        )
        self._updates += 1
        self._seconds += seconds
        self._waited += waited_seconds
        self._clipped += step.clipped
        self._scalars(
            update,
            {
                "cost/train": cost,
                "norm/gradient": step.gradient_norm,
                "norm/step": step.step_norm,
                "share/on_floor": step.floor_share,
                "share/clipped_updates": self._clipped / self._updates,
                "share/waiting_for_data": waited_seconds / seconds,
                "learning_rate": learning_rate,
            },
        )
        self._write_if_due()

    def dev(self, *, epoch: int, update: int, cost: float | None, batches: int, examples: int, best: bool) -> None:
        """Record an evaluation on the dev split; `cost` is None where it is empty."""
        self._line(
            kind="dev",
            epoch=epoch,
            update=update,
            dev_cost=cost,
            dev_batches=batches,
            dev_examples=examples,
            best=best,
        )
        if cost is not None:
            self._scalars(update, {"cost/dev": cost})
        self._write_if_due()

    def synced_bytes(self) -> int:
        """Bring all lines to the disk; gives the length of ``metrics.jsonl``."""
        self._write()
        with os_errors_named(self._path):
            os.fsync(self._file.fileno())
            return self._file.tell()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._events, os_errors_named(self._path):
            try:
                self._write()
            finally:
                self._file.close()

    def _line(self, **values: Any) -> None:
        self._lines.append(values)

    def _scalars(self, update: int, values: dict[str, float]) -> None:
        self._scalars_left.append((update, time.time(), values))

    def _write_if_due(self) -> None:
        if time.monotonic() - self._written >= _SECONDS_BETWEEN_WRITES:
            self._write()

    def _write(self) -> None:
        """Write what is not written yet: a line and an event an update."""
        with os_errors_named(self._path):
            for values in self._lines:
                line = json.dumps(values, allow_nan=False, default=indices_digest).encode() + b"\n"
                self._file.write(line)
                self._digest.update(line)
            self._file.flush()
        self._lines.clear()
        for update, when, values in self._scalars_left:
            self._events.scalars(update, when, values)
        self._scalars_left.clear()
        self._events.flush()
        self._written = time.monotonic()
