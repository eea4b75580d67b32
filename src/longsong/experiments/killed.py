"""A run that is really killed: in a process of its own, once an epoch's checkpoint is on the disk."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection

from longsong.config import RunConfig
from longsong.errors import LongsongError, RunError
from longsong.training import train

__all__ = ["train_until_killed"]

_REACHED = b""


def train_until_killed(
    config: RunConfig, epochs: int, *, command: Sequence[str] = (), quiet: bool = False, label: str = "training"
) -> None:
    """Train a run in another process, and kill that after some epochs.

    Nothing of it is left but what is on the disk: the checkpoint at the end of that epoch.

    Parameters
    ----------
    config : RunConfig
        Of a run that has fewer epochs behind it.
    epochs : int
        How many are to be complete.
    command, quiet, label
        As for `longsong.training.train`.

    Raises
    ------
    RunError
        It ended before; with the reason.
    """
    # Not forked: threads of torch do not live through that.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    words = (config, epochs, list(command), quiet, label, there)
    process = context.Process(target=_train_and_wait, args=words, daemon=True)
    process.start()
    there.close()
    try:
        said = here.recv_bytes()
    except EOFError:
        process.join()
        raise RunError(
            f"{config.folder} was to be killed after epoch {epochs}, and its process ended by itself before "
            f"(exit status {process.exitcode}); start again"
        ) from None
    finally:
        process.kill()
        process.join()
        here.close()
    if said != _REACHED:
        raise RunError(said.decode())


def _train_and_wait(
    config: RunConfig, epochs: int, command: list[str], quiet: bool, label: str, told: Connection
) -> None:
    """Train, and wait to be killed at the end of an epoch; what goes wrong is told."""

    def on_epoch(done: int) -> None:
        if done == epochs:
            told.send_bytes(_REACHED)
            threading.Event().wait()

    try:
        train(config, command=command, quiet=quiet, label=label, on_epoch=on_epoch)
        told.send_bytes(f"{config.folder} was complete before epoch {epochs}; remove it and start again".encode())
    except LongsongError as error:
        told.send_bytes(str(error).encode())
