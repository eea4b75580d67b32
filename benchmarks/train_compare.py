"""Updates of every candidate at every shape: the same work, in turns, in one process."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.harness import interleaved
from benchmarks.processes import BenchmarkError
from benchmarks.train_peers import Candidate, Measure, Ours, Task, elementwise, shortened
from longsong.model.reference import ReferenceGradient
from longsong.training.memory import free_memory
from longsong.units import human_bytes

__all__ = ["COLUMNS", "Plan", "check_numbers", "compare", "compare_one", "dearness", "ratios_of", "row_of"]

TOLERANCE = 2e-5
"""Of float32 against the reference in float64: max |a - b| / max |b| over each tensor."""

CHECKED_STEPS = 200
"""Steps of a sequence over which the numbers are compared, so that the reference's memory is bounded too."""

PROBES = (10, 30)
"""Steps of short updates, from which the time and memory of a long one are told beforehand."""

PROBED = 3
"""How often a short update is timed; the least counts."""

SHARE_OF_FREE = 0.6
"""Of the free memory, what automatic differentiation may keep: its gradients need room too."""

COLUMNS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "title": ("one update", str),
    "shape": ("shape", str),
    "hidden": ("hidden", str),
    "seconds": ("seconds", lambda value: f"{value:.4f}"),
    "over_nn_gru": ("over nn.GRU", lambda value: f"{value:.3f}"),
    "over_floor": ("over floor", lambda value: f"{value:.3f}"),
    "rounds": ("rounds", str),
    "left_out": ("left out", str),
}


@dataclass(frozen=True)
class Plan:
    """How often, and how long at most.

    Attributes
    ----------
    seconds : float
        What the rounds of one shape and width may take, as far as `least` allows.
    least, most : int
        Rounds.
    slow : float
        Seconds of an update beyond which who `may_be_slow` has one round.
    too_slow : float
        Seconds beyond which it is left out.
    """

    seconds: float = 60.0
    least: int = 3
    most: int = 15
    slow: float = 10.0
    too_slow: float = 20.0


def compare(tasks: Sequence[Task], candidates: Sequence[Candidate], plan: Plan) -> list[dict[str, Any]]:
    """Compare the candidates at each task, with what is left of one task gone before the next.

    Returns
    -------
    list of dict
        A row for each task and candidate; of those left out, why.

    Raises
    ------
    BenchmarkError
        Ours computes other numbers than the reference.
    """
    rows = []
    for task in tasks:
        rows += compare_one(task, candidates, plan)
        gc.collect()
    return rows


def compare_one(task: Task, candidates: Sequence[Candidate], plan: Plan) -> list[dict[str, Any]]:
    """Compare the candidates at one task; as `compare`."""
    inputs, targets = task.mini_batch()
    errors = {}
    for candidate in candidates:
        if isinstance(candidate, Ours) and candidate.form == "float32":
            errors[candidate.name] = check_numbers(candidate, task)
    left_out: dict[str, str] = {}
    measures: dict[str, Measure] = {}
    for candidate in candidates:
        if reason := dearness(candidate, task, plan.too_slow):
            left_out[candidate.name] = reason
            continue
        measures[candidate.name] = candidate.open(task, inputs, targets)
        gc.collect()
    warm = {name: measure() for name, measure in measures.items()}
    once = {c.name for c in candidates if c.may_be_slow and warm.get(c.name, 0.0) > plan.slow}
    often = {name: measure for name, measure in measures.items() if name not in once}
    each_round = sum(warm[name] for name in often)
    rounds = min(plan.most, max(plan.least, int(plan.seconds / each_round))) if often else 1
    found = interleaved(measures, 1)
    for name, seconds in interleaved(often, rounds - 1).items():
        found[name] += seconds
    rows = [
        row_of(candidate, task, seconds=found.get(candidate.name, []), left_out=left_out.get(candidate.name))
        | {"error": errors.get(candidate.name)}
        for candidate in candidates
    ]
    medians = {row["candidate"]: row["seconds"] for row in rows}
    for row in rows:
        for other in ("nn_gru", "floor"):
            if row["candidate"] != other and row["seconds"] and medians.get(other):
                row[f"over_{other}"] = row["seconds"] / medians[other]
    return rows


