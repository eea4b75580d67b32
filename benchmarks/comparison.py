"""The candidates on one song: the same order, the same numbers, and how fast each gives them."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.candidates import CANDIDATES
from benchmarks.harness import interleaved
from benchmarks.noise import check_order, check_set, expected_digests, write_noise
from benchmarks.processes import MemoryWatch, Worker
from benchmarks.stream_peers.task import Task
from streams import Normaliser, Statistics

__all__ = ["COLUMNS", "Plan", "compare", "ratios_of", "run_candidates"]

COLUMNS = {
    "title": ("candidate", str),
    "shape": ("shape", str),
    "samples_per_second": ("10^9 samples/s", lambda value: f"{value / 1e9:.3f}"),
    "first_batch_seconds": ("first batch ms", lambda value: f"{value * 1e3:.1f}"),
    "peak_anonymous_bytes": ("peak RssAnon MB", lambda value: f"{value / 1e6:.0f}"),
    "bytes_per_sample": ("bytes/sample", lambda value: f"{value:.2f}"),
    "prepare_seconds": ("prepare s", lambda value: f"{value:.2f}"),
    "order": ("order", str),
}


@dataclass(frozen=True)
class Plan:
    """What to run.

    Parameters
    ----------
    samples : int
        Length of the song; at least one mini-batch of the largest shape.
    shapes : tuple of (int, int)
        Frame and sequence length of each.
    rounds : int
        How often each candidate has its turn.
    seconds : float
        How long a turn lasts at least.
    openings : int
        How often each is opened in a fresh process, for the time to the first mini-batch.
    batch : int
        Examples of a mini-batch.
    checked : int
        Mini-batches of which every number is checked.
    settle : bool
        Whether each runs first until it is as fast as it will be (`Candidate.settles_after`).
    """

    samples: int
    shapes: tuple[tuple[int, int], ...] = ((40, 50), (1000, 100), (4000, 50))
    rounds: int = 9
    seconds: float = 0.5
    openings: int = 3
    batch: int = 128
    checked: int = 2
    settle: bool = True


@contextmanager
def run_candidates(names: Sequence[str]) -> Iterator[dict[str, Worker]]:
    """Start a worker for each candidate, import them side by side, and end them afterwards."""
    with ExitStack() as stack:
        workers = {}
        for name in names:
            workers[name] = Worker(name)
            stack.callback(workers[name].close)
        for worker in workers.values():
            worker.wait_until_ready()
        yield workers


def compare(workers: Mapping[str, Worker], work: Path, plan: Plan) -> list[dict[str, Any]]:
    """Run all candidates over one song.

    Parameters
    ----------
    workers : mapping
        By name of the candidate (`run_candidates`).
    work : Path
        An empty folder; the data of one shape are removed before those of the next are written.
    plan : Plan

    Returns
    -------
    list of dict
        A row for each candidate and shape.

    Raises
    ------
    BenchmarkError
        A candidate failed, or gave other numbers or another order than it says.
    """
    song = work / "song.i16"
    write_noise(song, plan.samples)
    statistics_of_song = Statistics.of(np.memmap(song, dtype="<i2", mode="r"))
    normaliser = Normaliser.of("minmax", statistics_of_song)
    prepared: dict[str, dict[str, float]] = {}
    rows = []
    for frame, seq in plan.shapes:
        tasks = {}
        for name in workers:
            folder = work / (f"{name}-{frame}x{seq}" if CANDIDATES[name].per_shape else name)
            tasks[name] = Task(
                str(song), str(folder), frame, seq, normaliser.scale, normaliser.offset, batch=plan.batch
            )
            if not folder.exists():
                prepared[name] = _prepare(workers[name], tasks[name])
        rows += _one_shape(workers, tasks, prepared, plan)
        for name, task in tasks.items():
            if CANDIDATES[name].per_shape:
                shutil.rmtree(task.folder)
    return rows


def ratios_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Set ours against the floor, the fastest peer and the references, for each shape that has them."""
    ratios = {}
    for shape in dict.fromkeys(row["shape"] for row in rows):
        here = {row["candidate"]: row for row in rows if row["shape"] == shape}
        if "ours" not in here:
            continue
        speed = {name: row["samples_per_second"] for name, row in here.items()}
        peers = [name for name, row in here.items() if row["kind"] == "peer"]
        if "floor" in here:
            ratios[f"ours_over_floor:{shape}"] = speed["ours"] / speed["floor"]
        if peers:
            ratios[f"ours_over_fastest_peer:{shape}"] = speed["ours"] / max(speed[name] for name in peers)
        for name in peers + [name for name, row in here.items() if row["kind"] == "reference"]:
            ratios[f"ours_over_{name}:{shape}"] = speed["ours"] / speed[name]
        ratios[f"ours_first_epoch_over_later:{shape}"] = here["ours"]["first_epoch_samples_per_second"] / speed["ours"]
    return ratios


