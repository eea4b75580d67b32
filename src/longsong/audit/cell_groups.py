"""Which runs are compared cell by cell, and whether what they say can be believed (P08, P09)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import isclose
from typing import Any

import numpy as np

from longsong.audit.copied_runs import copied_runs
from longsong.audit.evidence import Evidence
from longsong.audit.revaluate import TOLERANCE
from longsong.audit.run import Run
from longsong.errors import RunError

__all__ = ["CostOfMean", "cost_of_mean", "groups_of_cells", "more_than_one", "odd_of", "seconds_of"]

_SAME_SECONDS = 1e-9
"""How far a median may be from one that was taken of the same numbers."""


def groups_of_cells(evidence: Evidence) -> list[dict[str, dict[int, Run]]]:
    """Give the complete runs that differ in cell and random seed alone: for each group a run by cell and seed.

    Of several runs of one cell and seed it is the first by name; `longsong.audit.cells.compare_cells` refuses them.
    """
    return [
        {cell: {seed: runs[0] for seed, runs in seeds.items()} for cell, seeds in cells.items()}
        for cells in _all_by_cell(evidence)
    ]


def _all_by_cell(evidence: Evidence) -> list[dict[str, dict[int, list[Run]]]]:
    """Give the same, with all runs of a cell and seed."""
    groups: dict[tuple[Any, ...], dict[str, dict[int, list[Run]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for run in evidence.described:
        if run.of("data.dev_examples"):
            groups[_but_for_the_cell(run)][run.of("model.cell")][run.of("training.seed")].append(run)
    return [cells for _, cells in sorted(groups.items(), key=lambda item: str(item[0]))]


def more_than_one(evidence: Evidence) -> list[str]:
    """Name the runs that stand where there can be one: of one cell and seed, or of the updates of another."""
    groups = [cells for cells in _all_by_cell(evidence) if len(cells) > 1]
    compared = [run for cells in groups for seeds in cells.values() for runs in seeds.values() for run in runs]
    found = [
        f"{' and '.join(run.name for run in runs)} are {len(runs)} runs of the {cell.upper()} with random seed {seed} "
        "in one configuration; keep one of them"
        for cells in groups
        for cell, seeds in cells.items()
        for seed, runs in seeds.items()
        if len(runs) > 1
    ]
    copies = copied_runs(compared).items()
    return found + [
        f"1 of {name} and {of} is a copy: every update of the two took the same seconds" for name, of in copies
    ]


def _but_for_the_cell(run: Run) -> tuple[Any, ...]:
    """Give all that runs to be compared have in common."""
    own = {"data": (), "model": ("cell", "parameters"), "training": ("seed",)}
    # A setting that is off may be missing: it is younger than the run.
    settings = [
        (section, key, value)
        for section, left_out in own.items()
        for key, value in sorted(run.of(section).items())
        if value and key not in left_out
    ]
    return (run.of("song.digest"), *settings, run.of("execution.device_name"), run.of("execution.precision"))


def odd_of(run: Run) -> str:
    """Say what of a run's numbers is not what its metrics hold."""
    if altered := run.altered("metrics") or run.altered("parameters"):
        return altered
    costs = (cost for epoch, cost in run.metrics.evaluations.rows("epoch", "dev_cost") if epoch and cost == cost)
    lowest = min(costs, default=None)
    stated = run.summary["best"]["dev_cost"]
    if stated is None or stated != lowest or stated <= 0:
        return f"its summary has a best dev cost of {stated!r}, its metrics of {lowest!r}"
    if not run.metrics.updates:
        return "its metrics have 0 updates"
    seconds, due = run.summary["seconds_per_update"], seconds_of(run)
    if due <= 0 or not isclose(seconds, due, rel_tol=_SAME_SECONDS):
        return f"its summary has {seconds!r} seconds for an update, its metrics a median of {due!r}"
    return ""


@dataclass(frozen=True)
class CostOfMean:
    """What predicting the mean costs on a run's dev split, and what is odd about it, in a sentence if anything is."""

    cost: float
    odd: str = ""


def cost_of_mean(evidence: Evidence, run: Run) -> CostOfMean:
    """Compute what predicting the mean costs, and hold the run's word against it; believe that where no song is."""
    stated = run.summary["cost_of_mean"]
    try:
        cost = evidence.trivial(run).mean
    except RunError:
        cost = stated
    if cost <= 0:
        return CostOfMean(cost, f"predicting the mean costs {cost:g} on its dev split, so that no cost is less")
    if abs(stated / cost - 1) > TOLERANCE:
        return CostOfMean(cost, f"predicting the mean costs {stated:.6g} by its summary, computed again {cost:.6g}")
    return CostOfMean(cost)


def seconds_of(run: Run) -> float:
    """Give the median seconds of an update, from the metrics."""
    return float(np.median(run.metrics.updates.column("seconds")))
