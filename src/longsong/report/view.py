"""What the page shows, taken from runs and audit and put into words and numbers for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from longsong.audit import Audit
from longsong.audit.evidence import Evidence
from longsong.audit.run import Run
from longsong.errors import RunError
from longsong.report.plots import cost_curves
from longsong.reported import FRAMES, SEQUENCES
from longsong.units import human_count, human_time

__all__ = ["GridCell", "GridTable", "RunView", "View", "make_view"]


@dataclass(frozen=True)
class RunView:
    """A run on the page.

    Attributes
    ----------
    name, cell, group : str
    frame, seq, hidden, seed : int
    audio : str or None
        Where its sound is, from the page; None where there is none.
    svg : str
        Its cost curves.
    described : str
        The curves in words, for who does not see them.
    dev_cost, ratio : float or None
        Its best dev cost, and that over the cost of predicting the mean; None without a dev example.
    numbers : list of (str, str)
        Names and values, for people.
    notes : list of str
        What is wrong with the sound, if anything.
    problem : str
        What could not be read, if anything.
    command : str
        What it was made with.
    """

    name: str
    cell: str
    group: str
    frame: int
    seq: int
    hidden: int
    seed: int
    audio: str | None
    svg: str
    described: str
    dev_cost: float | None
    ratio: float | None
    numbers: list[tuple[str, str]]
    notes: list[str]
    problem: str
    command: str


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
    state, reason : str
        Why there is no run, in a word and in a sentence.
    """

    run: str | None = None
    cost: str = ""
    ratio: str = ""
    heat: float = 0.0
    state: str = ""
    reason: str = ""


@dataclass(frozen=True)
class GridTable:
    """The grid for one width: a row for each frame size, a column for each length, notes below."""

    title: str
    seqs: list[int]
    rows: list[tuple[int, list[GridCell]]]
    notes: list[str]


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
    views = [_run(run) for run in sorted(evidence.complete, key=_order)]
    judged = [view for view in views if view.ratio is not None]
    return View(
        song=_song(evidence),
        made=_made(evidence),
        grids=_grids(evidence, views),
        best=min(judged, key=lambda view: view.ratio or 0.0, default=None),
        runs=views,
        audit=audit,
    )


def _order(run: Run) -> tuple[Any, ...]:
    keys = ("data.frame", "data.seq", "model.hidden", "model.cell", "training.seed")
    return tuple(run.of(key) for key in keys)


def _run(run: Run) -> RunView:
    problem, svg, described = "", "", ""
    best, baseline = run.summary["best"]["dev_cost"], run.summary["cost_of_mean"]
    try:
        train = [float(line["train_cost"]) for line in run.metrics.updates]
        dev = [(line["update"], line["dev_cost"]) for line in run.metrics.evaluations if line["dev_cost"] is not None]
        svg = cost_curves(run.name, train, dev, baseline)
        described = f"Train cost from {train[0]:.5f} to {train[-1]:.5f} in {len(train):,} updates"
        if dev:
            described += f"; dev cost from {dev[0][1]:.5f} to {dev[-1][1]:.5f}"
        described += f"; predicting the mean costs {baseline:.5f}."
    except (RunError, IndexError) as error:
        problem = str(error) or "there is no update in its metrics"
    notes, audio, sound = _sound(run)
    ratio = best / baseline if best is not None and baseline > 0 else None
    return RunView(
        name=run.name,
        cell=str(run.of("model.cell")).upper(),
        group=run.group,
        frame=run.of("data.frame"),
        seq=run.of("data.seq"),
        hidden=run.of("model.hidden"),
        seed=run.of("training.seed"),
        audio=audio,
        svg=svg,
        described=described,
        dev_cost=best,
        ratio=ratio,
        numbers=[*_numbers(run, ratio), *sound],
        notes=notes,
        problem=problem,
        command=" ".join(str(word) for word in run.of("made_by.command")),
    )


