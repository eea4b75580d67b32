"""One run of the grid, whole: trained, generated from and judged, as far as that is not done yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from longsong.config import RunConfig
from longsong.errors import BusyError
from longsong.generated import generate_into, is_generated
from longsong.integrity import set_aside
from longsong.judging import judge_run
from longsong.progress import Progress, print_line
from longsong.runs import load_run
from longsong.training import train
from longsong.training.checkpoint_files import has_checkpoint
from longsong.training.record import LOG

__all__ = ["complete_run"]

_SECONDS_FOR_ANOTHER = 60.0
"""How long a process is waited for that still trains the run: one that lost its scheduler stops by itself."""


def complete_run(
    config: RunConfig,
    command: Sequence[str],
    *,
    quiet: bool = False,
    keep_checkpoints: int = 1,
    say: Callable[[str], None] = print_line,
) -> None:
    """Do of a run what is not done yet, and again what is damaged of it.

    Parameters
    ----------
    config : RunConfig
        Its threads and memory are those of a run that begins; one that has begun keeps its own.
    command : sequence of str
        The words of the command that asks for it, for ``config.json``.
    quiet : bool
        Show no progress.
    keep_checkpoints : int
        As for `longsong.training.train`.
    say : callable
        Takes a line where something was damaged.

    Raises
    ------
    longsong.errors.LongsongError, streams.StreamsError
        As `longsong.training.train` and `longsong.generated.generate_into`.
    KeyboardInterrupt
        Stopped; started again, it goes on.
    """
    folder = _when_free(lambda: _train(config, command, quiet, keep_checkpoints, say))
    run = load_run(folder)
    if not is_generated(folder, run.epoch):
        generate_into(run, quiet=quiet)
    with Progress("judging", None, "runs", quiet=quiet):
        judge_run(run)
    (folder / LOG).unlink(missing_ok=True)  # of an earlier start that failed


def _train(
    config: RunConfig, command: Sequence[str], quiet: bool, keep_checkpoints: int, say: Callable[[str], None]
) -> Path:
    folder = config.folder
    aside = set_aside(folder) if folder.is_dir() else None
    if aside is not None:
        say(f"{folder.name} was damaged: {aside}")
    if has_checkpoint(folder / "checkpoints"):
        config = replace(config, execution=replace(config.execution, threads=None, memory=None))
    return train(config, command=command, quiet=quiet, keep_checkpoints=keep_checkpoints)


def _when_free(work: Callable[[], Path]) -> Path:
    until = time.monotonic() + _SECONDS_FOR_ANOTHER
    while True:
        try:
            return work()
        except BusyError:
            if time.monotonic() > until:
                raise
            time.sleep(1.0)
