"""The grid as the page shows it: one table for each width, frame sizes by lengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from longsong.audit.evidence import Evidence
from longsong.report.run_view import RunView
from longsong.reported import FRAMES, SEQUENCES
from longsong.units import human_time

__all__ = ["GridCell", "GridTable", "view_grids"]


@dataclass(frozen=True)
class GridCell:
    """A cell of the grid: a run, or why there is none.

    Attributes
    ----------
    run : str or None
        The run's name.
    cost, ratio : str
        Best dev cost, and that over the cost of predicting the mean; empty where there is none.
    heat : float
        0 for a cost like that of predicting the mean (or worse), 1 for none at all.
    state, reason, time : str
        Why there is no run, in a word and in a sentence, and how long it would take.
    """

    run: str | None = None
    cost: str = ""
    ratio: str = ""
    heat: float = 0.0
    state: str = ""
    reason: str = ""
    time: str = ""


@dataclass(frozen=True)
class GridTable:
    """The grid for one width: a row for each frame size, a column for each length, notes below."""

    title: str
    seqs: list[int]
    rows: list[tuple[int, list[GridCell]]]
    notes: list[str]


def view_grids(evidence: Evidence, views: list[RunView]) -> list[GridTable]:
    """Lay the grid out: one table for each width of the grid's own GRU runs."""
    planned = [entry for entry in (evidence.grid or {"runs": []})["runs"] if entry["group"] == "grid"]
    grid_runs = [view for view in views if view.group != "comparison" and view.cell == "GRU"]
    widths = sorted({view.hidden for view in grid_runs} | {entry["hidden"] for entry in planned})
    rate, train = _train_split(evidence)
    tables = []
    for width in widths:
        entries = {(entry["frame"], entry["seq"]): entry for entry in planned if entry["hidden"] == width}
        # The grid's own run last, so that it stands before any other of the same shape.
        ordered = sorted(grid_runs, key=lambda view: view.group == "grid")
        runs = {(view.frame, view.seq): view for view in ordered if view.hidden == width}
        shapes = entries.keys() | runs.keys()
        ours = all(frame in FRAMES and seq in SEQUENCES for frame, seq in shapes)
        frames = list(FRAMES) if ours else sorted({frame for frame, _ in shapes})
        seqs = list(SEQUENCES) if ours else sorted({seq for _, seq in shapes})
        rows = [(f, [_cell(runs.get((f, s)), entries.get((f, s)), rate) for s in seqs]) for f in frames]
        cells = [cell for _, row in rows for cell in row]
        left_out = dict.fromkeys(cell.reason for cell in cells if cell.state == "not chosen" and cell.reason)
        notes = [f"Not chosen: {reason}." for reason in left_out]
        if train and any(cell.state == "does not fit" for cell in cells):
            notes.append(f"There are {train / rate:,.0f} s of song to train on.")
        tables.append(GridTable(f"GRU, {width} units in each of two layers", seqs, rows, notes))
    return tables


def _train_split(evidence: Evidence) -> tuple[int, int]:
    """Give the sample rate, and the samples of the train split; 0 of these where no run tells."""
    for run in evidence.complete:
        return run.of("song.sample_rate"), run.of("data.train_samples")
    song = (evidence.grid or {}).get("song")
    rate = song.get("sample_rate") if isinstance(song, dict) else None
    return (rate if isinstance(rate, int) and rate > 0 else 16_000), 0


def _cell(view: RunView | None, entry: dict[str, Any] | None, rate: int) -> GridCell:
    if view is None:
        if entry is None:
            return GridCell(state="not planned")
        reason = str(entry.get("reason") or "")
        if entry["state"] == "does not fit" and not entry["train_examples"]:
            reason = f"one example needs {entry['frame'] * entry['seq'] / rate:,.0f} s"
        seconds = entry.get("estimated_seconds")
        if entry["state"] in ("not chosen", "left") and isinstance(seconds, (int, float)):
            return GridCell(state=entry["state"], reason=reason, time=f"about {human_time(seconds)}")
        return GridCell(state=entry["state"], reason=reason)
    if view.dev_cost is None or view.ratio is None:
        return GridCell(run=view.name, cost=f"{view.train_cost:.4f}", state="train cost; no dev example")
    heat = min(1.0, max(0.0, 1 - view.ratio))
    return GridCell(run=view.name, cost=f"{view.dev_cost:.4f}", ratio=f"{view.ratio:.3f}", heat=round(heat, 3))