def _numbers(run: Run, ratio: float | None) -> list[tuple[str, str]]:
    summary = run.summary
    best = summary["best"]
    cost = "no dev example" if best["dev_cost"] is None else f"{best['dev_cost']:.5f} (epoch {best['epoch']})"
    found = [("best dev cost", cost)]
    if ratio is not None:
        found.append(("over predicting the mean", f"{ratio:.3f}"))
    examples = f"{run.of('data.train_examples'):,} train, {run.of('data.dev_examples'):,} dev"
    return [
        *found,
        ("examples", examples),
        ("updates", f"{summary['updates']:,} in {summary['epochs']} epochs"),
        ("parameters", f"{summary['parameters']:,}"),
        ("trained in", human_time(summary["training_seconds"])),
        ("an update takes", f"{summary['seconds_per_update']:.3g} s"),
        ("steps clipped", f"{summary['clipped_share']:.0%}"),
        ("entries on RMSProp's floor", f"{summary['floor_share']:.0%}"),
    ]


def _sound(run: Run) -> tuple[list[str], str | None, list[tuple[str, str]]]:
    """Give notes on a run's sound, where it is from the page, and its numbers."""
    if not run.has_sound:
        return ["Nothing was generated yet."], None, []
    try:
        record, wav = run.generated, run.wav
    except RunError as error:
        return [str(error)], None, []
    seed = record["seed"]
    source = f"{seed['source']} example {seed.get('example')}" if seed["source"] != "wav" else f"wav {seed.get('file')}"
    numbers = [
        ("sound", f"{wav.seconds:g} s, mode {record['mode']}"),
        ("seed", source),
        ("level of 32,768", f"RMS {record['rms']:,.0f}, peak {record['peak']:,.0f}"),
    ]
    return [str(note) for note in record["notes"]], f"../{run.name}/generated.wav", numbers


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
    newest = max(run.path("summary.json").stat().st_mtime for run in runs)
    torch = sorted({str(run.of("execution").get("torch", "?")) for run in runs})
    return [
        ("machine", ", ".join(sorted({run.of("execution.device_name") for run in runs}))),
        ("last run ended", f"{datetime.fromtimestamp(newest, UTC):%d %B %Y, %H:%M} UTC"),
        ("longsong", ", ".join(sorted({run.of("made_by.longsong") for run in runs}))),
        ("torch", ", ".join(torch)),
        ("training in all", human_time(sum(run.summary["training_seconds"] for run in runs))),
    ]


def _grids(evidence: Evidence, views: list[RunView]) -> list[GridTable]:
    """Lay the grid out: one table for each width of the grid's own GRU runs."""
    planned = [entry for entry in (evidence.grid or {"runs": []})["runs"] if entry["group"] == "grid"]
    grid_runs = [view for view in views if view.group != "comparison" and view.cell == "GRU"]
    widths = sorted({view.hidden for view in grid_runs} | {entry["hidden"] for entry in planned})
    rate, train = _train_split(evidence)
    tables = []
    for width in widths:
        entries = {(entry["frame"], entry["seq"]): entry for entry in planned if entry["hidden"] == width}
        runs = {(view.frame, view.seq): view for view in grid_runs if view.hidden == width}
        shapes = entries.keys() | runs.keys()
        ours = all(frame in FRAMES and seq in SEQUENCES for frame, seq in shapes)
        frames = list(FRAMES) if ours else sorted({frame for frame, _ in shapes})
        seqs = list(SEQUENCES) if ours else sorted({seq for _, seq in shapes})
        rows = [(f, [_cell(runs.get((f, s)), entries.get((f, s)), rate) for s in seqs]) for f in frames]
        cells = [cell for _, row in rows for cell in row]
        left_out = dict.fromkeys(cell.reason for cell in cells if cell.state == "not chosen" and cell.reason)
        notes = [f"Not chosen: {reason}." for reason in left_out]
        if any(cell.reason.startswith("one example needs") for cell in cells):
            notes.append(f"There are {train / rate:,.0f} s of song to train on." if train else "")
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
        return GridCell(state=entry["state"], reason=reason)
    if view.dev_cost is None or view.ratio is None:
        return GridCell(run=view.name, state="no dev example")
    heat = min(1.0, max(0.0, 1 - view.ratio))
    return GridCell(run=view.name, cost=f"{view.dev_cost:.4f}", ratio=f"{view.ratio:.3f}", heat=round(heat, 3))
