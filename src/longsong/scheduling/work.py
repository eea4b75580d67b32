"""One run of the grid, whole: trained, generated from and judged, as far as that is not done yet."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from longsong.config import RunConfig
from longsong.errors import BusyError
from longsong.generated import generate_into, is_generated
from longsong.judging import judge_run
from longsong.progress import Progress
from longsong.runs import load_run
from longsong.training import train
from longsong.training.record import LOG

__all__ = ["complete_run"]

_SECONDS_FOR_ANOTHER = 60.0
"""How long a process is waited for that still trains the run: one that lost its scheduler stops by itself."""


def complete_run(config: RunConfig, command: Sequence[str], *, quiet: bool = False) -> None:
    """Do of a run what is not done yet.

    Parameters
    ----------
    config : RunConfig
    command : sequence of str
        The words of the command that asks for it, for ``config.json``.
    quiet : bool
        Show no progress.

    Raises
    ------
    longsong.errors.LongsongError, streams.StreamsError
        As `longsong.training.train` and `longsong.generated.generate_into`.
    KeyboardInterrupt
        Stopped; started again, it goes on.
    """
    folder = _train(config, command, quiet)
    run = load_run(folder)
    if not is_generated(folder, run.epoch):
        generate_into(run, quiet=quiet)
    with Progress("judging", None, "runs", quiet=quiet):
        judge_run(run)
    (folder / LOG).unlink(missing_ok=True)  # of an earlier start that failed


def _train(config: RunConfig, command: Sequence[str], quiet: bool) -> Path:
    until = time.monotonic() + _SECONDS_FOR_ANOTHER
    while True:
        try:
            return train(config, command=command, quiet=quiet)
        except BusyError:
            if time.monotonic() > until:
                raise
            time.sleep(1.0)