def row_of(candidate: Candidate, task: Task, *, seconds: Sequence[float], left_out: str | None) -> dict[str, Any]:
    """Give the row of a candidate at a task."""
    return {
        "candidate": candidate.name,
        "title": candidate.title,
        "kind": candidate.kind,
        "shape": task.shape,
        "frame": task.frame,
        "seq": task.seq,
        "hidden": task.hidden,
        "batch": task.batch,
        "cell": task.cell,
        "elementwise": elementwise() if candidate.kind == "ours" else None,
        "seconds": statistics.median(seconds) if seconds else None,
        "seconds_each": list(seconds),
        "rounds": len(seconds) or None,
        "left_out": left_out,
    }


def ratios_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Set ours, in each precision, against the others of its shape and width, where they were not left out."""
    by_place: dict[tuple[str, int], dict[str, float]] = {}
    for row in rows:
        if row["seconds"] is not None:
            by_place.setdefault((row["shape"], row["hidden"]), {})[row["candidate"]] = row["seconds"]
    ratios = {}
    for (shape, hidden), seconds in by_place.items():
        for precision in ("float32", "bfloat16"):
            for other in ("nn_gru", "floor", "reference", "keras"):
                if precision in seconds and other in seconds:
                    name = f"time_over_{other}:{precision}:{shape}:{hidden}"
                    ratios[name] = seconds[precision] / seconds[other]
    return ratios


def check_numbers(ours: Ours, task: Task) -> float:
    """Hold cost and gradient of ours against those of the reference in float64, before anything is timed.

    Returns
    -------
    float
        The largest error: max |a - b| / max |b| over each tensor.

    Raises
    ------
    BenchmarkError
        It is above what is allowed of float32.
    """
    task = shortened(task, CHECKED_STEPS)
    inputs, targets = task.mini_batch()
    network = task.network()
    parameters = network.initial_parameters(1).to(torch.float32)
    cost, gradient = ours.gradient(network).cost_and_gradient(parameters, inputs, targets)
    right_cost, right = ReferenceGradient(network).cost_and_gradient(
        parameters.double(), inputs.double(), targets.double()
    )
    wanted = network.named(right)
    errors = {
        name: ((found.double() - wanted[name]).abs().max() / wanted[name].abs().max()).item()
        for name, found in network.named(gradient).items()
    }
    errors["cost"] = abs(cost - right_cost) / right_cost
    name = max(errors, key=lambda one: errors[one])
    if not errors[name] <= TOLERANCE:
        raise BenchmarkError(
            f"{ours.title}, {task.shape} with hidden {task.hidden}: {name} is {errors[name]:.1e} off the reference, "
            f"and {TOLERANCE:.0e} is allowed"
        )
    return errors[name]


def dearness(candidate: Candidate, task: Task, too_slow: float) -> str | None:
    """Say why a candidate is left out of a task: not there, too slow or too large; None where it takes part.

    Time and memory of who may need much are measured over few steps, and grow in proportion to them.
    """
    if missing := candidate.missing():
        return missing
    few, some = PROBES
    if not (candidate.keeps_all or candidate.may_be_slow) or task.seq <= some:
        return None
    kept = []
    for seq in PROBES:
        short = shortened(task, seq)
        measure = candidate.open(short, *short.mini_batch())
        kept.append(_bytes_kept(measure))
    seconds = min(measure() for _ in range(PROBED)) * task.seq / some
    if candidate.may_be_slow and seconds > too_slow:
        return f"an update would take about {seconds:.0f} s"
    # What is kept once, such as parameters, is no part of the difference.
    needed = kept[1] + (kept[1] - kept[0]) * (task.seq - some) // (some - few)
    if candidate.keeps_all and needed > SHARE_OF_FREE * free_memory(torch.device("cpu")):
        return f"an update would keep about {human_bytes(needed)}"
    return None


def _bytes_kept(measure: Measure) -> int:
    """Make an update; gives the bytes that automatic differentiation kept for its way back."""
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        memory = tensor.untyped_storage()
        kept[memory.data_ptr()] = memory.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        measure()
    return sum(kept.values())
