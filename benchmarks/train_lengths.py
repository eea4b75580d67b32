"""Time per step over the length of the sequence: whether a step costs more where there are more of them."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from benchmarks.harness import interleaved
from benchmarks.train_compare import dearness, row_of
from benchmarks.train_peers import Candidate, Measure, Ours, ProductsAlone, Split, Task, TorchGRU, elementwise
from longsong.config import DataConfig, ExecutionConfig
from longsong.training.footprint import Work
from longsong.training.plan import choose_memory, make_plan

__all__ = ["COLUMNS", "measure_lengths", "planned_split", "ratios_of_lengths"]

FRAME, HIDDEN = 40, 256

COLUMNS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "title": ("time per step", str),
    "seq": ("steps", lambda value: f"{value:,}"),
    "step_seconds": ("us a step", lambda value: f"{value * 1e6:.0f}"),
    "seconds": ("s an update", lambda value: f"{value:.3f}"),
    "split": ("split", str),
    "left_out": ("left out", str),
}


def measure_lengths(
    lengths: Sequence[int], *, rounds: int = 3, batch: int | None = None, memory: int | None = None
) -> list[dict[str, Any]]:
    """Time updates of each length, in turns: ours in float32 and the floor, then `torch.nn.GRU`.

    A short update is made as often in its turn as has as many steps as the longest, up to ten times.

    Parameters
    ----------
    lengths : sequence of int
        Steps.
    rounds : int
    batch : int, optional
        Examples; by default those of 2016.
    memory : int, optional
        Bytes that ours may take, splitting an update as the trainer would; by default what the trainer takes.
    """
    tasks = [Task(FRAME, seq, HIDDEN) if batch is None else Task(FRAME, seq, HIDDEN, batch) for seq in lengths]
    splits = [planned_split(task, memory) for task in tasks]
    turns: list[list[tuple[Task, Candidate, str | None]]] = [
        [(task, Ours(split=split), words) for task, (split, words) in zip(tasks, splits, strict=True)],
        [(task, ProductsAlone(), None) for task in tasks],
        [(task, TorchGRU(), None) for task in tasks],
    ]
    rows = []
    for together in turns:
        rows += _in_turns(together, rounds)
        gc.collect()
    return rows


def ratios_of_lengths(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Set ours, per step of each length, against the shortest; then the name says both lengths."""
    seconds = {row["seq"]: row["step_seconds"] for row in rows if row["kind"] == "ours"}
    first = min(seconds)
    return {f"step_time_{seq}_over_{first}": seconds[seq] / seconds[first] for seq in seconds if seq != first}


def planned_split(task: Task, memory: int | None) -> tuple[Split, str]:
    """Ask the trainer's plan how an update is split; in numbers and in words."""
    device = torch.device("cpu")
    execution = ExecutionConfig(device="cpu", elementwise=elementwise())
    data = DataConfig(task.frame, task.seq, task.batch)
    work = Work(train=task.batch, dev=0, epochs=1, samples=(task.batch * task.seq + 1) * task.frame)
    plan = make_plan(data, task.network(), execution, work, device, choose_memory(memory, device))
    return Split(plan.micro_batch, plan.segment), plan.describe()


def _in_turns(together: Sequence[tuple[Task, Candidate, str | None]], rounds: int) -> list[dict[str, Any]]:
    """Time one candidate at all lengths, in turns."""
    longest = max(task.seq for task, _, _ in together)
    left_out: dict[str, str] = {}
    measures: dict[str, Measure] = {}
    for task, candidate, _ in together:
        if reason := dearness(candidate, task, too_slow=float("inf")):
            left_out[task.shape] = reason
            continue
        update = candidate.open(task, *task.mini_batch())
        update()
        times = min(10, max(1, longest // task.seq))
        measures[task.shape] = lambda update=update, times=times: statistics.fmean(update() for _ in range(times))
    found = interleaved(measures, rounds)
    rows = []
    for task, candidate, split in together:
        seconds = found.get(task.shape, [])
        row = row_of(candidate, task, seconds=seconds, left_out=left_out.get(task.shape))
        step = None if row["seconds"] is None else row["seconds"] / task.seq
        rows.append(row | {"step_seconds": step, "split": split})
    return rows
