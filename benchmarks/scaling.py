"""What grows with the song and with the network, measured, beside what `longsong plan` says of it.

``python -m benchmarks.scaling [--quick] [--json FILE]``: time and memory of an update of wider and wider networks, each
trained by the trainer itself in a process of its own; a whole run; the index of songs of up to 10,000 hours;
mini-batches of songs in more shards than are open at once; and how long it takes to read a song whole. Figures of time
are good for nothing while other work goes on, but for the ratios: what is compared is measured right after each other.

Ratios, by name:

``time_model_over_measured:HIDDEN``, ``memory_model_over_measured:HIDDEN``
    Of an update: what the plan says, measured at this width or extended from narrower ones, over what it took.
``run_model_over_measured:SHAPE``
    Of training a whole run.
``index_model_over_measured:HOURS``
    Of the bytes of ``index.json``.
``many_shards_over_few``
    Of the seconds of a mini-batch: 1,000 shards and more over some of the usual size.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import arguments, interleaved, machine, render_table, report
from benchmarks.long_song import SAMPLE_RATE, write_long_song
from benchmarks.processes import ROOT, BenchmarkError, child_environment
from benchmarks.train_run import noise_song, train_apart
from longsong.config import ModelConfig
from longsong.cost_model import SongSize
from longsong.cost_time import measure_reading
from longsong.reported import BATCH
from longsong.units import human_bytes, human_time
from streams import DataStream, ShuffledScheme, Song, Windows
from streams.index import Index, parse_index
from streams.shard import Shard, column
from streams.statistics import Statistics
from streams.writer import BLOCK_SAMPLES, BLOCKS_PER_SHARD

__all__ = ["PARTS", "Scale", "index_rows", "main"]

PARTS = ("hidden", "run", "index", "shards", "reading")

_UPDATES = 3
_MEMORY = 12 << 30
_WHOLE_OVER_TRAIN = 174_224_000 / 160_000_000
"""Samples of a song over those of its train split (FACTS section 2)."""


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    Attributes
    ----------
    hidden : tuple of int
        Widths of an update.
    frame, seq : int
        Of those updates.
    measuring : float
        Seconds that the plan may measure a network for.
    run_shape : (int, int)
        Of the whole run.
    run_seconds, run_epochs
        Of its song, and of it.
    hours : tuple of float
        Of songs whose index is made.
    """

    hidden: tuple[int, ...] = (199, 256, 512, 1024, 2048, 4096)
    frame: int = 1000
    seq: int = 10
    measuring: float = 20.0
    run_shape: tuple[int, int] = (100, 50)
    run_seconds: float = 300.0
    run_epochs: int = 3
    hours: tuple[float, ...] = (1.0, 10.0, 100.0, 1000.0, 10_000.0)


FULL = Scale()
QUICK = replace(FULL, hidden=(64, 128), measuring=0.0, run_seconds=60.0, run_epochs=1, hours=(1.0, 10.0, 100.0))

Part = tuple[list[dict[str, Any]], dict[str, float], Mapping[str, tuple[str, Callable[[Any], str]]]]


def main() -> None:
    """Run what the command line asks for."""
    options = _options()
    scale = QUICK if options.quick else FULL
    if options.hidden:
        scale = replace(scale, hidden=tuple(options.hidden))
    described = machine(("torch", "numpy"))
    print(f"{described['processor']}, {described['cores']} cores, load {described['load_before']:.1f}")
    rows: list[dict[str, Any]] = []
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=options.work) as folder:
        parts: dict[str, Callable[[], Part]] = {
            "hidden": lambda: hidden_rows(Path(folder), scale),
            "run": lambda: run_rows(Path(folder), scale),
            "index": lambda: index_rows(scale.hours),
            "shards": lambda: shard_rows(Path(folder), quick=options.quick),
            "reading": reading_rows,
        }
        try:
            for part in options.parts:
                found, compared, columns = parts[part]()
                rows += [{"part": part, **row} for row in found]
                ratios |= compared
                print("\n" + render_table(found, columns), flush=True)
        finally:
            print()
            report(options.json, described, rows, ratios)


