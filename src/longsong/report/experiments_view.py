"""What was measured beside the runs of the grid, as far as it was; and for what was not, the command that does."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from longsong.audit import Audit
from longsong.audit.as_coded_file import find_as_coded
from longsong.audit.cells import compare_cells
from longsong.audit.curves import read_curves
from longsong.audit.curves_record import CURVES_FILE
from longsong.audit.evidence import Evidence
from longsong.audit.side_by_side import CELLS_FILE
from longsong.report.as_coded_view import AsCodedView, view_as_coded
from longsong.report.audit_tables import feasibility_tables, parity_table
from longsong.report.cells_view import CellsView, view_cells
from longsong.report.curves_plot import CurvesPlot, plot_curves
from longsong.report.problems import Problems
from longsong.report.table import Table

__all__ = ["CurvesView", "Experiments", "view_experiments"]


@dataclass(frozen=True)
class CurvesView:
    """The curves of 2016 and those of a song.

    Attributes
    ----------
    song : str
    plots : list of CurvesPlot
    verdict, text : str
        Of the costs against those of 2016.
    assumption : str
        What is taken to be known of 2016.
    """

    song: str
    plots: list[CurvesPlot]
    verdict: str
    text: str
    assumption: str


@dataclass(frozen=True)
class Experiments:
    """All that was measured; each None or empty where nobody did.

    Attributes
    ----------
    cells : CellsView or None
    cells_timed : bool
        Whether the cells were timed side by side.
    curves : list of CurvesView
    as_coded : list of AsCodedView
    parity : Table or None
    feasibility : list of Table
    commands : dict of str to str
        What makes each of them: ``cells``, ``times``, ``curves``, ``as_coded``, ``parity``.
    problems : list of str
        What could not be read, one sentence each.
    """

    cells: CellsView | None
    cells_timed: bool
    curves: list[CurvesView]
    as_coded: list[AsCodedView]
    parity: Table | None
    feasibility: list[Table]
    commands: dict[str, str]
    problems: list[str] = field(default_factory=list)


def view_experiments(evidence: Evidence, audit: Audit, page: Path) -> Experiments:
    """Look for what was measured beside the runs, and take from it what the page shows.

    Parameters
    ----------
    evidence : Evidence
        The folder of runs.
    audit : Audit
        What was found there.
    page : Path
        The folder of the page; spectrograms are drawn into it.
    """
    problems = Problems()
    compared = problems.read(lambda: compare_cells(evidence).rows)
    experiments = problems.read(lambda: find_as_coded(evidence.root)) or []
    files = sorted(evidence.root.glob(f"*/{CURVES_FILE}"))
    curves = [problems.read(partial(_curves, file)) for file in files]
    return Experiments(
        cells=view_cells(compared) if compared else None,
        cells_timed=(evidence.root / CELLS_FILE).exists(),
        curves=[view for view in curves if view is not None],
        as_coded=[view_as_coded(found, page) for found in experiments],
        parity=None if audit.parity is None else parity_table(audit.parity),
        feasibility=feasibility_tables(audit.feasibility),
        commands=_commands(shlex.quote(str(evidence.root))),
        problems=problems.said,
    )


def _curves(file: Path) -> CurvesView:
    found = read_curves(file)
    return CurvesView(
        song=str(found.record.song.get("name", "")),
        plots=[plot_curves(shape) for shape in found.shapes],
        verdict=found.verdict.value,
        text=found.text,
        assumption=found.assumption(),
    )


def _commands(runs: str) -> dict[str, str]:
    return {
        "cells": "longsong reproduce",
        "times": f"longsong audit {runs} --cells",
        "curves": f"longsong audit {runs} --curves",
        "as_coded": f"longsong audit {runs} --as-coded",
        "parity": f"longsong parity tests/golden/*.npz --json {runs}/parity.json",
    }
