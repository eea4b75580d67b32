"""One process at a time trains a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from longsong.errors import BusyError
from longsong.files import os_errors_named, remove_parts
from streams.file_locks import try_lock

__all__ = ["is_busy", "only_here"]


@contextmanager
def only_here(run: Path) -> Iterator[None]:
    """Train a run in this block, and nowhere else; what a killed process left half-written is removed.

    The lock is on the folder itself, and ends with its process, however that ends. Where a file system has no locks
    there is none.

    Raises
    ------
    BusyError
        Another process trains it.
    """
    with os_errors_named(run):
        folder = os.open(run, os.O_RDONLY)
    try:
        try:
            mine = try_lock(folder, exclusive=True)
        except OSError:
            mine = True
        if not mine:
            raise BusyError(f"{run} is being trained by another process; wait for that, or give another --out")
        for place in (run, run / "checkpoints"):
            remove_parts(place)
        yield
    finally:
        os.close(folder)


def is_busy(run: Path) -> bool:
    """Say whether a process trains a run now; never, where a file system has no locks."""
    try:
        folder = os.open(run, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not try_lock(folder, exclusive=False)
    except OSError:
        return False
    finally:
        os.close(folder)
