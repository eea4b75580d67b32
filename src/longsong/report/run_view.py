"""A run as the page shows it: curves, sound, numbers for people, and how it is made again."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from longsong.audit.run import Run
from longsong.errors import LongsongError
from longsong.files import os_errors_named
from longsong.report.figure import Figure, number
from longsong.report.prediction_figures import figures_of_prediction
from longsong.report.problems import Problems
from longsong.report.run_command import commands_of, configured
from longsong.report.run_curves import RunCurves, curves_of
from longsong.report.sound_figures import figures_of_sound, heard_first
from longsong.report.sound_view import SoundView, view_sound
from longsong.report.words import shape_words
from longsong.units import human_bytes, human_time

__all__ = ["SPECTROGRAMS", "RunView", "view_run"]

SPECTROGRAMS = "spectrograms"
"""Folder of the pictures, beside the page."""

_SECTIONS = ("data", "model", "training", "execution")
"""Of ``config.json``, that say how a run was made."""


@dataclass(frozen=True)
class RunView:
    """A run on the page.

    Attributes
    ----------
    name, set, group : str
        Of the run; ``post`` or ``code``; ``grid``, ``comparison`` or ``single``.
    shape, title : str
        What it is, for people: ``40 x 50`` with a sign of multiplication; and with cell, width and random seed.
    ways : list of str
        What of it is not as the post describes, in words.
    cell : str
        In capitals.
    frame, seq, hidden, seed : int
    curves : RunCurves or None
        None where they cannot be read.
    sound : SoundView or None
        None where there is none.
    train_cost : float
        Its last train cost.
    dev_cost, ratio : float or None
        Its best dev cost, and that over the cost of predicting the mean; None without a dev example.
    numbers : list of (str, str)
        Names and values, for people.
    sound_figures, prediction_figures : list of Figure
        Of its sound, each beside the song's own; and of how far it predicts the song.
    configuration : list of (str, str)
        All settings, by name.
    notes : list of str
        What is wrong with it, if anything.
    made_by : str
        The command that made it.
    again : list of str
        The commands that make it again.
    """

    name: str
    set: str
    group: str
    shape: str
    title: str
    ways: list[str]
    cell: str
    frame: int
    seq: int
    hidden: int
    seed: int
    curves: RunCurves | None
    sound: SoundView | None
    train_cost: float
    dev_cost: float | None
    ratio: float | None
    numbers: list[tuple[str, str]]
    sound_figures: list[Figure]
    prediction_figures: list[Figure]
    configuration: list[tuple[str, str]]
    notes: list[str]
    made_by: str
    again: list[str]


def view_run(run: Run, page: Path) -> RunView:
    """Take what the page shows of a complete run from its folder.

    Parameters
    ----------
    run : Run
    page : Path
        The folder of the page; it has to be there. The run's spectrogram is drawn into a folder of it, unless it is
        there already.

    Raises
    ------
    SpaceError
        The spectrogram cannot be written.
    """
    problems = Problems()
    frame, seq, hidden = run.of("data.frame"), run.of("data.seq"), run.of("model.hidden")
    cell, seed = str(run.of("model.cell")).upper(), run.of("training.seed")
    best, baseline = run.summary["best"]["dev_cost"], run.summary["cost_of_mean"]
    ratio = best / baseline if best is not None and baseline > 0 else None
    again, ways = _again(run)
    title = ", ".join([shape_words(frame, seq), f"{cell} {hidden}", f"seed {seed}", *ways])
    curves = problems.read(lambda: curves_of(run))
    if run.has_sound:
        for note in problems.read(lambda: run.generated["notes"]) or []:
            problems.say(str(note))
    else:
        problems.say("Nothing was generated yet: run longsong generate.")
    sound = problems.read(lambda: _sound(run, title, page))
    of_sound = problems.read(lambda: _of_sound(run)) or []
    figures = problems.read(lambda: _figures_of_sound(run)) or []
    return RunView(
        name=run.name,
        set=run.set,
        group=run.group,
        shape=shape_words(frame, seq),
        title=title,
        ways=ways,
        cell=cell,
        frame=frame,
        seq=seq,
        hidden=hidden,
        seed=seed,
        curves=curves,
        sound=sound,
        train_cost=run.summary["last_train_cost"],
        dev_cost=best,
        ratio=ratio,
        numbers=[*_numbers(run, ratio), *of_sound, *heard_first(figures)],
        sound_figures=figures,
        prediction_figures=problems.read(lambda: figures_of_prediction(run.summary.get("prediction") or {})) or [],
        configuration=_configuration(run),
        notes=problems.said,
        made_by=shlex.join(str(word) for word in run.of("made_by.command")),
        again=again,
    )


def _again(run: Run) -> tuple[list[str], list[str]]:
    """Give the commands that make a run again, and what of it is as the 2016 code did, in words."""
    try:
        config = configured(run.config)
    except LongsongError:  # altered by hand; the audit says so
        return [], []
    ways = [f"as coded: {', '.join(config.as_coded)}"] if config.as_coded else []
    if config.model.forget_bias:
        ways.append(f"forget bias {config.model.forget_bias:g}")
    return commands_of(config, run.name), ways


def _sound(run: Run, title: str, page: Path) -> SoundView | None:
    if not run.has_sound:
        return None
    pictures = page / SPECTROGRAMS
    with os_errors_named(pictures):
        pictures.mkdir(exist_ok=True)
    return view_sound(run.path("generated.wav"), title=title, page=page, picture=pictures / f"{run.name}.png")


def _numbers(run: Run, ratio: float | None) -> list[tuple[str, str]]:
    summary = run.summary
    best = summary["best"]
    cost = "no dev example" if best["dev_cost"] is None else f"{best['dev_cost']:.5f} (epoch {best['epoch']})"
    found = [("best dev cost", cost)]
    if ratio is not None:
        found.append(("over predicting the mean", f"{ratio:.3f}"))
    peak = number(summary, "peak_bytes")
    return [
        *found,
        ("examples", f"{run.of('data.train_examples'):,} train, {run.of('data.dev_examples'):,} dev"),
        ("updates", f"{summary['updates']:,} in {summary['epochs']} epochs"),
        ("parameters", f"{summary['parameters']:,}"),
        ("trained in", human_time(summary["training_seconds"])),
        ("an update takes", f"{summary['seconds_per_update']:.3g} s"),
        *([("memory at most", human_bytes(peak))] if peak is not None else []),
        ("steps clipped", f"{summary['clipped_share']:.0%}"),
        ("entries on RMSProp's floor", f"{summary['floor_share']:.0%}"),
    ]


def _of_sound(run: Run) -> list[tuple[str, str]]:
    """Give how a sound was made, and how loud it is."""
    if not run.has_sound:
        return []
    record, seed = run.generated, run.generated["seed"]
    source = f"{seed['source']} example {seed.get('example')}" if seed["source"] != "wav" else f"wav {seed.get('file')}"
    return [
        ("sound", f"{record['seconds']:g} s, mode {record['mode']}"),
        ("seed", source),
        ("level of 32,768", f"RMS {record['rms']:,.0f}, peak {record['peak']:,.0f}"),
    ]


def _figures_of_sound(run: Run) -> list[Figure]:
    return figures_of_sound(run.generated.get("sound") or {}) if run.has_sound else []


def _configuration(run: Run) -> list[tuple[str, str]]:
    """Give all settings by name; what is off, or was not there when the run was made, is left out."""
    return [
        (key.replace("_", " "), f"{value:,}" if isinstance(value, int) and abs(value) >= 10_000 else str(value))
        for section in _SECTIONS
        for key, value in run.of(section).items()
        if value is not None and value is not False
    ]
