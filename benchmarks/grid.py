"""The `full` profile's training on one accelerator: 70 GRU runs of 30 epochs on 3 h 1 min 29 s, and the comparisons.

``python -m benchmarks.grid [--side-by-side N] [--at-most SECONDS] [--out DIR] [--precision P] [--json FILE]``: begins,
or goes on where it was stopped, until all runs are trained or the time is over; the song is made on the spot. Runs go
side by side in processes that share the device's memory, the longest first; one that fails is named, leaves the others,
and is tried again, last, by the next piece. It needs torch, triton, numpy and what is in this repository. ``--quick``
trains one small configuration and what it is compared with on a short song, on a CPU too.

Ratios, by name:

``wall_over_sum``
    The time of all pieces so far, over the sum of what the runs took that are trained: runs side by side make it small.
``wall_over_ten_minutes``
    The time of all pieces, once every run is trained.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

import streams
from benchmarks.cuda_clock import device_here
from benchmarks.harness import arguments, machine, render_table, report
from benchmarks.long_song import SAMPLE_RATE, write_long_song
from benchmarks.processes import ROOT, child_environment
from longsong.arguments import count
from longsong.config import ExecutionConfig, Precision, RunConfig
from longsong.errors import LongsongError
from longsong.estimate import Estimate
from longsong.files import write_json
from longsong.grid import Choice, PlannedRun, plan_grid
from longsong.metrics import metric_lines
from longsong.progress import Progress
from longsong.reported import LAYERS, SONG_SECONDS
from longsong.scheduling.device_service import device_service
from longsong.scheduling.tasks import RunTask
from longsong.training.device import device_name
from longsong.training.plan import choose_memory
from longsong.training.record import read_summary
from longsong.units import human_time

__all__ = ["main"]

_TEN_MINUTES = 600.0
_PIECES = "pieces.json"
_QUICK = {"seconds": 6.0, "epochs": 1, "widths": (8,), "only": ("40x50",)}
_COLUMNS = {
    "name": ("run", str),
    "updates": ("updates", "{:,}".format),
    "seconds": ("seconds", "{:.1f}".format),
    "microseconds": ("us a layer and step", "{:.2f}".format),
    "over_mean": ("best dev cost over that of the mean", "{:.3f}".format),
}


def main() -> None:
    """Train what is left of the grid, or, as a worker, the runs that are asked for."""
    options = _options()
    if options.work:
        _work()
        return
    device = options.device
    execution = ExecutionConfig(device="cuda" if device.type == "cuda" else "cpu", precision=options.precision)
    execution = replace(execution, memory=choose_memory(None, device) // options.side_by_side)
    shards, runs = _grid(options, execution)
    pieces = _pieces(options.out)
    failed_before = pieces[-1].get("failed", []) if pieces else []
    left = [config for _, config in runs if read_summary(config.folder) is None]
    left.sort(key=lambda config: config.folder.name in failed_before)
    print(f"{device_name(device)}: {len(runs) - len(left)} of {len(runs)} runs are trained", flush=True)
    begun, steps = time.monotonic(), {config.folder: int(_steps(planned)) for planned, config in runs}
    with (
        device_service(execution.device, print) as service,
        Progress("training the grid", sum(steps.values()), "steps") as progress,
    ):
        progress.begin_at(sum(steps.values()) - sum(steps[config.folder] for config in left))
        until = begun + options.at_most
        failed = _train(deque(left), steps, options.side_by_side, until, dict(service), progress)
    if left:
        seconds = time.monotonic() - begun
        pieces.append({"seconds": seconds, "side_by_side": options.side_by_side, "failed": failed})
        write_json(options.out / _PIECES, {"pieces": pieces})
    _say(options, device_name(device), runs, pieces, shards)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def _grid(options: argparse.Namespace, execution: ExecutionConfig) -> tuple[Path, list[tuple[PlannedRun, RunConfig]]]:
    """Give the shards, and the runs, those first that take longest."""
    quick = _QUICK if options.quick else {}
    seconds = float(quick.get("seconds", SONG_SECONDS))
    shards = options.out / f"song-{seconds:g}s"
    if not (shards / "index.json").exists():
        options.out.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        part = options.out / "song.part"
        write_long_song(part, round(seconds * SAMPLE_RATE), content=_tones)
        part.rename(shards)
        print(f"made a song of {human_time(seconds)} in {human_time(time.monotonic() - begun)}", flush=True)
    chosen = Choice("full", widths=quick.get("widths"), only=quick.get("only"), execution=execution)  # type: ignore[arg-type]
    planned = plan_grid(streams.Song.open(shards), chosen, lambda run: Estimate(_steps(run), 0.0))
    left = [run for run in planned if run.state == "left"]
    configs = [run.config(shards, options.out / "runs", execution) for run in reversed(left)]
    if "epochs" in quick:
        configs = [replace(one, training=replace(one.training, epochs=int(quick["epochs"]))) for one in configs]  # type: ignore[call-overload]
    return shards, list(zip(reversed(left), configs, strict=True))


def _steps(run: PlannedRun) -> float:
    """Give the steps of a run, to each of which the one before is waited for."""
    return float(run.updates_per_epoch * run.configuration.seq * run.configuration.epochs)


def _tones(first: int, samples: int) -> npt.NDArray[np.int16]:
    """Give chords that glide, and noise: something to be learnt, and never the same."""
    at = np.arange(first, first + samples) / SAMPLE_RATE
    wave = sum(np.sin(2 * np.pi * (110 * n + 2 * np.sin(0.11 * n * at)) * at) / n for n in (1, 2, 3, 5))
    noise = np.random.default_rng(first).standard_normal(samples)
    return np.asarray(np.clip(5_000 * wave + 300 * noise, -32_768, 32_767), dtype=np.int16)


class _Worker:
    """A process that trains one run after the other."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.grid", "--work"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env=child_environment() | environment,
            start_new_session=True,
        )
        self.busy: Path | None = None

    @property
    def asking(self) -> IO[str]:
        """Where it is asked."""
        if self.process.stdin is None:
            raise ValueError("a worker without standard input")
        return self.process.stdin

    def give(self, config: RunConfig) -> None:
        """Ask for a run."""
        self.busy = config.folder
        self.asking.write(json.dumps(RunTask(config, ()).to_json()) + "\n")
        self.asking.flush()


