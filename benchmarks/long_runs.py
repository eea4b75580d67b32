"""Songs of many hours: how soon the first mini-batch is there, and how little memory an epoch takes."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.long_reader import shuffle_seconds
from benchmarks.long_song import SAMPLE_RATE, write_long_song
from benchmarks.processes import ROOT, BenchmarkError, MemoryWatch, child_environment

__all__ = ["COLUMNS", "LongPlan", "ratios_of_long", "read_long_songs"]

_ALLOWANCE = 0.050
"""Seconds that the first mini-batch may take beside a shuffle."""

_TENTHS = 30
"""Mini-batches of an epoch from which on its first tenth is more than its beginning."""

COLUMNS = {
    "case": ("long songs: windows", str),
    "hours": ("hours", lambda value: f"{value:g}"),
    "examples": ("examples", lambda value: f"{value:,}"),
    "scheme": ("order", str),
    "first_batch_seconds": ("first batch ms", lambda value: f"{value * 1e3:.1f}"),
    "shuffle_seconds": ("numpy's shuffle ms", lambda value: f"{value * 1e3:.1f}"),
    "peak_anonymous_bytes": ("peak RssAnon MB", lambda value: f"{value / 1e6:.0f}"),
    "first_tenth_anonymous_bytes": ("first tenth", lambda value: f"{value / 1e6:.0f}"),
    "last_tenth_anonymous_bytes": ("last tenth", lambda value: f"{value / 1e6:.0f}"),
    "samples_per_second": ("10^9 samples/s", lambda value: f"{value / 1e9:.3f}"),
}


@dataclass(frozen=True)
class LongPlan:
    """What to run.

    Parameters
    ----------
    hours : tuple of float
        Lengths of the songs.
    epochs : tuple of (int, int)
        Shapes of which an epoch is read, with the memory watched.
    openings : tuple of (int, int, int, str)
        Frame, sequence, hop and scheme of which the first mini-batch is awaited, in the longest song.
    times : int
        How often it is awaited.
    most_batches : int
        Mini-batches that are read of an epoch; below 0, all.
    """

    hours: tuple[float, ...] = (1, 10, 100)
    epochs: tuple[tuple[int, int], ...] = ((40, 50), (1000, 100), (4000, 50))
    openings: tuple[tuple[int, int, int, str], ...] = (
        (1000, 100, 100_000, "ShuffledScheme"),
        (40, 50, 2000, "ShuffledScheme"),
        (4000, 50, 200_000, "ShuffledScheme"),
        (1000, 100, 1000, "ShuffledScheme"),
        (40, 50, 40, "ShuffledScheme"),
        (1000, 100, 1, "ShardShuffledScheme"),
        (40, 50, 1, "ShardShuffledScheme"),
    )
    times: int = 5
    most_batches: int = -1


def read_long_songs(work: Path, plan: LongPlan) -> list[dict[str, Any]]:
    """Write the songs, one after the other, and read them.

    Parameters
    ----------
    work : Path
        A folder.
    plan : LongPlan

    Returns
    -------
    list of dict
        A row for each epoch and each opening.

    Raises
    ------
    BenchmarkError
        A reader failed.
    """
    rows = []
    for hours in plan.hours:
        folder = work / f"{hours:g}-hours"
        write_long_song(folder, round(hours * 3600 * SAMPLE_RATE))
        for frame, seq in plan.epochs:
            case = frame, seq, frame * seq, "ShuffledScheme"
            rows.append(_row(hours, case) | {"kind": "epoch"} | _read(folder, case, plan.most_batches))
    for case in plan.openings:
        rows.append(_row(hours, case) | {"kind": "opening"} | _await_first(folder, case, plan.times))
    return rows


def ratios_of_long(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Give what is to be watched of the rows, by case and hours."""
    ratios = {}
    for row in rows:
        where = f"{row['case']}:{row['hours']:g}h"
        if row["kind"] == "epoch":
            ratios[f"anonymous_mb:{where}"] = row["peak_anonymous_bytes"] / 1e6
            if row["mini_batches"] >= _TENTHS:
                first, last = row["first_tenth_anonymous_bytes"], row["last_tenth_anonymous_bytes"]
                ratios[f"anonymous_last_over_first_tenth:{where}"] = last / max(first, 1)
            continue
        ratios[f"first_batch_ms:{where}"] = row["first_batch_seconds"] * 1e3
        if row["shuffle_seconds"] is not None:
            allowed = row["shuffle_seconds"] + _ALLOWANCE
            ratios[f"first_batch_over_shuffle_and_50ms:{where}"] = row["first_batch_seconds"] / allowed
    return ratios


def _row(hours: float, case: tuple[int, int, int, str]) -> dict[str, Any]:
    frame, seq, hop, scheme = case
    name = f"{frame}x{seq}" if hop == frame * seq else f"{frame}x{seq}/hop{hop}"
    return {"candidate": "ours", "case": name, "hours": hours, "scheme": scheme}


def _await_first(folder: Path, case: tuple[int, int, int, str], times: int) -> dict[str, Any]:
    """Open in fresh processes, in turns with a shuffle of as many numbers where the order is a shuffled list.

    The first process, which has pages to bring to the page cache, says how much memory that takes; its time does
    not count. Nobody looks at the others' memory: that takes the time of a core, and makes page faults wait.
    """
    before = _read(folder, case, 1)
    listed = case[3] == "ShuffledScheme"
    found, shuffles = [], []
    for _ in range(times):
        found.append(_read(folder, case, 1, pause=60.0))
        if listed:
            shuffles.append(shuffle_seconds(before["examples"]))
    return {
        "examples": before["examples"],
        "first_batch_seconds": statistics.median(one["first_batch_seconds"] for one in found),
        "first_batch_seconds_each": [one["first_batch_seconds"] for one in found],
        "peak_anonymous_bytes": before["peak_anonymous_bytes"],
        "shuffle_seconds": statistics.median(shuffles) if listed else None,
    }


def _read(
    folder: Path, case: tuple[int, int, int, str], batches: int, pause: float = MemoryWatch.pause
) -> dict[str, Any]:
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.long_reader", str(folder), *map(str, case), str(batches)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=child_environment(),
    ) as reader:
        process = _answer(reader)["process"]
        with MemoryWatch(process, pause) as watch:
            _let_go_on(reader)
            found = _answer(reader)
        _let_go_on(reader)
    return {
        "examples": found["examples"],
        "mini_batches": found["mini_batches"],
        "first_batch_seconds": found["first_batch_seconds"],
        "samples_per_second": found["samples"] / found["seconds"],
        "peak_anonymous_bytes": watch.peak(),
        "first_tenth_anonymous_bytes": watch.peak(stop=found["first_tenth_until"]),
        "last_tenth_anonymous_bytes": watch.peak(start=found["last_tenth_from"]),
    }


def _answer(reader: subprocess.Popen[str]) -> dict[str, Any]:
    line = reader.stdout.readline()
    if not line:
        raise BenchmarkError(f"the reader of a long song ended with status {reader.wait()}; see its words above")
    return json.loads(line)


def _let_go_on(reader: subprocess.Popen[str]) -> None:
    reader.stdin.write("\n")
    reader.stdin.flush()
