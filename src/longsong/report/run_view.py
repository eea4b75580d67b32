"""A run as the page shows it: curves, sound, and numbers for people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from longsong.audit.run import Run
from longsong.errors import RunError
from longsong.report.figure import Figure
from longsong.report.plots import cost_curves
from longsong.report.prediction_figures import figures_of_prediction
from longsong.report.sound_figures import figures_of_sound, heard_first
from longsong.units import human_time

__all__ = ["RunView", "view_run"]


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
    train_cost : float
        Its last train cost.
    dev_cost, ratio : float or None
        Its best dev cost, and that over the cost of predicting the mean; None without a dev example.
    numbers : list of (str, str)
        Names and values, for people.
    sound_figures, prediction_figures : list of Figure
        Of its sound, each beside the song's own; and of how far it predicts the song.
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
    train_cost: float
    dev_cost: float | None
    ratio: float | None
    numbers: list[tuple[str, str]]
    sound_figures: list[Figure]
    prediction_figures: list[Figure]
    notes: list[str]
    problem: str
    command: str


def view_run(run: Run) -> RunView:
    """Take what the page shows of a complete run from its folder."""
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
    sound_figures, prediction_figures, problems = _figures(run)
    ratio = best / baseline if best is not None and baseline > 0 else None
    return RunView(
        train_cost=run.summary["last_train_cost"],
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
        numbers=[*_numbers(run, ratio), *sound, *heard_first(sound_figures)],
        sound_figures=sound_figures,
        prediction_figures=prediction_figures,
        notes=[*notes, *(problem for problem in problems if problem not in notes)],
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


def _figures(run: Run) -> tuple[list[Figure], list[Figure], list[str]]:
    """Give the figures of a run's sound and of its predictions, and what could not be read of them."""
    problems: list[str] = []

    def told(describe: Callable[[], list[Figure]]) -> list[Figure]:
        try:
            return describe()
        except RunError as error:
            problems.append(str(error))
            return []

    sound = told(lambda: figures_of_sound(run.generated.get("sound") or {})) if run.has_sound else []
    return sound, told(lambda: figures_of_prediction(run.summary.get("prediction") or {})), problems
