"""P08 and P09: LSTM against GRU against RNN, over random seeds, on runs that differ in nothing else."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import exp, fsum, log
from pathlib import Path
from typing import Any

from longsong.audit.evidence import Evidence
from longsong.audit.run import Run
from longsong.audit.statistics import Paired, paired
from longsong.audit.verdicts import Finding, Verdict
from longsong.errors import RunError

__all__ = ["comparable", "no_difference"]

_SEEDS = 3
"""Pairs that a comparison needs: fewer have no spread worth the name."""
_LEARNT = 0.98
"""Best dev cost over that of predicting the mean, above which a cell has learnt next to nothing."""
_COMPARABLE = 0.05
"""How far mean dev costs may be apart to be called comparable, as a share of the GRU's."""
_SAME = (
    "song.digest", "data.frame", "data.seq", "data.batch", "data.normalise", "data.train_samples",
    "model.hidden", "model.layers", "model.recurrence", "training.epochs", "training.learning_rate",
    "training.start_from", "execution.device_name", "execution.precision",
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """A cell against the GRU, in one configuration.

    Attributes
    ----------
    cell : {'lstm', 'rnn'}
        Which.
    where : str
        The configuration, such as ``1000x100, width 199``.
    cost : Paired
        Of (its best dev cost / the GRU's of the same seed) - 1.
    parameters : float
        Its number of parameters over the GRU's.
    seconds : float
        Its seconds per update over the GRU's, geometric mean over seeds.
    mean_costs : tuple of float
        Mean best dev cost, its own and the GRU's.
    over_mean : tuple of float
        The same over the cost of predicting the mean.
    files : tuple of Path
        The summaries.
    """

    cell: str
    where: str
    cost: Paired
    parameters: float
    seconds: float
    mean_costs: tuple[float, float]
    over_mean: tuple[float, float]
    files: tuple[Path, ...]

    def numbers(self) -> dict[str, Any]:
        """Give everything as values that JSON holds."""
        return {
            "cell": self.cell,
            "configuration": self.where,
            "seeds": self.cost.pairs,
            "cost": self.mean_costs[0],
            "cost_of_gru": self.mean_costs[1],
            "cost_over_predicting_the_mean": self.over_mean[0],
            "cost_of_gru_over_predicting_the_mean": self.over_mean[1],
            "relative_difference": self.cost.mean,
            "spread": self.cost.spread,
            "interval_95": [self.cost.low, self.cost.high],
            "parameters_over_gru": self.parameters,
            "seconds_per_update_over_gru": self.seconds,
        }

    @property
    def learnt(self) -> bool:
        """Whether at least one of the two learnt something: two that did not are alike in that alone."""
        return min(self.over_mean) < _LEARNT

    def sentence(self) -> str:
        """Say what the numbers say."""
        side = "above" if self.cost.mean >= 0 else "below"
        speed = f"{self.seconds:.2f} times" if abs(self.seconds - 1) >= 0.005 else "as much as"
        return (
            f"{self.where}: the {self.cell.upper()}'s best dev cost is {abs(self.cost.mean):.2%} {side} the GRU's "
            f"(95 % interval {self.cost.low:+.2%} to {self.cost.high:+.2%}, {self.cost.pairs} seeds), with "
            f"{self.parameters:.2f} times its parameters and {speed} its time per update ({self.over_mean[0]:.3f} and "
            f"{self.over_mean[1]:.3f} of predicting the mean{'' if self.learnt else ': neither has learnt'})"
        )


def comparable(evidence: Evidence) -> Finding:
    """P08: LSTM within 5 % of the GRU's dev cost, and the GRU, with fewer parameters, oftener the faster."""
    found, broken = _comparisons(evidence)
    numbers: dict[str, Any] = {"comparable_within": _COMPARABLE, "comparisons": [one.numbers() for one in found]}
    lstm, nothing = _witnesses(found, broken, numbers)
    if nothing is not None:
        return nothing
    apart = [one for one in lstm if abs(one.cost.mean) > _COMPARABLE]
    more = [one for one in lstm if one.parameters <= 1]
    faster = sum(one.seconds > 1 for one in lstm)
    numbers |= {"gru_faster_in": faster, "of": len(lstm)}
    text = f"{'; '.join(one.sentence() for one in found)}. "
    text += (
        f"They perform comparably (within {_COMPARABLE:.0%}) in {len(lstm) - len(apart)} of {len(lstm)} "
        f"configurations in which one of them has learnt; the GRU has fewer parameters in {len(lstm) - len(more)} and "
        f"takes less time per update in {faster}."
    )
    holds = not apart and not more and 2 * faster > len(lstm)
    return Finding(Verdict.REPRODUCED if holds else Verdict.DIFFERS, text, numbers, _files(found))


def no_difference(evidence: Evidence) -> Finding:
    """P09: no difference between LSTM and GRU is seen: zero lies in every paired 95 % interval."""
    found, broken = _comparisons(evidence)
    found = [one for one in found if one.cell == "lstm"]
    numbers: dict[str, Any] = {"comparisons": [one.numbers() for one in found]}
    lstm, nothing = _witnesses(found, broken, numbers)
    if nothing is not None:
        return nothing
    told = [one for one in lstm if one.cost.excludes_zero]
    numbers["configurations_with_a_difference"] = len(told)
    if told:
        each = "; ".join(
            f"{one.where}: {one.cost.mean:+.2%} ({one.cost.low:+.2%} to {one.cost.high:+.2%})" for one in told
        )
        text = (
            f"Run again, LSTM and GRU can be told apart in {len(told)} of {len(lstm)} configurations in which one of "
            f"them has learnt (the LSTM's best dev cost against the GRU's, 95 % interval over seeds): {each}."
        )
        return Finding(Verdict.DIFFERS, text, numbers, _files(found))
    widest = max(lstm, key=lambda one: one.cost.high - one.cost.low).cost
    text = (
        f"Run again, LSTM and GRU cannot be told apart by their best dev cost in {len(lstm)} of {len(lstm)} "
        f"configurations in which one of them has learnt, with {min(one.cost.pairs for one in lstm)} seeds or more: "
        f"zero lies in every 95 % interval, the widest being {widest.low:+.2%} to {widest.high:+.2%}."
    )
    return Finding(Verdict.REPRODUCED, text, numbers, _files(found))


def _witnesses(
    found: list[Comparison], broken: list[str], numbers: dict[str, Any]
) -> tuple[list[Comparison], Finding | None]:
    """Give the comparisons of the LSTM that say something, or the finding that there is none."""
    if broken:
        text = f"Runs to be compared were altered: {'; '.join(broken[:3])}."
        return [], Finding(Verdict.DIFFERS, text, numbers, _files(found))
    lstm = [one for one in found if one.cell == "lstm" and one.learnt]
    if lstm:
        return lstm, None
    text = f"{'; '.join(one.sentence() for one in found)}. {_NOT_LEARNT}" if found else _MISSING
    return [], Finding(Verdict.NO_EVIDENCE, text, numbers, _files(found))


def _files(found: list[Comparison]) -> tuple[Path, ...]:
    return tuple(path for one in found for path in one.files)


_MISSING = (
    f"There are not yet {_SEEDS} random seeds of GRU and LSTM in one configuration, on one song and device, "
    "with a dev cost."
)


_NOT_LEARNT = (
    "Where neither cell has learnt more than the mean, that their costs are alike says nothing of them; a longer song "
    "or a smaller frame gives more updates."
)


def _comparisons(evidence: Evidence) -> tuple[list[Comparison], list[str]]:
    """Pair the runs that differ in nothing but the cell, seed by seed.

    Returns
    -------
    comparisons : list of Comparison
        LSTM, then RNN, in each configuration with enough seeds.
    broken : list of str
        Runs of these whose files were altered.
    """
    groups: dict[tuple[Any, ...], dict[str, dict[int, Run]]] = defaultdict(lambda: defaultdict(dict))
    for run in evidence.described:
        if run.of("data.dev_examples") and run.summary["best"]["dev_cost"] is not None:
            groups[tuple(run.of(key) for key in _SAME)][run.of("model.cell")][run.of("training.seed")] = run
    found, broken = [], []
    for _, cells in sorted(groups.items(), key=lambda item: str(item[0])):
        for cell in ("lstm", "rnn"):
            seeds = sorted(cells["gru"].keys() & cells[cell].keys())
            if len(seeds) < _SEEDS:
                continue
            pairs = [(cells[cell][seed], cells["gru"][seed]) for seed in seeds]
            odd = [f"{run.name}: {text}" for pair in pairs for run in pair if (text := _odd(run))]
            if odd:
                broken += odd
            else:
                found.append(_compare(cell, pairs))
    return found, list(dict.fromkeys(broken))


def _odd(run: Run) -> str:
    """Say what of a run's numbers is not what its metrics hold."""
    if altered := run.altered("metrics") or run.altered("parameters"):
        return altered
    costs = [line["dev_cost"] for line in run.metrics.evaluations if line["epoch"]]
    lowest = min((cost for cost in costs if cost is not None), default=None)
    stated = run.summary["best"]["dev_cost"]
    if stated != lowest or stated <= 0:
        return f"its summary has a best dev cost of {stated!r}, its metrics of {lowest!r}"
    return ""


def _compare(cell: str, pairs: list[tuple[Run, Run]]) -> Comparison:
    costs = [tuple(run.summary["best"]["dev_cost"] for run in pair) for pair in pairs]
    seconds = [tuple(run.summary["seconds_per_update"] for run in pair) for pair in pairs]
    one, gru = pairs[0]
    try:
        parameters = one.parameter_count / gru.parameter_count
    except RunError as error:  # `_odd` has read them a moment ago
        raise RunError(f"{one.name} changed while it was audited ({error}); audit again") from error
    return Comparison(
        cell=cell,
        where=f"{one.of('data.frame')}x{one.of('data.seq')}, width {one.of('model.hidden')}",
        cost=paired([own / other - 1 for own, other in costs]),
        parameters=parameters,
        seconds=exp(fsum(log(own / other) for own, other in seconds) / len(seconds)),
        mean_costs=_means(costs),
        over_mean=_means(
            [tuple(run.summary["best"]["dev_cost"] / run.summary["cost_of_mean"] for run in p) for p in pairs]
        ),
        files=tuple(run.path("summary.json") for pair in pairs for run in pair),
    )


def _means(pairs: list[tuple[float, ...]]) -> tuple[float, float]:
    return fsum(pair[0] for pair in pairs) / len(pairs), fsum(pair[1] for pair in pairs) / len(pairs)
