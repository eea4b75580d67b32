"""What came of a run, put together when its last update is made."""

from __future__ import annotations

import statistics
from array import array
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from longsong.errors import CheckpointError
from longsong.files import sha256_of
from longsong.metrics import metric_lines
from longsong.model import Network
from longsong.training import checkpoint as checkpoints
from longsong.training.checkpoint import Checkpoint
from longsong.training.checkpoint_files import REMEDY
from longsong.training.hyperparameters import log_hyperparameters
from longsong.training.record import RunRecord, write_summary
from longsong.training.splits import Splits

__all__ = ["summarise"]


@dataclass
class _Totals:
    """What a summary needs of the metrics: of most lines two numbers are held."""

    first: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The first line of each kind."""
    last: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: array[float] = field(default_factory=lambda: array("d"))
    floor_shares: array[float] = field(default_factory=lambda: array("d"))
    examples: int = 0
    clipped: int = 0

    @classmethod
    def of(cls, metrics: Path) -> Self:
        found = cls()
        for line in metric_lines(metrics):
            found.first.setdefault(line["kind"], line)
            found.last[line["kind"]] = line
            if line["kind"] == "update":
                found.seconds.append(line["seconds"])
                found.floor_shares.append(line["floor_share"])
                found.examples += line["examples"]
                found.clipped += line["clipped"]
        return found


def summarise(
    run: Path,
    record: RunRecord,
    network: Network,
    splits: Splits,
    at: Checkpoint,
    estimated_bytes: int,
    peak_bytes: int | None,
) -> None:
    """Write the summary of a run whose updates are all made, and tell its TensorBoard what the run came to.

    Parameters
    ----------
    run : Path
        Its folder.
    record : RunRecord
    network : Network
    splits : Splits
    at : Checkpoint
        After the last update.
    estimated_bytes, peak_bytes : int, int or None
        The memory that it was planned to take, and the most that its last start took, if that is known.

    Raises
    ------
    CheckpointError
        The file of the best parameters was altered.
    SpaceError
        The disk is full, or may not be written to.
    """
    found = _Totals.of(run / "metrics.jsonl")
    samples = found.examples * record.data.frame * record.data.seq
    if sha256_of(checkpoints.best_file(run)) != at.best.sha256:
        raise CheckpointError(f"{checkpoints.best_file(run)} is altered: its sha256 is not the one on record; {REMEDY}")
    newest = run / "checkpoints" / f"update-{at.update:08d}" / "parameters.safetensors"
    summary = {
        "epochs": at.epoch,
        "updates": at.update,
        "parameters": network.size,
        "first_train_cost": found.first["update"]["train_cost"],
        "last_train_cost": found.last["update"]["train_cost"],
        "first_dev_cost": found.first["dev"]["dev_cost"],
        "last_dev_cost": found.last["dev"]["dev_cost"],
        "best": {
            "epoch": at.best.epoch,
            "dev_cost": at.best.dev_cost,
            "by": "last, as there is no dev example" if at.best.dev_cost is None else "dev cost",
            "sha256": at.best.sha256,
        },
        **splits.baselines(),
        "clipped_share": found.clipped / len(found.seconds),
        "floor_share": statistics.fmean(found.floor_shares),
        "training_seconds": at.training_seconds,
        "seconds_per_update": statistics.median(found.seconds),
        "samples_per_second": samples / sum(found.seconds),
        "estimated_bytes": estimated_bytes,
        "peak_bytes": peak_bytes,
        "starts": at.starts,
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameters_sha256": sha256_of(newest),
        "metrics_sha256": sha256_of(run / "metrics.jsonl"),
    }
    # Before the summary, by which the run counts as complete: a run that is killed in between does this again.
    log_hyperparameters(run, record, summary)
    write_summary(run, summary)
