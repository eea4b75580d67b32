"""Along which axis a run carried its state, by what it reports: its dev cost, or else its first update (D01)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from longsong.audit.evidence import Evidence
from longsong.audit.revaluate import TOLERANCE
from longsong.audit.run import Run
from longsong.errors import RunError

__all__ = ["CarriedAxis", "carried_axis"]

_BETTER = 10
"""How many times better than time the axis of the mini-batch has to explain what a run reports."""
_ROUNDED = 1e-7
"""How well anything explains a number of float32 at best."""


@dataclass(frozen=True)
class CarriedAxis:
    """What is known of the axis.

    Attributes
    ----------
    axis : {'time', 'batch'} or None
        None where it is neither, or not known.
    says : str
        In a few words, with numbers.
    shown_by : {'dev cost', 'first update'} or None
        None where there is nothing but the run's own word.
    change : float or None
        By how much the dev cost would change over the other axis, as a share.
    files : tuple of Path
        What it was read from.
    """

    axis: str | None
    says: str
    shown_by: str | None
    change: float | None = None
    files: tuple[Path, ...] = ()

    @property
    def neither(self) -> bool:
        """Whether what the run reports comes of neither axis."""
        return self.axis is None and self.shown_by is not None


def carried_axis(evidence: Evidence, run: Run) -> CarriedAxis:
    """Find out along which axis a run carried its state.

    Its word is believed where it says so along time, and nothing can be computed again. That it was over the examples
    of the mini-batch, as in the 2016 code, has to be shown.
    """
    found = _by_dev_cost(evidence, run) or _by_first_update(evidence, run)
    return replace(found, files=(run.path("config.json"), *found.files))


def _by_dev_cost(evidence: Evidence, run: Run) -> CarriedAxis | None:
    """Tell by the best dev cost, computed again over both axes; None where it cannot tell."""
    try:
        cost = evidence.dev_cost(run)
    except RunError:
        return None  # P05 names it
    stated, files = run.of("model.recurrence"), (run.path("metrics.jsonl"), run.best_parameters)
    if cost.offset is None:
        says = f"{stated} by its configuration, but over neither axis is its dev cost {cost.reported:.6g}"
        return CarriedAxis(None, says, "dev cost", files=files)
    try:
        other = evidence.dev_cost_otherwise(run, "batch" if cost.recurrence == "time" else "time")
        change = other.computed[1] / cost.computed[1] - 1
    except RunError:  # it takes too long
        change = None
    if cost.recurrence == "batch" and change is not None and not _tells(cost.error, abs(change)):
        return None
    says = f"the recurrence is over {run.of('data.batch')} examples"
    if cost.recurrence != stated:
        says = (
            f"{stated} by its configuration, but its dev cost {cost.reported:.6g} is that of the other axis, to "
            f"{cost.error:.1e}"
        )
    return CarriedAxis(cost.recurrence, says, "dev cost", change, files)


def _by_first_update(evidence: Evidence, run: Run) -> CarriedAxis:
    """Tell by cost and gradient norm of the first update, as far as they can be computed again."""
    stated, files = run.of("model.recurrence"), (run.path("metrics.jsonl"),)
    away = _first_update_away(evidence, run, stated)
    if away is not None and away > TOLERANCE:
        says = f"{stated} by its configuration, but its first update is {away:.2%} off over that axis"
        return CarriedAxis(None, says, "first update", files=files)
    if stated == "time":
        return CarriedAxis("time", "", None if away is None else "first update", files=files)
    along_time = None if away is None else _first_update_away(evidence, run, "time")
    if away is None or along_time is None:
        return CarriedAxis(None, "neither a dev cost nor a first update of it could be computed over both axes", None)
    if not _tells(away, along_time):
        says = f"its first update is {away:.1e} off over the mini-batch, and {along_time:.1e} along time"
        return CarriedAxis(None, says, None)
    says = f"the recurrence is over {run.of('data.batch')} examples, by its first update"
    return CarriedAxis("batch", says, "first update", files=files)


def _tells(over_batch: float, along_time: float) -> bool:
    """Tell whether what a run reports is explained by one axis, and not as well by the other."""
    return along_time > _BETTER * max(over_batch, _ROUNDED)


def _first_update_away(evidence: Evidence, run: Run, axis: str) -> float | None:
    """Give by how much first cost and gradient norm are off over an axis; None where that cannot be computed."""
    try:
        due, stated = evidence.first_update(run, axis), run.metrics.updates[0]
    except (RunError, IndexError):
        return None
    pairs = ((stated["train_cost"], due.cost), (stated["gradient_norm"] or 0.0, due.step.gradient_norm))
    return max(abs(found / computed - 1) if computed else 0.0 for found, computed in pairs)
