"""Costs over updates, of a run or of 2016, over what predicting the mean costs on their song."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longsong.audit.curves_record import Trained
from longsong.audit.reference_curves import CostOfMean, Estimate, ReferenceCurves
from longsong.audit.run import Run
from longsong.errors import RunError

__all__ = ["AS_CODED", "AS_DESCRIBED", "THE_2016", "Costs", "Curves", "curves_of_2016", "curves_of_run"]

THE_2016, AS_DESCRIBED, AS_CODED = "2016", "as described", "as coded"
"""Ways by name."""


@dataclass(frozen=True)
class Costs:
    """Costs over updates.

    Attributes
    ----------
    updates : tuple of int
        Rising.
    costs : tuple of float
    cost_of_mean : Estimate
        What predicting the mean costs on the same split of the same song.
    """

    updates: tuple[int, ...]
    costs: tuple[float, ...]
    cost_of_mean: Estimate

    @property
    def over_mean(self) -> tuple[float, ...]:
        """The costs over that of predicting the mean: 1 has learnt nothing."""
        return tuple(cost / self.cost_of_mean.value for cost in self.costs)

    @property
    def error(self) -> float:
        """How far `over_mean` may be off for not knowing the cost of predicting the mean, as a share."""
        return self.cost_of_mean.error / self.cost_of_mean.value

    def at(self, update: int) -> tuple[int, float]:
        """Give the last position not after `update`, and the cost over that of predicting the mean there."""
        last = max(bisect_right(self.updates, update) - 1, 0)
        return self.updates[last], self.over_mean[last]

    def figures(self) -> dict[str, Any]:
        """Give what the curve comes to, over predicting the mean."""
        over = self.over_mean
        lowest = min(range(len(over)), key=over.__getitem__)
        return {
            "updates": self.updates[-1],
            "cost_of_mean": self.cost_of_mean.value,
            "cost_of_mean_error": self.cost_of_mean.error,
            "first": over[0],
            "last": over[-1],
            "lowest": over[lowest],
            "lowest_at_update": self.updates[lowest],
        }


@dataclass(frozen=True)
class Curves:
    """Train and dev costs of one way.

    Attributes
    ----------
    way : {'2016', 'as described', 'as coded'}
    train : Costs
    dev : Costs or None
        None where the dev split has no example.
    folder : Path or None
        The run's; None for 2016.
    untrained : float or None
        How far the first dev cost is from that of predicting zero, as a share; None where that is not known, or the
        dev split is more than one mini-batch, of which a short one would count for too much.
    """

    way: str
    train: Costs
    dev: Costs | None
    folder: Path | None = None
    untrained: float | None = None

    @property
    def shown(self) -> Costs:
        """Dev costs, or train costs where there are none."""
        return self.dev or self.train


def curves_of_2016(reference: ReferenceCurves, mean: CostOfMean) -> Curves:
    """Give the curves that were read off the plots."""
    train, dev = (
        Costs(read.updates, read.costs, cost)
        for read, cost in ((reference.train, mean.train), (reference.dev, mean.dev))
    )
    return Curves(THE_2016, train, dev)


def curves_of_run(trained: Trained, folder: Path) -> Curves:
    """Read the curves of a run whose name is from `folder`.

    Raises
    ------
    RunError
        It is missing, cut short or altered, or was trained again since.
    """
    run = Run.open(folder / trained.folder)
    if altered := run.altered("metrics"):
        raise RunError(f"{run.folder}: {altered}; remove it and train the curves again")
    if run.sha256(run.path("metrics.jsonl")) != trained.metrics_sha256:
        raise RunError(f"{run.folder} was trained again since its curves were compared; compare them again")
    updates, summary = run.metrics.updates, run.summary
    train = Costs(
        tuple(updates.column("update").tolist()),
        tuple(updates.column("train_cost").tolist()),
        Estimate(trained.train_cost_of_mean, 0.0),
    )
    dev = [(at, cost) for at, cost in run.metrics.evaluations.rows("update", "dev_cost") if cost == cost]
    if not dev:
        return Curves(trained.way, train, None, run.folder)
    positions, costs = zip(*dev, strict=True)
    one_mini_batch = run.of("data.dev_examples") <= run.of("data.batch")
    return Curves(
        trained.way,
        train,
        Costs(positions, costs, Estimate(summary["cost_of_mean"], 0.0)),
        run.folder,
        costs[0] / summary["cost_of_zero"] - 1 if one_mini_batch else None,
    )
