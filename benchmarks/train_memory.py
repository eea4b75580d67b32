"""Peak memory of one update at every shape of the post, each in a process of its own, against budget and estimate."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import BenchmarkError
from benchmarks.train_run import SAMPLE_RATE, noise_song, train_apart
from longsong.config import Cell
from longsong.reported import FRAMES, SEQUENCES, SONG_SECONDS, Configuration
from longsong.units import human_bytes
from streams import train_samples

__all__ = ["COLUMNS", "MemoryPlan", "examples_of", "measure_memory", "ratios_of_memory"]

COLUMNS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "shape": ("peak memory", str),
    "cell": ("cell", str),
    "examples": ("examples", str),
    "peak_bytes": ("peak", human_bytes),
    "estimated_bytes": ("estimate", human_bytes),
    "peak_over_estimate": ("over estimate", lambda value: f"{value:.2f}"),
    "update_seconds": ("s an update", lambda value: f"{value:.2f}"),
    "plan": ("plan", str),
    "left_out": ("left out", str),
}


@dataclass(frozen=True)
class MemoryPlan:
    """What to run.

    Attributes
    ----------
    memory : int
        The budget, in bytes.
    shapes : tuple of (int, int)
        Frame and sequence; by default the 35 of the post.
    hidden : int
    cells : tuple of {'gru', 'lstm', 'rnn'}
    at_most : float or None
        Seconds that one shape may take.
    samples : int
        Of the song that no mini-batch can be larger than.
    """

    memory: int = 6 << 30
    shapes: tuple[tuple[int, int], ...] = tuple((frame, seq) for frame in FRAMES for seq in SEQUENCES)
    hidden: int = 256
    cells: tuple[Cell, ...] = ("gru",)
    at_most: float | None = None
    samples: int = SONG_SECONDS * SAMPLE_RATE


def examples_of(frame: int, seq: int, samples: int) -> int:
    """Give the examples of a mini-batch: a full one, or all that the train split of such a song holds, where fewer."""
    return min(Configuration(frame, seq, 1).batch, train_samples(samples) // (frame * seq))


def measure_memory(work: Path, plan: MemoryPlan) -> list[dict[str, Any]]:
    """Train one update at each shape.

    Parameters
    ----------
    work : Path
        A folder; the song of one shape is removed before that of the next is written.
    plan : MemoryPlan

    Returns
    -------
    list of dict
        A row for each shape and cell; of those that hold no example, or did not end well, why.
    """
    rows = []
    for frame, seq in plan.shapes:
        examples = examples_of(frame, seq, plan.samples)
        place = {"candidate": "ours", "shape": f"{frame}x{seq}", "hidden": plan.hidden, "examples": examples}
        if not examples:
            left_out = "the song's train split holds no example"
            rows += [place | {"cell": cell, "left_out": left_out} for cell in plan.cells]
            continue
        # As long as the mini-batch: then an epoch is one update, and there is nothing to evaluate.
        train = examples * frame * seq
        shards = noise_song(work, train + frame)
        for cell in plan.cells:
            request = {
                "shards": str(shards),
                "out": str(work / "run"),
                "frame": frame,
                "seq": seq,
                "train_samples": train,
                "cell": cell,
                "hidden": plan.hidden,
                "epochs": 1,
                "memory": plan.memory,
            }
            rows.append(place | {"cell": cell} | _one(request, plan))
            shutil.rmtree(work / "run", ignore_errors=True)
        shutil.rmtree(shards)
    return rows


def ratios_of_memory(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Give the peaks over the budget and over the estimate; other cells than the GRU are named."""
    ratios = {}
    for row in rows:
        where = row["shape"] if row["cell"] == "gru" else f"{row['shape']}:{row['cell']}"
        for name in ("peak_over_budget", "peak_over_estimate"):
            if name in row:
                ratios[f"{name}:{where}"] = row[name]
    return ratios


def _one(request: Mapping[str, Any], plan: MemoryPlan) -> dict[str, Any]:
    try:
        found = train_apart(request, plan.at_most)
    except BenchmarkError as error:
        return {"left_out": str(error)}
    ((begun, ended),) = found["updates"]
    return {
        "peak_bytes": found["peak"],
        "estimated_bytes": found["estimate"],
        "peak_over_budget": found["peak"] / plan.memory,
        "peak_over_estimate": found["peak"] / found["estimate"],
        "update_seconds": ended - begun,
        "plan": found["plan"],
    }
