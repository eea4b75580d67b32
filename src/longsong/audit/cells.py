"""LSTM against GRU, and RNN against GRU, over random seeds, on runs that differ in nothing else (P08, P09)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from math import exp, fsum, log
from pathlib import Path
from typing import Any

from longsong.audit.cell_groups import cost_of_mean, groups_of_cells, more_than_one, odd_of, seconds_of
from longsong.audit.evidence import Evidence
from longsong.audit.run import Run
from longsong.audit.side_by_side import CELLS_FILE, Ratio, SideBySide, read_cells
from longsong.audit.statistics import Paired, paired
from longsong.errors import RunError, UnreadableError

__all__ = ["COMPARABLE", "SEEDS", "CellComparison", "Comparisons", "Told", "compare_cells"]

SEEDS = 3
"""Pairs that a comparison needs: fewer have no spread worth the name."""
COMPARABLE = 0.05
"""How far dev costs may be apart to be called comparable, as a share of the GRU's."""
_LEARNT = 0.98
"""Best dev cost over that of predicting the mean, above which a cell has learnt next to nothing."""
_GRU, _OTHERS = "gru", ("lstm", "rnn")


class Told(StrEnum):
    """What the paired interval of dev costs tells."""

    ALIKE = "alike"
    APART = "apart"
    OPEN = "cannot be told yet"
    NOTHING = "neither has learnt"


@dataclass(frozen=True)
class CellComparison:
    """A cell against the GRU, in one configuration.

    Attributes
    ----------
    cell : {'lstm', 'rnn'}
        Which.
    where : str
        The configuration, such as ``1000x100, width 199``.
    cost : Paired
        Of (its best dev cost / the GRU's of the same seed) - 1.
    parameters, gru_parameters : int
        Counted over the shapes in the parameters' files.
    seconds : float
        Its seconds per update over the GRU's, as the runs have them; geometric mean over seeds.
    beside : Ratio or None
        The same measured side by side; None where nobody did.
    measured_on : str
        The device of `beside`.
    mean_costs : tuple of float
        Mean best dev cost, its own and the GRU's.
    over_mean : tuple of float
        The same over the cost of predicting the mean: computed from the song where that is here, else as the runs
        have it.
    files : tuple of Path
        The summaries.
    runs_on : str
        The device of the runs.
    """

    cell: str
    where: str
    cost: Paired
    parameters: int
    gru_parameters: int
    seconds: float
    beside: Ratio | None
    measured_on: str
    mean_costs: tuple[float, float]
    over_mean: tuple[float, float]
    files: tuple[Path, ...]
    runs_on: str = ""

    @property
    def slower(self) -> float:
        """Its seconds per update over the GRU's: side by side where that was measured, else as the runs have them."""
        return self.seconds if self.beside is None else self.beside.median

    @property
    def told(self) -> Told:
        """What can be said of the dev costs, by their interval alone."""
        if min(self.over_mean) >= _LEARNT:
            return Told.NOTHING
        if self.cost.low >= -COMPARABLE and self.cost.high <= COMPARABLE:
            return Told.ALIKE
        if self.cost.low > COMPARABLE or self.cost.high < -COMPARABLE:
            return Told.APART
        return Told.OPEN

    def numbers(self) -> dict[str, Any]:
        """Give everything as values that JSON holds."""
        beside = self.beside
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
            "told": self.told.value,
            "parameters": self.parameters,
            "parameters_of_gru": self.gru_parameters,
            "parameters_over_gru": self.parameters / self.gru_parameters,
            "seconds_per_update_over_gru": self.seconds,
            "side_by_side": beside and asdict(beside),
            "measured_on": self.measured_on,
            "runs_on": self.runs_on,
        }

    def sentence(self) -> str:
        """Say what the numbers are, and what follows."""
        over, gru_over = self.over_mean
        return (
            f"{self.cell.upper()} in {self.where}: best dev cost {over:.3f} of predicting the mean, the GRU's "
            f"{gru_over:.3f} ({self.cost.mean:+.2%}, 95 % interval {self.cost.low:+.2%} to {self.cost.high:+.2%}, "
            f"{self.cost.pairs} random seeds); {self.parameters:,} parameters, "
            f"{self.parameters / self.gru_parameters:.2f} times the GRU's; {self._time()}. {self.conclusion}"
        )

    @property
    def conclusion(self) -> str:
        """The plain sentence that follows from the numbers."""
        name = self.cell.upper()
        if self.told is Told.NOTHING:
            return f"Here neither has learnt more than the mean, so that this tells nothing of {name} and GRU."
        seen = ", and zero lies outside of the interval: a small difference that was seen"
        if self.told is Told.ALIKE:
            return (
                f"{name} and GRU do equally well, to within {COMPARABLE:.0%}{seen if self.cost.excludes_zero else ''}."
            )
        better, worse = ("GRU", name) if self.cost.mean > 0 else (name, "GRU")
        if self.told is Told.APART:
            return f"The {better} does better than the {worse}, by more than {COMPARABLE:.0%}."
        if self.cost.excludes_zero:
            return (
                f"The {better} does better; {self.cost.pairs} seeds do not tell whether by more than {COMPARABLE:.0%}."
            )
        return f"{self.cost.pairs} seeds do not tell whether {name} or GRU does better."

    def _time(self) -> str:
        if self.beside is None:
            return f"{self.seconds:.2f} times its seconds per update, in runs that were made one after the other"
        other = f", another device than the runs' {self.runs_on}" if self.measured_on != self.runs_on else ""
        return (
            f"{self.beside.median:.2f} times its seconds per update, side by side on {self.measured_on}{other} (median "
            f"of {self.beside.rounds} rounds, quartiles {self.beside.low:.2f} and {self.beside.high:.2f}; in the runs "
            f"{self.seconds:.2f})"
        )