def hidden_rows(work: Path, scale: Scale) -> Part:
    """Train a few updates of each width, and say what the plan says of them."""
    train = BATCH * scale.frame * scale.seq
    shards = noise_song(work, train + scale.frame)
    rows: list[dict[str, Any]] = []
    for hidden in scale.hidden:
        shape = {"frame": scale.frame, "seq": scale.seq, "hidden": hidden, "epochs": _UPDATES}
        # One mini-batch an epoch, as in the run, whatever the train split of such a song would be.
        hours = (train + scale.frame) / SAMPLE_RATE / 3600 * _WHOLE_OVER_TRAIN
        plan = _planned(hours, shape, measuring=scale.measuring)
        (run,), (measured,) = plan["runs"], plan["devices"]["measured"].values()
        done = _trained(work, shards, shape, train_samples=train)
        later = [ended - begun for begun, ended in done["updates"][1:]]  # in the first, buffers are new
        rows.append(
            {
                "hidden": hidden,
                "measured_at": "+".join(map(str, measured["hidden"])),
                "model_seconds": run["seconds"]["update"],
                "update_seconds": min(later),
                "plan_bytes": run["memory_bytes"],
                "peak_bytes": done["peak"],
                "parameters": run["parameters"],
            }
        )
        print(f"{hidden} hidden units done", flush=True)
    shutil.rmtree(shards)
    ratios = {f"time_model_over_measured:{row['hidden']}": row["model_seconds"] / row["update_seconds"] for row in rows}
    ratios |= {f"memory_model_over_measured:{row['hidden']}": row["plan_bytes"] / row["peak_bytes"] for row in rows}
    columns = {
        "hidden": ("an update", str),
        "measured_at": ("measured at", str),
        "model_seconds": ("model", human_time),
        "update_seconds": ("took", human_time),
        "plan_bytes": ("planned", human_bytes),
        "peak_bytes": ("peak", human_bytes),
        "parameters": ("parameters", "{:,}".format),
    }
    return rows, ratios, columns


def run_rows(work: Path, scale: Scale) -> Part:
    """Train a whole run, in turns with what the plan says of it."""
    frame, seq = scale.run_shape
    samples = round(scale.run_seconds * SAMPLE_RATE)
    shards = noise_song(work, samples)
    shape = {"frame": frame, "seq": seq, "hidden": ModelConfig().hidden, "epochs": scale.run_epochs}

    def modelled() -> float:
        (run,) = _planned(samples / SAMPLE_RATE / 3600, shape)["runs"]
        return run["seconds"]["alone"] - run["seconds"]["sound"]

    def trained() -> float:
        spans = _trained(work, shards, shape)
        return sum(ended - begun for begun, ended in spans["updates"] + spans["evaluations"])

    found = interleaved({"model": modelled, "trained": trained}, 3)
    shutil.rmtree(shards)
    seconds = {name: statistics.median(values) for name, values in found.items()}
    row = {"shape": f"{frame}x{seq}", "epochs": scale.run_epochs, **seconds, "rounds": found}
    columns = {
        "shape": ("a run", str),
        "epochs": ("epochs", str),
        "model": ("model", human_time),
        "trained": ("took", human_time),
    }
    return [row], {f"run_model_over_measured:{frame}x{seq}": seconds["model"] / seconds["trained"]}, columns


