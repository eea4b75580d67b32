"""The grid as the page shows it: a heat map for each width and cell, frame sizes by lengths."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from longsong.audit.evidence import Evidence
from longsong.report.figure import number
from longsong.report.run_view import RunView
from longsong.report.words import NONE, TOGETHER, from_to
from longsong.reported import FRAMES, SEQUENCES
from longsong.units import human_seconds, human_time

__all__ = ["GridCell", "GridTable", "view_grids"]

_PALEST = 0.1
"""Of what is learnt, as a share of predicting the mean: where no run learns as much, colours stay pale."""

_CELLS = ("GRU", "LSTM", "RNN")
_GRID = ("grid", "single")
"""Groups of runs that a grid has before others, of the same shape."""

Shape = tuple[int, int]
Kind = tuple[str, str, int]


@dataclass(frozen=True)
class GridCell:
    """A cell of the grid: a run, or why there is none.

    Attributes
    ----------
    run, title : str
        The run's name, and what it is; empty where there is none.
    value : str
        Best dev cost over that of predicting the mean; or the last train cost; or, in a word, why there is no run.
    notes : list of str
        What is said below, such as the dev cost itself; a line each.
    heat : float
        0 for a cost like that of predicting the mean (or worse), 1 for the best of the page.
    state : {'run', 'no dev example', 'left', 'not chosen', 'running', 'failed', 'does not fit', 'not planned'}
    """

    value: str
    notes: list[str] = field(default_factory=list)
    run: str = ""
    title: str = ""
    heat: float = 0.0
    state: str = "not planned"


@dataclass(frozen=True)
class GridTable:
    """The grid for one width of one cell.

    Attributes
    ----------
    title : str
    seqs : list of int
        Of the columns.
    rows : list of (int, list of GridCell)
        One for each frame size.
    notes : list of str
        What is to be said of cells without a run.
    """

    title: str
    seqs: list[int]
    rows: list[tuple[int, list[GridCell]]]
    notes: list[str]


def view_grids(evidence: Evidence, views: list[RunView]) -> tuple[list[GridTable], float | None]:
    """Lay the grids out: of the post's GRUs first, then of other cells, then of the 2016 code's configurations.

    Returns
    -------
    list of GridTable
    float or None
        The lowest ratio, which has the deepest colour; None where no run has a dev cost.
    """
    planned = [entry for entry in (evidence.grid or {"runs": []})["runs"] if entry["group"] == "grid"]
    entries: defaultdict[Kind, dict[Shape, dict[str, Any]]] = defaultdict(dict)
    for entry in planned:
        kind = (entry["set"], entry["cell"].upper(), entry["hidden"])
        entries[kind][entry["frame"], entry["seq"]] = entry
    runs: defaultdict[Kind, defaultdict[Shape, list[RunView]]] = defaultdict(lambda: defaultdict(list))
    # The grid's own run first, so that it is the one that a cell leads to.
    for view in sorted(views, key=lambda view: (view.group not in _GRID, view.seed)):
        if not view.ways:
            runs[view.set, view.cell, view.hidden][view.frame, view.seq].append(view)
    rate, train = _train_split(evidence)
    best = min((view.ratio for view in views if view.ratio is not None and not view.ways), default=None)
    tables = [
        _table(kind, entries[kind], runs[kind], rate, train, best)
        for kind in sorted(entries.keys() | runs.keys(), key=_order)
    ]
    return tables, best


def _order(kind: Kind) -> tuple[Any, ...]:
    group, cell, hidden = kind
    return group != "post", _CELLS.index(cell) if cell in _CELLS else len(_CELLS), cell, hidden


def _table(
    kind: Kind,
    entries: dict[Shape, dict[str, Any]],
    runs: dict[Shape, list[RunView]],
    rate: int,
    train: int,
    best: float | None,
) -> GridTable:
    group, cell, hidden = kind
    shapes = entries.keys() | runs.keys()
    # The grid of the post is shown whole; of what was run for a comparison, the shapes that there are.
    whole = bool(entries) and all(frame in FRAMES and seq in SEQUENCES for frame, seq in shapes)
    frames = list(FRAMES) if whole else sorted({frame for frame, _ in shapes})
    seqs = list(SEQUENCES) if whole else sorted({seq for _, seq in shapes})
    rows = [(f, [_cell(runs.get((f, s), []), entries.get((f, s)), rate, best) for s in seqs]) for f in frames]
    cells = [cell for _, row in rows for cell in row]
    left_out = _unique(str(entry.get("reason") or "") for entry in entries.values() if entry["state"] == "not chosen")
    notes = [f"Not run: {reason}." for reason in left_out]
    if train and any(cell.state == "does not fit" for cell in cells):
        notes.append(f"There are {human_seconds(train / rate)} of song to train on.")
    title = f"{cell}, {hidden} units in each layer" + ("" if group == "post" else ", configurations of the 2016 code")
    return GridTable(title, seqs, rows, notes)


def _unique(words: Iterable[str]) -> list[str]:
    return [word for word in dict.fromkeys(words) if word]


def _train_split(evidence: Evidence) -> tuple[int, int]:
    """Give the sample rate, and the samples of the train split; 0 of these where no run tells."""
    for run in evidence.complete:
        return run.of("song.sample_rate"), run.of("data.train_samples")
    song = (evidence.grid or {}).get("song")
    rate = song.get("sample_rate") if isinstance(song, dict) else None
    return (rate if isinstance(rate, int) and rate > 0 else 16_000), 0


def _cell(views: list[RunView], entry: dict[str, Any] | None, rate: int, best: float | None) -> GridCell:
    if not views:
        return _empty(entry, rate)
    view = views[0]
    if view.dev_cost is None or view.ratio is None:
        return GridCell(
            "no dev example",  # in the place of a ratio, which a cost is none of
            [f"train cost {view.train_cost:.4f}"],
            state="no dev example",
            run=view.name,
            title=view.title,
        )
    ratios = [one.ratio for one in views if one.ratio is not None]
    notes = [f"{view.dev_cost:.4f}"]
    if len(ratios) > 1:
        notes.append(f"{len(ratios)} seeds: {from_to(min(ratios), max(ratios), '.3f')}")
    learnt = max(0.0, 1 - view.ratio) / max(_PALEST, 1 - (best or 0.0))
    return GridCell(
        f"{view.ratio:.3f}", notes, heat=round(min(1.0, learnt), 3), state="run", run=view.name, title=view.title
    )


def _empty(entry: dict[str, Any] | None, rate: int) -> GridCell:
    """Say why there is no run."""
    if entry is None:
        return GridCell(NONE)
    state, reason = str(entry["state"]), str(entry.get("reason") or "")
    if state == "does not fit" and not entry["train_examples"]:
        needed = human_seconds(entry["frame"] * entry["seq"] / rate).replace(" ", TOGETHER)
        return GridCell("does not fit", [f"needs {needed}"], state=state)
    seconds = number(entry, "estimated_seconds")
    if state in ("not chosen", "left") and seconds is not None:
        return GridCell("not run", [f"about {human_time(seconds)}"], state=state)
    return GridCell(state, [reason] if reason else [], state=state)
