"""P11: what the cost is, by the costs on record, computed again: before training, at its best and at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from longsong.audit.evidence import Evidence
from longsong.audit.revaluate import TOLERANCE, DevCost, dev_batches
from longsong.audit.run import Run
from longsong.audit.verdicts import Finding, Seen, all_of, every_run, unless_unseen
from longsong.errors import RunError

__all__ = ["mean_square"]

_NEAR_ZERO = 0.1
"""How far a first dev cost that is not computed again may be from that of predicting zero, in the mini-batches of that
evaluation: weights from U[-0.04, 0.04] predict about zero, but how near depends on frame and song."""
_SUMMED = 1e-6
"""How far sums over the whole song may be apart, for the order in which they were added up."""


def mean_square(evidence: Evidence) -> Finding:
    """P11: the cost is a mean of squares; the costs of the summary are those of metrics and song."""
    seen: list[Seen] = []
    found = _Found()
    for run in evidence.complete:
        files = (run.path("metrics.jsonl"), run.path("summary.json"))
        odd = [text] if (text := run.altered("metrics")) else _evaluations_odd(run) or _summary_odd(run)
        odd += _trivial_odd(evidence, run, found)
        if not run.altered("metrics") and run.of("data.dev_examples"):
            odd += _costs_odd(evidence, run, found)
        seen.append(Seen(run.name, not odd, "; ".join(odd), files))
    good = (
        f"In {all_of(seen)} runs the cost is a mean of squares, and the best one on record is the lowest dev cost "
        f"after an epoch (without a dev example the last parameters are the best). {found.sentence()} Believed: the "
        "dev costs after other epochs, whose parameters nobody kept."
    )
    numbers = found.numbers() | {"tolerance": TOLERANCE, "believed": ["dev costs after other epochs"]}
    finding = every_run(seen, good, "No run is complete.", numbers)
    return unless_unseen(finding, len(found.again["best"]), "No dev cost could be computed again.")


class _Found:
    """What was computed again, over all runs."""

    def __init__(self) -> None:
        self.again: dict[str, list[float]] = {"first": [], "best": [], "last": []}
        self.near_zero: list[float] = []
        self.trivial: list[float] = []

    def sentence(self) -> str:
        """Say how many costs of each kind were computed again, and how they agree."""
        when = {"first": "before the first update", "best": "the best one", "last": "the last one"}
        each = [
            f"{when[name]} for {len(errors)} (to {max(errors):.1e})" for name, errors in self.again.items() if errors
        ]
        text = f"Dev costs were computed again: {', '.join(each) or 'none'}; {TOLERANCE:.1%} at most would pass."
        if self.near_zero:
            low, high = min(self.near_zero), max(self.near_zero)
            text += (
                f" For {len(self.near_zero)} runs the one before the first update takes too long; it is {low:.3f} to "
                f"{high:.3f} times that of predicting zero."
            )
        if self.trivial:
            text += (
                f" What predicting zero and the mean costs was summed again from the song for {len(self.trivial)} runs "
                f"(to {max(self.trivial):.1e})."
            )
        return text

    def numbers(self) -> dict[str, Any]:
        """Give the same as values that JSON holds."""
        return {
            "runs_computed_again": len(self.again["best"]),
            "largest_difference": max(self.again["best"], default=0.0),
            "first_dev_costs_computed_again": len(self.again["first"]),
            "largest_difference_of_first": max(self.again["first"], default=0.0),
            "last_dev_costs_computed_again": len(self.again["last"]),
            "largest_difference_of_last": max(self.again["last"], default=0.0),
            "first_dev_cost_over_predicting_zero": [min(self.near_zero), max(self.near_zero)]
            if self.near_zero
            else None,
            "trivial_costs_summed_again": len(self.trivial),
        }


def _evaluations_odd(run: Run) -> list[str]:
    """Say which dev evaluations are not of all dev examples: each has a cost where there is one, and none else."""
    due, lines = run.of("data.dev_examples"), run.metrics.evaluations
    bare = [line["epoch"] for line in lines if (line["dev_cost"] is None) == bool(due)]
    if bare:
        has = "no dev cost" if due else "a dev cost"
        return [
            f"{len(bare)} of {len(lines)} evaluations (first: epoch {bare[0]}) have {has}, with {due:,} dev examples"
        ]
    other = next((line for line in lines if line["dev_examples"] != due), None)
    if other is None:
        return []
    return [
        f"the evaluation of epoch {other['epoch']} is of {other['dev_examples']:,} dev examples, and there are {due:,}"
    ]


def _summary_odd(run: Run) -> list[str]:
    """Say which costs of a run's summary are not those of its metrics."""
    updates, evaluations, summary = run.metrics.updates, run.metrics.evaluations, run.summary
    if not updates or not evaluations:
        return [f"{len(updates)} updates and {len(evaluations)} dev evaluations in its metrics"]
    lowest = min(
        ((cost, epoch) for cost, epoch in evaluations.rows("dev_cost", "epoch") if epoch and cost == cost),
        default=(None, run.of("training.epochs")),
    )
    best = summary["best"]
    if (best["dev_cost"], best["epoch"]) != lowest:
        return [
            f"its summary has a best dev cost of {best['dev_cost']} after epoch {best['epoch']}, its metrics of "
            f"{lowest[0]} after epoch {lowest[1]}"
        ]
    if lowest[1] == run.of("training.epochs") and best["sha256"] != summary["parameters_sha256"]:
        return [f"its best parameters are to be those after epoch {lowest[1]}, the last, and are others"]
    due = {
        "first_train_cost": updates[0]["train_cost"],
        "last_train_cost": updates[-1]["train_cost"],
        "first_dev_cost": evaluations[0]["dev_cost"],
        "last_dev_cost": evaluations[-1]["dev_cost"],
    }
    return [
        f"its summary has a {name.replace('_', ' ')} of {summary.get(name)}, its metrics of {cost}"
        for name, cost in due.items()
        if name in summary and summary[name] != cost
    ]


