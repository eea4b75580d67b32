"""How long it takes to judge a sound, and how far a run predicts, against a song of three hours.

``python -m benchmarks.judge [--quick] [--json FILE]`` takes all figures of 30 s of sound against a song, for the first
time (its statistics, and the figures of an excerpt of it, are computed and kept) and again (they are read); and all
figures of prediction, of networks that nobody trained, which predict no faster and no slower.

Ratios, by name:

``first_sound_seconds:FRAME``, ``sound_seconds:FRAME``
    From opening the song to the figures, the first time and again.
``sound_over_realtime:FRAME``
    Seconds of sound that are judged in a second, again.
``prediction_seconds:SHAPE``
    From opening the song to the figures.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.harness import arguments, available_cores, interleaved, machine, render_table, report
from benchmarks.processes import BenchmarkError
from benchmarks.train_run import SAMPLE_RATE, noise_song
from longsong.config import DataConfig, ExecutionConfig, ModelConfig, RunConfig
from longsong.judging import Judge, judge_prediction
from longsong.model import Network
from longsong.runs import Run
from longsong.training.preparation import record_of
from longsong.training.splits import Splits

__all__ = ["Scale", "main", "measure_predictions", "measure_sounds", "ratios", "untrained_run"]

PACKAGES = ("torch", "numpy", "scipy")
HIDDEN = 199

COLUMNS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "kind": ("figures of", str),
    "shape": ("shape", str),
    "song_hours": ("song, h", lambda value: f"{value:.2f}"),
    "first_seconds": ("first, s", lambda value: f"{value:.2f}"),
    "seconds": ("again, s", lambda value: f"{value:.2f}"),
    "examples": ("dev examples", lambda value: f"{value:,}"),
    "frames": ("dev frames", lambda value: f"{value:,}"),
    "fitted_frames": ("fitted frames", lambda value: f"{value:,}"),
}


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    Attributes
    ----------
    hours : float
        Of the song.
    seconds : int
        Of the sound.
    frames : tuple of int
        Samples in a frame, of sounds.
    shapes : tuple of (int, int)
        Samples in a frame and frames in a sequence, of predictions.
    rounds : int
    """

    hours: float = 3.0
    seconds: int = 30
    frames: tuple[int, ...] = (40, 1000, 4000)
    shapes: tuple[tuple[int, int], ...] = tuple((frame, seq) for frame in (40, 100, 1000, 4000) for seq in (50, 100))
    rounds: int = 3


FULL = Scale()
QUICK = Scale(hours=0.5, frames=(40,), shapes=((40, 50), (1000, 100)), rounds=1)


def main() -> None:
    """Run what the command line asks for."""
    options = _options()
    torch.set_num_threads(available_cores())
    scale = QUICK if options.quick else FULL
    described = {**machine(PACKAGES), "threads": torch.get_num_threads(), "hidden": HIDDEN}
    print(f"{described['processor']}, {described['threads']} threads, hidden {HIDDEN}")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=options.work) as folder:
        work = Path(folder)
        shards = options.song or noise_song(work, round(scale.hours * 3600 * SAMPLE_RATE))
        try:
            for measure in (measure_sounds, measure_predictions):
                found = measure(work, shards, scale)
                rows += found
                print("\n" + render_table(found, _filled(found)), flush=True)
        finally:  # minutes of figures are not lost with what fails
            print()
            report(options.json, described, rows, ratios(rows))


def untrained_run(folder: Path, shards: Path, frame: int, seq: int) -> Run:
    """Give a run of a song with the parameters that training begins with; nothing is written.

    Parameters
    ----------
    folder : Path
        Where the run would be; what is kept of the song is kept beside it.
    shards : Path
    frame, seq : int
    """
    plain = ExecutionConfig(device="cpu", elementwise="plain")
    asked = RunConfig(shards, DataConfig(frame, seq), ModelConfig(hidden=HIDDEN), execution=plain, out=folder)
    network = Network(asked.model, frame)
    record = record_of(asked, Splits.open(shards, asked.data), network, ["python", "-m", "benchmarks.judge"])
    parameters = network.initial_parameters(asked.training.seed).float()
    return Run(folder, record, network, parameters, "last", 0, torch.device("cpu"), "float32")


def measure_sounds(work: Path, shards: Path, scale: Scale) -> list[dict[str, Any]]:
    """Time all figures of a sound, the first time and again."""
    sound = np.random.default_rng(30).normal(0, 3000, scale.seconds * SAMPLE_RATE).astype(np.int16)
    runs = {frame: untrained_run(work / f"sounds-{frame}" / "run", shards, frame, 50) for frame in scale.frames}
    first = {}
    for frame, run in runs.items():
        run.folder.parent.mkdir()
        first[frame] = _judged(run, sound)
    again = interleaved({str(frame): partial(_judged, run, sound) for frame, run in runs.items()}, scale.rounds)
    return [
        {
            "kind": f"{scale.seconds} s of sound",
            "sound_seconds": scale.seconds,
            "shape": str(frame),
            "frame": frame,
            "song_hours": run.record.song["samples"] / run.record.song["sample_rate"] / 3600,
            "first_seconds": first[frame],
            "seconds": median(again[str(frame)]),
        }
        for frame, run in runs.items()
    ]


def measure_predictions(work: Path, shards: Path, scale: Scale) -> list[dict[str, Any]]:
    """Time all figures of prediction."""
    rows = []
    for frame, seq in scale.shapes:
        run = untrained_run(work / f"{frame}x{seq}", shards, frame, seq)
        seconds, found = [], None
        for _ in range(scale.rounds):
            begun = time.perf_counter()
            found = judge_prediction(run)
            seconds.append(time.perf_counter() - begun)
        if found is None:
            raise BenchmarkError(f"{frame}x{seq}: {shards} has no dev example of that shape")
        rows.append(
            {
                "kind": "prediction",
                "shape": f"{frame}x{seq}",
                "frame": frame,
                "seq": seq,
                "song_hours": run.record.song["samples"] / run.record.song["sample_rate"] / 3600,
                "seconds": median(seconds),
                "examples": found["examples"],
                "frames": found["baselines"]["frames"],
                "fitted_frames": found["baselines"]["linear_frames"],
            }
        )
    return rows


def ratios(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Give the ratios, by the names that the module says."""
    found: dict[str, float] = {}
    for row in rows:
        if row["kind"] == "prediction":
            found[f"prediction_seconds:{row['shape']}"] = row["seconds"]
        else:
            found[f"first_sound_seconds:{row['shape']}"] = row["first_seconds"]
            found[f"sound_seconds:{row['shape']}"] = row["seconds"]
            found[f"sound_over_realtime:{row['shape']}"] = row["sound_seconds"] / row["seconds"]
    return found


def _judged(run: Run, sound: np.ndarray[Any, np.dtype[np.int16]]) -> float:
    begun = time.perf_counter()
    figures = Judge(run, quiet=True).figures(sound)
    seconds = time.perf_counter() - begun
    if "without_song" in figures:
        raise BenchmarkError(f"the sound was not held against the song: {figures['without_song']}")
    return seconds


def _filled(rows: list[dict[str, Any]]) -> dict[str, tuple[str, Callable[[Any], str]]]:
    """Give the columns that there is something in."""
    return {key: column for key, column in COLUMNS.items() if any(key in row for row in rows)}


def _options() -> argparse.Namespace:
    parser = arguments((__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--song", type=Path, metavar="SHARDS", help="a song to take in place of noise, a folder of its shards"
    )
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="where to put the noise (some 0.7 GB), removed at the end"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
