"""The commands that compute updates: `longsong train` and `longsong parity`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, get_args

from longsong.arguments import add_cache, add_place, command_words, local, section, size
from longsong.config import (
    CacheConfig,
    Cell,
    DataConfig,
    Device,
    ExecutionConfig,
    Form,
    ModelConfig,
    Normalise,
    Precision,
    RunConfig,
    TrainingConfig,
    TrainingSwitch,
)
from longsong.errors import RanksError
from longsong.switches import explained, switch_on

__all__ = ["add_parity", "add_train", "parity", "train"]

_FAILED, _USAGE, _INTERRUPTED = 1, 2, 130
_GONE = ".ranks-gone.part"  # in the run's folder, where a rank has said that another is gone


def add_train(parser: argparse.ArgumentParser) -> None:
    """Add the options of `longsong train`."""
    add = parser.add_argument
    model, training, execution = ModelConfig(), TrainingConfig(), ExecutionConfig()
    add_place(parser)
    add("--frame", type=int, required=True, metavar="N", help="samples in a frame")
    add("--seq", type=int, required=True, metavar="N", help="frames in a sequence")
    add("--hidden", type=int, default=model.hidden, metavar="N", help="units in each layer (default: %(default)s)")
    add("--cell", choices=get_args(Cell), default=model.cell, help="default: %(default)s")
    add("--layers", type=int, default=model.layers, metavar="N", help="default: %(default)s")
    add("--epochs", type=int, default=training.epochs, metavar="N", help="default: %(default)s")
    add("--batch", type=int, default=128, metavar="N", help="examples in a mini-batch (default: %(default)s)")
    add("--seed", type=int, default=training.seed, metavar="N", help="of weights and order (default: %(default)s)")
    add("--normalise", choices=get_args(Normalise), default="minmax", help="default: %(default)s")
    add("--train-samples", type=int, metavar="N", help="of the train split (default: 0.918 of the song)")
    add("--learning-rate", type=float, default=training.learning_rate, metavar="X", help="default: %(default)s")
    add(
        "--lr-decay",
        type=float,
        default=training.lr_decay,
        metavar="X",
        help="factor of an epoch (default: %(default)s)",
    )
    add("--rmsprop-decay", type=float, default=training.rmsprop_decay, metavar="X", help="default: %(default)s")
    add(
        "--step-clip",
        type=float,
        default=training.step_clip,
        metavar="X",
        help="largest step norm (default: %(default)s)",
    )
    add(
        "--init-width",
        type=float,
        default=model.init_width,
        metavar="X",
        help="of the first weights (default: %(default)s)",
    )
    add("--start-from", type=local, metavar="RUN", help="begin with the best parameters of another run")
    add(
        "--forget-bias",
        type=float,
        default=model.forget_bias,
        metavar="X",
        help="bias towards keeping the state that the gates of a GRU or LSTM begin with (default: %(default)s)",
    )
    add(
        "--as-coded",
        nargs="+",
        action="extend",
        choices=get_args(TrainingSwitch),
        default=[],
        metavar="WAY",
        help="train as the 2016 code did: " + explained("training"),
    )
    add("--device", choices=get_args(Device), default=execution.device, help="default: %(default)s")
    add("--precision", choices=get_args(Precision), help=f"default: {execution.precision}")
    add("--threads", type=int, metavar="N", help="CPU threads (default: the cores there are)")
    _add_form(parser)
    add("--memory", type=size, metavar="SIZE", help="to stay below, such as 6GiB (default: 3/4 of what is free)")
    add(
        "--keep-checkpoints",
        type=int,
        default=1,
        metavar="N",
        help="newest checkpoints that stay while it trains (default: %(default)s)",
    )
    add("--deterministic", action="store_true", help="the same bytes each time on CUDA too, more slowly")
    add("--profile", action="store_true", help="say at the end where the time of an update went")
    add_cache(parser)
    add("--out", type=local, metavar="DIR", help="the run's folder (default: runs/FRAMExSEQ-CELL-HIDDEN-sSEED)")


def _add_form(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--recurrence",
        dest="form",
        choices=get_args(Form),
        help=f"the fast form, or the reference cells (default: {ExecutionConfig().form})",
    )
    add("--micro-batch", type=int, metavar="N", help="rows computed at once (default: as many as memory holds)")
    add("--segment", type=int, metavar="N", help="steps whose states are in memory at once (default: what it holds)")


def train(a: argparse.Namespace) -> None:
    """Train a run, or go on with it."""
    from longsong.training import train
    from longsong.training.ranks import ranks_of_environment

    # What is asked for in words is refused where a run was started otherwise, also where it is the default.
    given = {name: value for name in ("precision", "form") if (value := getattr(a, name)) is not None}
    model = ModelConfig()
    config = RunConfig(
        shards=a.shards,
        data=section(DataConfig, a, example_shift=None, mean_shift=False),
        model=section(ModelConfig, a, recurrence=model.recurrence, named_forget_bias=model.named_forget_bias),
        training=section(
            TrainingConfig,
            a,
            start_from=None if a.start_from is None else str(a.start_from),
            bare_resume=False,
        ),
        execution=section(ExecutionConfig, a, elementwise=None, **(_defaults() | given)),
        given=frozenset(given),
        out=a.out,
        cache=CacheConfig(a.cache, a.cache_bytes),
    )
    config = switch_on(config, a.as_coded)
    try:
        with ranks_of_environment() as ranks:
            if ranks.first:
                (config.folder / _GONE).unlink(missing_ok=True)  # of an earlier start
            with _stopped_silently(unless=ranks.first):
                folder = train(
                    config,
                    command=command_words(a),
                    profile=a.profile,
                    ranks=ranks,
                    keep_checkpoints=a.keep_checkpoints,
                )
    except RanksError as error:
        if error.said or not _is_first_to_say(config.folder):
            raise SystemExit(_USAGE) from error
        raise
    if ranks.first:
        print(folder)


@contextmanager
def _stopped_silently(*, unless: bool) -> Iterator[None]:
    """End what was asked to stop without a word, since another rank has it."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if unless:
            raise
        raise SystemExit(_INTERRUPTED) from stop


def _is_first_to_say(run: Path) -> bool:
    """Say whether no other rank on this folder has said yet that one is gone."""
    with suppress(OSError):
        os.close(os.open(run / _GONE, os.O_CREAT | os.O_EXCL))
        return True
    return False


def add_parity(parser: argparse.ArgumentParser) -> None:
    """Add the options of `longsong parity`."""
    add = parser.add_argument
    add("files", type=local, nargs="+", metavar="FILE.npz", help="files of the form of tests/golden")
    add("--tensors", action="store_true", help="print the error of every single tensor too")
    add("--json", type=local, metavar="FILE", help="write all errors to FILE, such as runs/parity.json for the audit")
    _add_form(parser)


def parity(a: argparse.Namespace) -> int:
    """Compare with numbers of the original stack; gives the exit status."""
    from longsong.experiments.parity import format_parity, measure_all, write_parity

    form = a.form or _defaults()["form"]
    execution = ExecutionConfig(form=form, micro_batch=a.micro_batch, segment=a.segment)
    results = measure_all(a.files, execution)
    print(format_parity(results, tensors=a.tensors))
    if a.json is not None:
        write_parity(results, a.json, command_words(a))
    return 0 if all(result.passes for result in results) else _FAILED


def _defaults() -> dict[str, Any]:
    """Give the settings whose options have no default, so that it can be told whether they were given."""
    execution = ExecutionConfig()
    return {"precision": execution.precision, "form": execution.form}
