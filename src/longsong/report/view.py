"""What the page shows, taken from runs and audit and put into words and numbers for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from longsong.audit import Audit
from longsong.audit.bounds import load_evidence
from longsong.audit.evidence import Evidence
from longsong.audit.run import Run
from longsong.report.experiments_view import Experiments, view_experiments
from longsong.report.grid_view import GridTable, view_grids
from longsong.report.run_view import RunView, view_run
from longsong.report.sound_view import SoundView
from longsong.units import human_count, human_time
from longsong.version import __version__, source_commit

__all__ = ["View", "make_view"]

_COMMIT = 12
"""Digits of a commit that are shown."""


@dataclass(frozen=True)
class View:
    """All that the page shows.

    Attributes
    ----------
    song : list of (str, str)
        The song, in names and values.
    made : list of (str, str)
        Machine, date, versions and commits of the runs.
    written_by : str
        Version and commit of the code that writes the page.
    grids : list of GridTable
    deepest : float or None
        The ratio of the grids' deepest colour.
    best : RunView or None
        The run with the lowest ratio, of those that are as the post describes.
    runs : list of RunView
    experiments : Experiments
    audit : Audit
    """

    song: list[tuple[str, str]]
    made: list[tuple[str, str]]
    written_by: str
    grids: list[GridTable]
    deepest: float | None
    best: RunView | None
    runs: list[RunView]
    experiments: Experiments
    audit: Audit

    @property
    def problems(self) -> list[str]:
        """What could not be read, each once."""
        return list(dict.fromkeys([*self.audit.problems, *self.experiments.problems]))

    @property
    def legend(self) -> SoundView | None:
        """Any of the sounds, to explain what players show; None where there is none."""
        return next((run.sound for run in self.runs if run.sound is not None), None)

    @property
    def curves(self) -> dict[str, dict[str, Any]]:
        """What the page draws of each run, by its name."""
        return {run.name: {"title": run.title, **run.curves.to_json()} for run in self.runs if run.curves is not None}


def make_view(runs: Path, audit: Audit, page: Path) -> View:
    """Take what the page shows from a folder of runs and its audit.

    Parameters
    ----------
    runs : Path
    audit : Audit
    page : Path
        The folder of the page, which has to be there; spectrograms are drawn into it.
    """
    evidence = load_evidence(runs)
    views = _told_apart([view_run(run, page) for run in sorted(evidence.complete, key=_order)])
    judged = [view for view in views if view.ratio is not None and not view.ways]
    grids, deepest = view_grids(evidence, views)
    return View(
        song=_song(evidence),
        made=_made(evidence),
        written_by=", ".join([f"longsong {__version__}", *_commits([source_commit()])]),
        grids=grids,
        deepest=deepest,
        best=min(judged, key=lambda view: view.ratio or 0.0, default=None),
        runs=views,
        experiments=view_experiments(evidence, audit, page),
        audit=audit,
    )


def _told_apart(views: list[RunView]) -> list[RunView]:
    """Give runs whose settings in the title are the same their names as well, to tell them by."""
    counts = Counter(view.title for view in views)
    found = []
    for view in views:
        if counts[view.title] > 1:
            title = f"{view.title} ({view.name})"
            view = replace(view, title=title, sound=view.sound and replace(view.sound, title=title))
        found.append(view)
    return found


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
    # Runs of before 2026-11-23 do not say it.
    commits = _commits(run.of("made_by").get("commit") for run in runs)
    return [
        ("machine", _listed(run.of("execution.device_name") for run in runs)),
        ("last run ended", f"{ended.astimezone(UTC):%d %B %Y, %H:%M} UTC"),
        ("longsong", _listed(run.of("made_by.longsong") for run in runs)),
        ("commit of the runs", ", ".join(commits) or "not on record"),
        ("torch", _listed(run.of("execution").get("torch", "?") for run in runs)),
        ("runs", f"{len(runs):,}, in {human_time(sum(run.summary['training_seconds'] for run in runs))} of training"),
    ]


def _commits(found: Iterable[Any]) -> list[str]:
    return sorted({commit[:_COMMIT] for commit in found if isinstance(commit, str)})


def _listed(words: Iterable[Any]) -> str:
    return ", ".join(sorted({str(word) for word in words}))
