"""The curves of this song and of 2016 in one plot, with the same in words and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from longsong.audit.cost_curves import AS_CODED, THE_2016, Costs, Curves
from longsong.audit.curves import ShapeCurves
from longsong.report.drawing import CODED, DEV, INK, TEXT, draw
from longsong.report.thinning import thin

__all__ = ["CurvesPlot", "plot_curves"]

_INCHES = (6.4, 3.4)
_EPOCHS = 30
"""Train costs are drawn as so many means: each mini-batch is of other examples, louder ones or quieter."""

_ROOM = 0.015
"""Beside the first and the last point, as a share of the updates: points are as wide as that."""

_STYLES: dict[str, dict[str, Any]] = {
    THE_2016: {"color": TEXT, "linestyle": "none", "marker": "o", "markersize": 3.2},
    "as described": {"color": DEV, "linewidth": 1.8},
    AS_CODED: {"color": CODED, "linewidth": 1.8, "linestyle": (0, (5, 2))},
}


@dataclass(frozen=True)
class CurvesPlot:
    """A plot for everybody.

    Attributes
    ----------
    svg : str
        An ``<svg>`` element, hidden from who does not see it.
    described : str
        The plot in words.
    head : list of str
        Names of the table's columns.
    rows : list of list of str
        The points of the dev costs, one row an evaluation.
    """

    svg: str
    described: str
    head: list[str]
    rows: list[list[str]]


def plot_curves(shape: ShapeCurves) -> CurvesPlot:
    """Draw costs over that of predicting the mean, over updates: 2016 as points, this song as lines."""
    ways = (shape.reference, *shape.own)
    return CurvesPlot(_svg(shape.shape, ways), shape.sentence(), *_table(ways))


def _svg(shape: str, ways: Sequence[Curves]) -> str:
    def curves(axes: Any) -> None:
        axes.axhline(1.0, color=INK, linewidth=1, linestyle=(0, (1, 2)))
        for one in ways:
            style = _STYLES[one.way]
            positions, means = thin(one.train.over_mean, _EPOCHS)
            axes.plot(positions, means, **(style | {"linewidth": 0.7, "linestyle": "-", "marker": ""}), alpha=0.6)
            if one.dev is not None:
                axes.plot(one.dev.updates, one.dev.over_mean, **style, label=f"{one.way}, dev")
            else:
                axes.plot([], [], **style, label=f"{one.way}: no dev example")
        axes.plot([], [], color=INK, linewidth=0.7, alpha=0.6, label="thin: train, means of an epoch")
        last = max(one.train.updates[-1] for one in ways)
        axes.set_xlim(-_ROOM * last, (1 + _ROOM) * last)
        axes.set_xlabel("update")
        axes.set_ylabel("cost / cost of predicting the mean")
        axes.legend(frameon=False, labelcolor=INK, fontsize=8, loc="best")

    return draw(f"curves-2016-{shape}", _INCHES, curves)


def _table(ways: Sequence[Curves]) -> tuple[list[str], list[list[str]]]:
    """Give a row for each evaluation, with update and cost of each way; where a way has no more, nothing."""
    columns = [(one.way, one.dev) for one in ways]
    head = ["evaluation", *(name for way, _ in columns for name in (f"{way}: update", f"{way}: dev cost"))]
    longest = max(len(costs.updates) if costs else 0 for _, costs in columns)
    return head, [[str(k), *(cell for _, costs in columns for cell in _cells(costs, k))] for k in range(longest)]


def _cells(costs: Costs | None, k: int) -> tuple[str, str]:
    if costs is None or k >= len(costs.updates):
        return "", ""
    return f"{costs.updates[k]:,}", f"{costs.over_mean[k]:.3f}"
