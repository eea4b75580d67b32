"""LSTM, GRU and RNN beside each other: numbers, the interval of their dev costs, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from longsong.audit.cells import COMPARABLE, CellComparison
from longsong.report.ticks import minus

__all__ = ["CellRow", "CellsView", "view_cells"]

_MARGIN = 1.1


@dataclass(frozen=True)
class CellRow:
    """A cell against the GRU in one configuration.

    Attributes
    ----------
    configuration, cell, parameters, time, costs, difference, conclusion : str
        For people.
    left, middle, right : float
        The ends of the interval and its mean, from 0 at the left end of the axis to 100.
    """

    configuration: str
    cell: str
    parameters: str
    time: str
    costs: str
    difference: str
    conclusion: str
    left: float
    middle: float
    right: float


@dataclass(frozen=True)
class CellsView:
    """All comparisons of cells.

    Attributes
    ----------
    rows : list of CellRow
    end : str
        What the ends of the axis stand for, without a sign.
    band : (float, float)
        Where differences are called comparable, from 0 to 100 along the axis.
    comparable : str
        How large those are.
    """

    rows: list[CellRow]
    end: str
    band: tuple[float, float]
    comparable: str


def view_cells(found: Sequence[CellComparison]) -> CellsView:
    """Lay comparisons out along one axis; `found` are one or more."""
    end = _MARGIN * max(COMPARABLE, *(abs(bound) for one in found for bound in (one.cost.low, one.cost.high)))

    def place(value: float) -> float:
        return round(50 + 50 * value / end, 2)

    return CellsView(
        [_row(one, place(one.cost.low), place(one.cost.mean), place(one.cost.high)) for one in found],
        f"{end:.1%}",
        (place(-COMPARABLE), place(COMPARABLE)),
        f"{COMPARABLE:.0%}",
    )


def _row(one: CellComparison, left: float, middle: float, right: float) -> CellRow:
    over, gru_over = one.over_mean
    measured = f"side by side, {one.beside.rounds} rounds" if one.beside else "of the runs, one after the other"
    return CellRow(
        configuration=one.where,
        cell=one.cell.upper(),
        parameters=f"{one.parameters:,}, {one.parameters / one.gru_parameters:.2f} times the GRU's",
        time=f"{one.slower:.2f} times the GRU's ({measured})",
        costs=f"{over:.3f}, the GRU {gru_over:.3f}",
        difference=minus(f"{one.cost.mean:+.2%} ({one.cost.low:+.2%} to {one.cost.high:+.2%}), {one.cost.pairs} seeds"),
        conclusion=one.conclusion,
        left=left,
        middle=middle,
        right=right,
    )
