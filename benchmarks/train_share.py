"""The trainer as a whole: what share of an epoch goes into updates, and what into all that is around them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.train_run import SAMPLE_RATE, noise_song, train_apart

__all__ = ["COLUMNS", "measure_shares", "ratios_of_shares", "shares_of_epochs"]


def _percent(value: float) -> str:
    return f"{value:.1%}"


COLUMNS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "shape": ("an epoch of the trainer", str),
    "hidden": ("hidden", str),
    "updates": ("updates", str),
    "epoch_seconds": ("seconds", lambda value: f"{value:.2f}"),
    "updates_share": ("in updates", _percent),
    "evaluation_share": ("in the dev cost", _percent),
    "rest_share": ("in the rest", _percent),
    "first_updates_share": ("in updates, first epoch", _percent),
}


def measure_shares(
    work: Path, shapes: Sequence[tuple[int, int]], *, hidden: int, hours: float, epochs: int = 3
) -> list[dict[str, Any]]:
    """Train a run of each shape.

    Parameters
    ----------
    work : Path
        A folder.
    shapes : sequence of (int, int)
        Frame and sequence.
    hidden : int
    hours : float
        Length of the song.
    epochs : int
        At least 2: the first, in which loops are compiled and pages are touched for the first time, counts by itself.

    Raises
    ------
    BenchmarkError
        A run failed.
    """
    shards = noise_song(work, round(hours * 3600 * SAMPLE_RATE))
    rows = []
    for frame, seq in shapes:
        request = {
            "shards": str(shards),
            "out": str(work / "run"),
            "frame": frame,
            "seq": seq,
            "train_samples": None,
            "cell": "gru",
            "hidden": hidden,
            "epochs": epochs,
            "memory": None,
        }
        found = train_apart(request)
        shutil.rmtree(work / "run")
        first, *later = shares_of_epochs(found["updates"], found["evaluations"])
        wall = sum(epoch["seconds"] for epoch in later)
        rows.append(
            {
                "candidate": "ours",
                "shape": f"{frame}x{seq}",
                "hidden": hidden,
                "hours": hours,
                "updates": len(found["updates"]) // epochs,
                "epoch_seconds": wall / len(later),
                "updates_share": sum(epoch["updates"] for epoch in later) / wall,
                "evaluation_share": sum(epoch["evaluation"] for epoch in later) / wall,
                "rest_share": sum(epoch["rest"] for epoch in later) / wall,
                "first_updates_share": first["updates"] / first["seconds"],
            }
        )
    return rows


def ratios_of_shares(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Give the share of updates in an epoch, and in what of an epoch is no evaluation on the dev split."""
    ratios = {}
    for row in rows:
        ratios[f"updates_share:{row['shape']}"] = row["updates_share"]
        ratios[f"updates_share_beside_dev:{row['shape']}"] = row["updates_share"] / (1 - row["evaluation_share"])
    return ratios


def shares_of_epochs(
    updates: Sequence[tuple[float, float]], evaluations: Sequence[tuple[float, float]]
) -> list[dict[str, float]]:
    """Give the seconds of each epoch: in all, in updates, in its evaluation, and in the rest.

    An epoch lasts from the end of one evaluation to that of the next: the checkpoint after the evaluation is in it.

    Parameters
    ----------
    updates, evaluations : sequence of (float, float)
        When each began and ended; the first evaluation is that before the first epoch.
    """
    epochs = []
    for (_, begun), (evaluated, ended) in pairwise(evaluations):
        within = sum(stop - start for start, stop in updates if begun <= start < ended)
        evaluation = ended - evaluated
        epochs.append(
            {
                "seconds": ended - begun,
                "updates": within,
                "evaluation": evaluation,
                "rest": ended - begun - within - evaluation,
            }
        )
    return epochs