@dataclass(frozen=True)
class Comparisons:
    """All comparisons of a folder of runs.

    Attributes
    ----------
    rows : tuple of CellComparison
        LSTM, then RNN, in each configuration with enough seeds.
    broken : tuple of str
        What of them cannot be believed, one sentence each: files that were altered, two runs where there can be one.
    unread : str
        Why ``cells.json`` could not be read, where it is there.
    """

    rows: tuple[CellComparison, ...]
    broken: tuple[str, ...]
    unread: str = ""


def compare_cells(evidence: Evidence) -> Comparisons:
    """Pair the runs that differ in nothing but the cell, seed by seed."""
    found, broken = [], more_than_one(evidence)
    measured: list[SideBySide] = []
    unread, path = "", evidence.root / CELLS_FILE
    if path.exists():
        try:
            measured = read_cells(path)
        except UnreadableError:
            raise
        except RunError as error:
            unread = str(error)
    for cells in groups_of_cells(evidence):
        for cell in _OTHERS:
            seeds = sorted(cells.get(_GRU, {}).keys() & cells.get(cell, {}).keys())
            if len(seeds) < SEEDS:
                continue
            pairs = [(cells[cell][seed], cells[_GRU][seed]) for seed in seeds]
            means = {run.name: cost_of_mean(evidence, run) for pair in pairs for run in pair}
            odd = [
                f"{run.name}: {text}" for pair in pairs for run in pair if (text := odd_of(run) or means[run.name].odd)
            ]
            if odd:
                broken += odd
                continue
            beside = [one for one in measured if one.is_of(pairs[0][0].config) and {cell, _GRU} <= one.seconds.keys()]
            costs = {name: one.cost for name, one in means.items()}
            found.append(_compare(cell, pairs, costs, beside[0] if beside else None, path))
    return Comparisons(tuple(found), tuple(dict.fromkeys(broken)), unread)


def _compare(
    cell: str,
    pairs: list[tuple[Run, Run]],
    costs_of_mean: Mapping[str, float],
    beside: SideBySide | None,
    measured_in: Path,
) -> CellComparison:
    costs = [tuple(run.summary["best"]["dev_cost"] for run in pair) for pair in pairs]
    seconds = [tuple(seconds_of(run) for run in pair) for pair in pairs]
    one, gru = pairs[0]
    try:
        parameters, gru_parameters = one.parameter_count, gru.parameter_count
    except RunError as error:  # `_odd` has read them a moment ago
        raise RunError(f"{one.name} changed while it was audited ({error}); audit again") from error
    return CellComparison(
        cell=cell,
        where=f"{one.of('data.frame')}x{one.of('data.seq')}, width {one.of('model.hidden')}",
        cost=paired([own / other - 1 for own, other in costs]),
        parameters=parameters,
        gru_parameters=gru_parameters,
        seconds=exp(fsum(log(own / other) for own, other in seconds) / len(seconds)),
        beside=beside.ratio(cell) if beside else None,
        measured_on=beside.device_name if beside else "",
        mean_costs=_means(costs),
        over_mean=_means(
            [tuple(run.summary["best"]["dev_cost"] / costs_of_mean[run.name] for run in pair) for pair in pairs]
        ),
        files=(*(run.path("summary.json") for pair in pairs for run in pair), *([measured_in] if beside else [])),
        runs_on=gru.of("execution.device_name"),
    )


def _means(pairs: list[tuple[float, ...]]) -> tuple[float, float]:
    return fsum(pair[0] for pair in pairs) / len(pairs), fsum(pair[1] for pair in pairs) / len(pairs)
