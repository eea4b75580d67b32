"""What the page shows, taken from runs and audit and put into words and numbers for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from longsong.audit import Audit
from longsong.audit.evidence import Evidence
from longsong.audit.run import Run
from longsong.report.grid_view import GridTable, view_grids
from longsong.report.run_view import RunView, view_run
from longsong.units import human_count, human_time

__all__ = ["View", "make_view"]


@dataclass(frozen=True)
class View:
    """All that the page shows.

    Attributes
    ----------
    song : list of (str, str)
        The song, in names and values.
    made : list of (str, str)
        Machine, date and versions.
    grids : list of GridTable
    best : RunView or None
        The run with the lowest ratio.
    runs : list of RunView
    audit : Audit
    """

    song: list[tuple[str, str]]
    made: list[tuple[str, str]]
    grids: list[GridTable]
    best: RunView | None
    runs: list[RunView]
    audit: Audit


def make_view(runs: Path, audit: Audit) -> View:
    """Take what the page shows from a folder of runs and its audit."""
    evidence = Evidence.load(runs)
    views = [view_run(run) for run in sorted(evidence.complete, key=_order)]
    judged = [view for view in views if view.ratio is not None]
    return View(
        song=_song(evidence),
        made=_made(evidence),
        grids=view_grids(evidence, views),
        best=min(judged, key=lambda view: view.ratio or 0.0, default=None),
        runs=views,
        audit=audit,
    )


def _order(run: Run) -> tuple[Any, ...]:
    keys = ("data.frame", "data.seq", "model.hidden", "model.cell", "training.seed")
    return tuple(run.of(key) for key in keys)


def _song(evidence: Evidence) -> list[tuple[str, str]]:
    song = evidence.complete[0].of("song") if evidence.complete else (evidence.grid or {}).get("song")
    if not isinstance(song, dict) or not isinstance(song.get("samples"), int) or not song.get("sample_rate"):
        return []
    return [
        ("song", str(song.get("name", "?"))),
        ("length", human_time(song["samples"] / song["sample_rate"])),
        ("samples", f"{human_count(song['samples'])} at {song['sample_rate'] / 1000:g} kHz"),
        ("digest", f"{str(song.get('digest', '?'))[:16]}…"),
    ]


def _made(evidence: Evidence) -> list[tuple[str, str]]:
    runs = evidence.complete
    if not runs:
        return []
    ended = max(datetime.fromisoformat(str(run.summary["ended"])) for run in runs)
    torch = sorted({str(run.of("execution").get("torch", "?")) for run in runs})
    return [
        ("machine", ", ".join(sorted({run.of("execution.device_name") for run in runs}))),
        ("last run ended", f"{ended.astimezone(UTC):%d %B %Y, %H:%M} UTC"),
        ("longsong", ", ".join(sorted({run.of("made_by.longsong") for run in runs}))),
        ("torch", ", ".join(torch)),
        ("training in all", human_time(sum(run.summary["training_seconds"] for run in runs))),
    ]
