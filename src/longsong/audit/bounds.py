"""What an audit can take on: a run whose numbers cannot be, or would keep it without end, is left out and named.

A run's files are read as anything that comes from elsewhere is: whatever they say of sizes is held against bounds
before anything of that size is made.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from pathlib import Path

from longsong.audit.evidence import Evidence
from longsong.audit.network import expected_shapes
from longsong.audit.run import Run
from longsong.config import DataConfig, ExecutionConfig, ModelConfig, TrainingConfig
from longsong.errors import ConfigError, LongsongError, RunError

__all__ = ["load_evidence", "require_bounded"]

_MOST_ORDERED = 2e8
"""Examples of all epochs, whose order is computed again: 1.6 GB and a minute. 100 h of 40x50 have 9e7 in 30 epochs."""
_MOST_PARAMETERS = 4e8
"""Parameters, which are drawn again: two layers of 4096 GRUs have half of that."""
_OF_WHAT_IS_THERE, _FEW = 10, 1e7
"""How many times more parameters a configuration may name than its file holds, or than are few, to be looked at: P10
says so."""


def load_evidence(root: Path) -> Evidence:
    """Look into a folder of runs, and leave out those that an audit cannot take on; its problems name them.

    Raises
    ------
    RunError
        There is no such folder.
    """
    evidence = Evidence.load(root)
    taken, problems = [], list(evidence.problems)
    for run in evidence.runs:
        try:
            require_bounded(run)
            taken.append(run)
        except LongsongError as error:
            problems.append(f"{run.path('config.json')}: {error}")
    return replace(evidence, runs=tuple(taken), problems=tuple(problems))


def require_bounded(run: Run) -> None:
    """Raise unless a run's configuration can be, and what is computed from it is bounded.

    Raises
    ------
    ConfigError
        A value that no run can have (`longsong.config`).
    RunError
        Sizes that cannot be together, or are more than an audit takes on; or its summary cannot be read.
    """
    try:
        DataConfig.from_json(run.config["data"])
        ModelConfig.from_json(run.config["model"])
        TrainingConfig.from_json(run.config["training"])
        ExecutionConfig.from_json(run.config["execution"])
    except TypeError as error:  # what is compared is of another kind, such as a list
        raise ConfigError(f"a value is of a kind that cannot be ({error}); it was altered") from error
    _require_examples(run)
    _require_parameters(run)
    if run.complete:
        best, epochs = run.summary["best"]["epoch"], run.summary["epochs"]
        if best > epochs:
            raise RunError(f"its best epoch is {best:,} of {epochs:,}, which cannot be; train again")


def _require_examples(run: Run) -> None:
    samples, length = run.of("song.samples"), run.of("data.frame") * run.of("data.seq")
    if length >= samples:
        raise RunError(f"an example of {length:,} samples is longer than its song of {samples:,}; it was altered")
    if run.of("data.train_samples") > samples:
        raise RunError(
            f"its train split of {run.of('data.train_samples'):,} samples is longer than its song; it was altered"
        )
    examples = run.of("data.train_examples") + run.of("data.dev_examples")
    if examples > samples:
        raise RunError(f"it has {examples:,} examples, and its song {samples:,} samples; it was altered")
    apart = min(run.of("data.hop"), run.config["data"].get("example_shift") or length)
    epochs, most = run.of("training.epochs"), max(examples, samples // apart)
    if epochs * most > _MOST_ORDERED:
        raise RunError(
            f"its {epochs:,} epochs of up to {most:,} examples are more than an audit puts in order again "
            f"({_MOST_ORDERED:.0e} in all)"
        )


def _require_parameters(run: Run) -> None:
    cell, frame, hidden, layers = (
        run.of(f"{key}") for key in ("model.cell", "data.frame", "model.hidden", "model.layers")
    )
    due = sum(prod(shape) for shape in expected_shapes(cell, frame, hidden, layers).values())
    if due > _MOST_PARAMETERS:
        raise RunError(f"its network has {due:,} parameters, more than an audit draws again ({_MOST_PARAMETERS:.0e})")
    if not run.complete:
        return
    try:
        held = run.parameter_count
    except RunError:
        return  # what needs them says so
    if due > _OF_WHAT_IS_THERE * max(held, _FEW):
        raise RunError(f"its network would have {due:,} parameters, and its file has {held:,}; it was altered")