def _prepare(worker: Worker, task: Task) -> dict[str, float]:
    folder = Path(task.folder)
    folder.mkdir()
    with worker.task(asdict(task)):
        seconds = worker.ask("prepare")["seconds"]
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return {"prepare_seconds": seconds, "bytes_per_sample": size / len(task.samples)}


def _one_shape(
    workers: Mapping[str, Worker], tasks: Mapping[str, Task], prepared: Mapping[str, Mapping[str, float]], plan: Plan
) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for name, task in tasks.items():
        candidate = CANDIDATES[name]
        rows[name] = {
            "candidate": name,
            "title": candidate.title,
            "kind": candidate.kind,
            "shape": f"{task.frame}x{task.seq}",
            "examples": task.examples,
            "order": candidate.own_order or "as ours",
            **prepared[name],
            **_fresh_starts(workers[name], task, plan.openings),
        }
    any_task = next(iter(tasks.values()))
    first_rows = np.concatenate(next(any_task.orders())[: plan.checked])
    in_order = expected_digests(any_task, first_rows.tolist())
    own_orders = any(CANDIDATES[name].own_order for name in tasks)
    all_of_them = expected_digests(any_task, range(any_task.examples)) if own_orders else []
    with ExitStack() as running:
        for name, task in tasks.items():
            process = running.enter_context(workers[name].task(asdict(task)))
            expected = all_of_them if CANDIDATES[name].own_order else in_order
            opened, found = _watched_epoch(workers[name], process, plan, expected)
            rows[name]["first_batch_seconds_each"].append(opened)
            rows[name] |= found
        for name in tasks if plan.settle else ():
            workers[name].ask("run", seconds=plan.seconds, samples=CANDIDATES[name].settles_after)

        def turn(worker: Worker) -> float:
            done = worker.ask("run", seconds=plan.seconds)
            return done["samples"] / done["seconds"]

        rates = interleaved({name: lambda w=workers[name]: turn(w) for name in tasks}, plan.rounds)
    for name, row in rows.items():
        row["first_batch_seconds"] = statistics.median(row["first_batch_seconds_each"])
        row["samples_per_second_each"] = rates[name]
        row["samples_per_second"] = statistics.median(rates[name])
    return list(rows.values())


def _fresh_starts(worker: Worker, task: Task, openings: int) -> dict[str, Any]:
    """Open anew in fresh processes, of which `_watched_epoch` is one; of ours, take the first epoch too."""
    ours = CANDIDATES[worker.candidate].kind == "ours"
    found = []
    for _ in range(max(openings - 1, 1 if ours else 0)):
        with worker.task(asdict(task)):
            found.append(worker.ask("first_epoch" if ours else "open"))
    figures: dict[str, Any] = {"first_batch_seconds_each": [one["first_batch_seconds"] for one in found]}
    if ours:
        figures["first_epoch_samples_per_second"] = statistics.median(one["samples"] / one["seconds"] for one in found)
    return figures


def _watched_epoch(worker: Worker, process: int, plan: Plan, expected: Sequence[str]) -> tuple[float, dict[str, Any]]:
    """Open, check the numbers, and go through an epoch with the memory watched.

    Parameters
    ----------
    worker, process
        What runs the task, and the process in which it does.
    plan : Plan
    expected : sequence of str
        Digests of the first rows, or of all where the candidate has an order of its own.

    Returns
    -------
    seconds : float
        To the first mini-batch.
    figures : dict
    """
    own_order = CANDIDATES[worker.candidate].own_order
    with MemoryWatch(process) as watch:
        seconds = worker.ask("open")["first_batch_seconds"]
        if own_order:
            epoch = worker.ask("finish_digest")
            check_set(worker.candidate, epoch["digest"], epoch["rows"], expected)
        else:
            check_order(worker.candidate, worker.ask("digests", batches=plan.checked)["rows"], expected)
            worker.ask("finish_epoch")
    checked = "all rows of an epoch, as a set" if own_order else f"the first {len(expected)} rows, in order"
    return seconds, {"peak_anonymous_bytes": watch.peak(), "checked": checked}