def _planned(hours: float, shape: Mapping[str, int], **options: float) -> dict[str, Any]:
    """Ask `longsong plan` itself, in a process of its own."""
    words = [f"--{name}={value!r}" for name, value in {"hours": hours, **shape, **options}.items()]
    command = [sys.executable, "-m", "longsong", "plan", "--json", "--device=cpu", f"--memory={_MEMORY}", *words]
    environment = {name: value for name, value in child_environment().items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    if done.returncode:
        raise BenchmarkError(done.stderr.strip())
    return json.loads(done.stdout)


def _trained(work: Path, shards: Path, shape: Mapping[str, int], train_samples: int | None = None) -> dict[str, Any]:
    out = work / "run"
    request = {"shards": str(shards), "out": str(out), "cell": "gru", "memory": _MEMORY, "train_samples": train_samples}
    done = train_apart(request | dict(shape))
    shutil.rmtree(out)
    return done


def index_rows(hours: Sequence[float]) -> Part:
    """Make the index of songs of that length, which need not be there, and read it again."""
    rows = []
    for length in hours:
        size = SongSize(round(length * 3600 * SAMPLE_RATE), SAMPLE_RATE)
        data = _index(size).to_bytes()
        begun = time.perf_counter()
        parse_index(data, "benchmark")
        rows.append(
            {
                "hours": length,
                "shards": size.shards,
                "members": size.members,
                "bytes": len(data),
                "model_bytes": size.index_bytes(),
                "seconds": time.perf_counter() - begun,
            }
        )
    ratios = {f"index_model_over_measured:{row['hours']:g}": row["model_bytes"] / row["bytes"] for row in rows}
    columns = {
        "hours": ("hours", "{:,g}".format),
        "shards": ("shards", "{:,}".format),
        "members": ("members", "{:,}".format),
        "bytes": ("index.json", human_bytes),
        "model_bytes": ("model", human_bytes),
        "seconds": ("read in", human_time),
    }
    return rows, ratios, columns


def _index(size: SongSize) -> Index:
    """Give an index as the writer makes it, of samples that nobody has seen."""
    header, stride = 3 * 512 + 128, 4 * 512 + 2 * BLOCK_SAMPLES
    shards = []
    for first in range(0, size.members, BLOCKS_PER_SHARD):
        start = first * BLOCK_SAMPLES
        samples = min(BLOCKS_PER_SHARD * BLOCK_SAMPLES, size.samples - start)
        count = -(-samples // BLOCK_SAMPLES)
        lengths = np.full(count, BLOCK_SAMPLES)
        lengths[-1] = samples - (count - 1) * BLOCK_SAMPLES
        shards.append(
            Shard(
                name=f"song-{first // BLOCKS_PER_SHARD:06d}.tar",
                bytes=stride * count + 10_240,
                sha256=f"{first:064x}",
                start=start,
                samples=samples,
                offsets=column(header + stride * np.arange(count)),
                lengths=column(lengths),
                sizes=column(2 * lengths),
                checks="".join(f"{number:08x}" for number in range(first, first + count)),
                names=None,
                first=first,
                encoding="npy",
            )
        )
    statistics_ = Statistics(size.samples, 0, size.samples, -1, 1)
    return Index(SAMPLE_RATE, size.samples, "0" * 63 + "1", statistics_, BLOCK_SAMPLES, "npy", tuple(shards), [], {})


def shard_rows(work: Path, *, quick: bool) -> Part:
    """Read mini-batches in shuffled order from a song in shards of the usual size, and in many small ones."""
    hours = 1 if quick else 8
    samples = hours * 3600 * SAMPLE_RATE
    kinds = {"few": BLOCKS_PER_SHARD, "many": max(1, BLOCKS_PER_SHARD // 256)}
    streams = {}
    for name, blocks in kinds.items():
        write_long_song(work / name, samples, blocks_per_shard=blocks)
        song = Song.open(work / name)
        song.verify()  # in the page cache
        windows = Windows(song, frame=1000, seq=100, normalise="none")
        streams[name] = DataStream(windows, ShuffledScheme(len(windows), BATCH))
        for _ in streams[name].get_epoch_iterator():  # each member is compared with its checksum once
            pass

    def epoch(name: str) -> float:
        stream = streams[name]
        begun = time.perf_counter()
        for _ in stream.get_epoch_iterator():
            pass
        return (time.perf_counter() - begun) / len(stream.scheme)

    found = interleaved({name: lambda name=name: epoch(name) for name in kinds}, 3)
    rows = [
        {"kind": name, "shards": len(streams[name].windows.song.index.shards), "seconds": statistics.median(values)}
        for name, values in found.items()
    ]
    seconds = {row["kind"]: row["seconds"] for row in rows}
    columns = {
        "kind": ("a mini-batch of 1000x100", str),
        "shards": ("shards", "{:,}".format),
        "seconds": ("takes", human_time),
    }
    for name in kinds:
        streams[name].windows.song.close()
        shutil.rmtree(work / name)
    return rows, {"many_shards_over_few": seconds["many"] / seconds["few"]}, columns


def reading_rows() -> Part:
    """Read songs whole, as a new run does."""
    rows = []
    for samples in (1 << 22, 1 << 24):
        seconds = measure_reading(samples)
        rows.append({"samples": samples, "seconds_a_sample": seconds, "seconds_an_hour": seconds * 3600 * SAMPLE_RATE})
    columns = {
        "samples": ("samples", "{:,}".format),
        "seconds_a_sample": ("s a sample", "{:.2e}".format),
        "seconds_an_hour": ("an hour of song", human_time),
    }
    return rows, {}, columns


def _options() -> argparse.Namespace:
    parser = arguments((__doc__ or "").partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--hidden", nargs="+", type=int, metavar="N", help="widths of an update")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where to put songs and runs, removed at the end")
    return parser.parse_args()


if __name__ == "__main__":
    main()
