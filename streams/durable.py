"""Files that appear whole or not at all: written beside, synced, renamed."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from streams.errors import WriteError

__all__ = ["sync_folder", "write_durably", "write_errors_named"]


def write_durably(path: Path, data: bytes) -> None:
    """Write a file under a hidden name beside `path`, sync it, give it its name, and sync the folder.

    Raises
    ------
    OSError
        What the operating system says; then nothing is left beside `path`, which is what it was.
    """
    beside = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync_folder(path.parent)
    finally:
        with suppress(OSError):  # renamed by now, or never made
            beside.unlink()


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def write_errors_named(folder: Path) -> Iterator[None]:
    """Turn what the operating system says into a `WriteError` that names folder, reason and remedy."""
    try:
        yield
    except OSError as error:
        raise WriteError(f"{folder}: {_reason(error, folder)}") from error


def _reason(error: OSError, folder: Path) -> str:
    """Say what stood in the way, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        free = _free_bytes(folder)
        return f"no space left for the shards ({free} bytes free); free some or choose another folder"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "no permission to write here; choose another folder"
    return f"cannot be written ({error.strerror or error}); choose another folder"


def _free_bytes(folder: Path) -> int:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free