def _trivial_odd(evidence: Evidence, run: Run, found: _Found) -> list[str]:
    """Say which costs of predicting without a network are not those of the song."""
    try:
        trivial = evidence.trivial(run)
    except RunError:
        return []  # P01 says why the song cannot be seen, P05 which examples there cannot be
    odd, errors = [], []
    for name, due in (("zero", trivial.zero), ("mean", trivial.mean)):
        stated = float(run.summary[f"cost_of_{name}"])
        errors.append(abs(stated - due) / max(abs(due), np.finfo(float).tiny))
        if errors[-1] > _SUMMED:
            odd.append(f"its summary has a cost of predicting {name} of {stated:.6g}, the song of {due:.6g}")
    if not odd:
        found.trivial.append(max(errors))
    return odd


def _costs_odd(evidence: Evidence, run: Run, found: _Found) -> list[str]:
    """Say which dev costs are not means of squares of what the network predicts."""
    last = run.summary["best"]["epoch"] != run.of("training.epochs")  # else it is the best one
    costs: dict[str, Callable[[], DevCost]] = {
        "first": lambda: evidence.dev_cost_at(run, "first"),
        "best": lambda: evidence.dev_cost(run),
        "last": lambda: evidence.dev_cost_at(run, "last"),
    }
    odd = []
    for name, compute in costs.items():
        if name == "last" and not last:
            continue
        try:
            cost = compute()
        except RunError:
            # P05 names those whose best cost could not be computed again.
            odd += _far_from_zero(evidence, run, found) if name == "first" else []
            continue
        found.again[name].append(cost.error)
        if cost.way is None:
            odd.append(
                f"its {name} dev cost is {cost.reported:.6g}, computed again it is {cost.computed[1]:.6g} "
                f"({cost.away:.2%} off)"
            )
        elif cost.way != "mean":
            odd.append(f"its {name} dev cost {cost.reported:.6g} is a {cost.way}, {cost.ways[cost.way]:g} means")
    return odd


def _far_from_zero(evidence: Evidence, run: Run, found: _Found) -> list[str]:
    """Say how far the first dev cost is from that of predicting zero, where it takes too long to be computed again."""
    line = run.metrics.evaluations[0]
    if run.of("training.start_from") is not None or line["epoch"] or not line["dev_cost"]:
        return []
    try:
        squares = evidence.trivial(run).squares
    except RunError:
        return []
    if len(squares) != run.of("data.dev_examples"):
        return []  # P05 names the examples that do not fit
    zero = float(np.mean([squares[indices].mean() for indices in dev_batches(run, 0)]))
    ratio = line["dev_cost"] / zero if zero > 0 else 1.0
    found.near_zero.append(ratio)
    return [] if abs(ratio - 1) <= _NEAR_ZERO else [f"its first dev cost is {ratio:,.4g} times that of predicting zero"]
