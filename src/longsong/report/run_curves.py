"""The cost curves of a run: as few numbers as the page draws them from, as a table, and in words."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from longsong.audit.run import Run
from longsong.audit.run_metrics import Lines
from longsong.errors import RunError
from longsong.report.figure import number
from longsong.report.thinning import thin

__all__ = ["RunCurves", "curves_of"]

_MOST_POINTS = 240
"""Means that train costs are brought down to: a card of the page has fewer pixels than twice that."""

_DIGITS = 5
_BASELINES = (("predicting zero", "zero"), ("repeating the last frame", "repeat"), ("best linear predictor", "linear"))
"""What has learnt nothing, in words, and its name in a summary's ``prediction.baselines``."""


@dataclass(frozen=True)
class RunCurves:
    """The curves of a run.

    Attributes
    ----------
    updates : int
        How many there are.
    epochs : int
    train : list of (float, float)
        Update and train cost; means over equal runs of updates, where there are many.
    dev : list of (int, float)
        Update and dev cost, the first of them before update 1; empty without a dev example.
    baselines : list of (str, float)
        Name and cost of each prediction that needs no network; that of predicting the mean first.
    rows : list of list of str
        The dev evaluations as a table, with the mean train cost of the epoch before each.
    described : str
        All of it in words.
    """

    updates: int
    epochs: int
    train: list[tuple[float, float]]
    dev: list[tuple[int, float]]
    baselines: list[tuple[str, float]]
    rows: list[list[str]]
    described: str

    def to_json(self) -> dict[str, Any]:
        """Give what the page draws, as values that JSON holds."""
        return {
            "updates": self.updates,
            "epochs": self.epochs,
            "train": [[round(at, 1), _rounded(cost)] for at, cost in self.train],
            "dev": [[at, _rounded(cost)] for at, cost in self.dev],
            "baselines": [[name, _rounded(cost)] for name, cost in self.baselines],
        }


def curves_of(run: Run) -> RunCurves:
    """Read the curves of a complete run.

    Raises
    ------
    RunError
        Its metrics are missing, cut short or altered, or hold no update.
    """
    updates, evaluations = run.metrics.updates, run.metrics.evaluations
    if not updates:
        raise RunError(f"{run.path('metrics.jsonl')} holds no update; train again")
    train = [float(line["train_cost"]) for line in updates]
    dev = [(int(line["update"]), float(line["dev_cost"])) for line in evaluations if line["dev_cost"] is not None]
    mean = float(run.summary["cost_of_mean"])
    split = "dev split" if dev else "train split"
    positions, means = thin(train, _MOST_POINTS)
    return RunCurves(
        updates=len(train),
        epochs=int(run.summary["epochs"]),
        train=list(zip(positions.tolist(), means.tolist(), strict=True)),
        dev=dev,
        baselines=[(f"predicting the mean, {split}", mean), *_baselines(run.summary)],
        rows=_rows(updates, evaluations, mean),
        described=_in_words(train, dev, mean, split),
    )


def _baselines(summary: dict[str, Any]) -> list[tuple[str, float]]:
    """Give those that are not the mean's; that of zero is of all of the dev split, where a run has no other."""
    found = []
    for words, name in _BASELINES:
        cost = number(summary, f"prediction.baselines.{name}")
        cost = number(summary, "cost_of_zero") if cost is None and name == "zero" else cost
        if cost is not None:
            found.append((words, cost))
    return found


def _rows(updates: Lines, evaluations: Lines, mean: float) -> list[list[str]]:
    of_epoch: defaultdict[int, list[float]] = defaultdict(list)
    for line in updates:
        of_epoch[line["epoch"]].append(line["train_cost"])
    rows = []
    for line in evaluations:
        costs, dev = of_epoch.get(line["epoch"]), line["dev_cost"]
        rows.append(
            [
                f"{line['epoch']:,}",
                f"{line['update']:,}",
                f"{sum(costs) / len(costs):.5f}" if costs else "",
                "" if dev is None else f"{dev:.5f}",
                "" if dev is None or mean <= 0 else f"{dev / mean:.3f}",
            ]
        )
    return rows


def _in_words(train: list[float], dev: list[tuple[int, float]], mean: float, split: str) -> str:
    text = f"Train cost from {train[0]:.5f} to {train[-1]:.5f} in {len(train):,} updates"
    if dev:
        least = min(cost for _, cost in dev)
        text += f"; dev cost from {dev[0][1]:.5f} to {dev[-1][1]:.5f}, {least:.5f} at the lowest"
    return f"{text}; predicting the mean costs {mean:.5f} on the {split}."


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
