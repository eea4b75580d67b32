"""The commands about the ways of the 2016 code: `longsong as-coded --list` and `longsong audit RUNS --as-coded`."""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import fields
from typing import Any, get_args

from longsong.arguments import command_words, place
from longsong.config import Cell, Device, ExecutionConfig, Precision
from longsong.errors import ConfigError
from longsong.experiments.as_coded_ways import LEAST_SEEDS, Experiment

__all__ = ["add_as_coded", "add_experiment", "audit_as_coded", "list_switches", "refuse_without_as_coded"]

_FAILED = 1
_EXECUTION = ("device", "precision", "threads")
_OPTIONS = (*(field.name for field in fields(Experiment) if field.name != "execution"), *_EXECUTION, "shards")


def add_as_coded(parser: argparse.ArgumentParser) -> None:
    """Add the options of `longsong as-coded`."""
    parser.add_argument("--list", action="store_true", required=True, help="say what there is, and what each does")


def list_switches(a: argparse.Namespace) -> None:
    """Print all switches as a table that explains them."""
    from longsong.switches import format_switches

    print(format_switches(_columns()))


def add_experiment(parser: argparse.ArgumentParser) -> None:
    """Add the options of `longsong audit RUNS --as-coded`; those that are not given stay out of the arguments."""
    parser.add_argument(
        "--as-coded",
        action="store_true",
        help="train and generate in every way of the 2016 code, and say what each does to cost, sound and time",
    )
    group = parser.add_argument_group("with --as-coded, a configuration: by default a small one, for minutes")
    usual = Experiment()

    def add(name: str, help: str = "", **how: Any) -> None:
        default = getattr(usual, name, getattr(usual.execution, name, None))
        said = f"{help} (default: {default})" if help else f"default: {default}"
        group.add_argument(f"--{name}", default=argparse.SUPPRESS, help=said, **how)

    whole: dict[str, Any] = {"type": int, "metavar": "N"}
    add("frame", "samples in a frame", **whole)
    add("seq", "frames in a sequence", **whole)
    add("hidden", "units in each layer", **whole)
    add("layers", **whole)
    add("cell", choices=get_args(Cell))
    add("epochs", **whole)
    add("batch", "examples in a mini-batch", **whole)
    add("seeds", f"random seeds, {LEAST_SEEDS} or more", **whole)
    add("seconds", "of each sound", type=float, metavar="X")
    add("device", choices=get_args(Device))
    add("precision", choices=get_args(Precision))
    none: dict[str, Any] = {"default": argparse.SUPPRESS}
    group.add_argument("--threads", **whole, **none, help="CPU threads (default: the cores there are)")
    group.add_argument(
        "--shards", type=place, metavar="SHARDS", **none, help="the song's folder or URL (default: that of the runs)"
    )


def refuse_without_as_coded(a: argparse.Namespace) -> None:
    """Raise `ConfigError` where an option of the experiment is given and the experiment is not asked for."""
    for name in _OPTIONS:
        if hasattr(a, name):
            raise ConfigError(f"{name} is {getattr(a, name)}, which is of --as-coded alone; add that, or leave it out")


def audit_as_coded(a: argparse.Namespace) -> int:
    """Make the experiment; gives the exit status: 1 where D06's forget bias changes anything."""
    from longsong.audit.as_coded_table import format_as_coded
    from longsong.experiments.as_coded import measure_as_coded

    given = {name: value for name, value in vars(a).items() if name in _OPTIONS}
    shards = given.pop("shards", None)
    execution = ExecutionConfig(**{name: given.pop(name) for name in _EXECUTION if name in given})
    experiment = Experiment(**given, execution=execution)
    found = measure_as_coded(a.runs, experiment, shards=shards, command=command_words(a))
    print(format_as_coded(found, _columns()))
    print(f"the numbers are in {found.path}")
    if not found.forget_bias_changes_nothing:
        print("longsong: the forget bias of 2016 (D06) changed the parameters, and must not", file=sys.stderr)
        return _FAILED
    return 0


def _columns() -> int:
    return shutil.get_terminal_size().columns