def _train(
    left: deque[RunConfig],
    steps: Mapping[Path, int],
    many: int,
    until: float,
    environment: dict[str, str],
    progress: Progress,
) -> list[str]:
    """Train runs until none is left or the time is over; gives the names of those that failed."""
    workers = [_Worker(environment) for _ in range(min(many, len(left)))]
    failed: list[str] = []
    try:
        while (left or any(worker.busy for worker in workers)) and time.monotonic() <= until:
            for n, worker in enumerate(workers):
                if worker.busy is not None and read_summary(worker.busy) is not None:
                    progress.advance(steps[worker.busy])
                    progress.say(f"trained {worker.busy.name}")
                    worker.busy = None
                if worker.process.poll() is not None:
                    status = worker.process.returncode
                    if worker.busy is None:
                        raise SystemExit(f"a worker ended with status {status} before it had a run")
                    progress.say(f"{worker.busy.name} failed: its worker ended with status {status}")
                    failed.append(worker.busy.name)
                    worker.asking.close()
                    workers[n] = worker = _Worker(environment)
                if worker.busy is None and left:
                    worker.give(left.popleft())
            progress.update(progress.done, f"{sum(worker.busy is not None for worker in workers)} runs under way")
            time.sleep(0.05)
    except KeyboardInterrupt:
        pass  # what is under way keeps its checkpoints
    finally:
        for worker in workers:
            worker.asking.close()  # of an idle one that is the end
            if worker.busy is not None:
                worker.process.send_signal(signal.SIGTERM)
        for worker in workers:
            worker.process.wait()
    return failed


def _work() -> None:
    """Train what standard input asks for, a line each."""
    from longsong.training import train

    for line in sys.stdin:
        try:
            train(RunTask.from_json(json.loads(line)).config, command=["benchmarks.grid"], quiet=True)
        except KeyboardInterrupt:
            return
        except (LongsongError, streams.StreamsError) as error:
            sys.exit(str(error))


def _pieces(out: Path) -> list[dict[str, Any]]:
    path = out / _PIECES
    return list(json.loads(path.read_text(encoding="utf-8"))["pieces"]) if path.exists() else []


def _say(
    options: argparse.Namespace,
    device: str,
    runs: list[tuple[PlannedRun, RunConfig]],
    pieces: list[dict[str, Any]],
    shards: Path,
) -> None:
    rows = [row for planned, config in runs if (row := _row(planned, config)) is not None]
    wall, total = sum(piece["seconds"] for piece in pieces), sum(row["seconds"] for row in rows)
    print(f"\n{render_table(rows, _COLUMNS)}" if rows else "\nno run is trained yet")
    print(f"\n{len(rows)} of {len(runs)} runs trained in {human_time(wall)}, {len(pieces)} pieces\n")
    ratios = {"wall_over_sum": wall / total} if total else {}
    if len(rows) == len(runs):
        ratios["wall_over_ten_minutes"] = wall / _TEN_MINUTES
    described = machine(("torch", "triton")) | {"device": device, "pieces": pieces, "song": shards.name}
    report(options.json, described, rows, ratios)


def _row(planned: PlannedRun, config: RunConfig) -> dict[str, Any] | None:
    """Give the figures of a run, if it is trained."""
    summary = read_summary(config.folder)
    if summary is None:
        return None
    updates = [line for line in metric_lines(config.folder / "metrics.jsonl") if line["kind"] == "update"]
    computed = sum(line["computed_seconds"] for line in updates)
    best, mean = summary["best"]["dev_cost"], summary["cost_of_mean"]
    return {
        "name": planned.name,
        "updates": len(updates),
        "seconds": summary["training_seconds"],
        "microseconds": computed / (len(updates) * planned.configuration.seq * LAYERS) * 1e6,
        "over_mean": best / mean if best is not None and mean else None,
    }


def _options() -> argparse.Namespace:
    parser = arguments(__doc__ or "")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--out", type=Path, default=Path("runs/benchmark-grid"), metavar="DIR", help="default: %(default)s")
    add("--side-by-side", type=count, default=8, metavar="N", help="runs at once (default: %(default)s)")
    add("--at-most", type=float, default=1e9, metavar="SECONDS", help="stop after that, with checkpoints")
    add("--device", type=device_here, default="auto", help="auto, cpu or cuda (default: %(default)s)")
    add("--precision", choices=Precision.__args__, default="bfloat16", help="default: %(default)s")
    add("--work", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
