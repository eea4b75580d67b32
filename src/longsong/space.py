"""Whether there is room on the disk: asked before long work begins, so that it need not fail at its end."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from longsong.errors import SpaceError
from longsong.units import human_bytes

__all__ = ["bytes_of", "fits", "free_bytes", "require_space"]

_SPARE = 16 << 20  # left to others, in bytes


def free_bytes(path: Path) -> int:
    """Give the bytes that may still be written where `path` is or would be."""
    there = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free


def bytes_of(path: Path) -> int:
    """Give what a file, or a folder with all in it, takes; links count as themselves, and what is not there as 0."""
    if path.is_dir() and not path.is_symlink():
        return sum(_size(Path(parent) / name) for parent, _, names in os.walk(path) for name in names)
    return _size(path)


def _size(path: Path) -> int:
    with suppress(OSError):  # gone meanwhile
        return path.lstat().st_size
    return 0


def fits(path: Path, needed: int) -> bool:
    """Say whether `needed` bytes, and a little more, fit on the disk of `path`."""
    return needed + _SPARE <= free_bytes(path)


def require_space(path: Path, needed: int) -> None:
    """Raise unless `needed` bytes, and a little more, fit on the disk of `path`.

    Parameters
    ----------
    path : Path
        A file or folder to be written; it need not be there yet.
    needed : int
        Bytes that it will have.

    Raises
    ------
    SpaceError
        With the bytes needed and free.
    """
    if not fits(path, needed):
        free = free_bytes(path)
        raise SpaceError(
            f"{path} needs {human_bytes(needed)} ({needed:,} bytes), and {human_bytes(free)} "
            f"({free:,} bytes) are free there, of which {human_bytes(_SPARE)} are left alone; "
            "free some space, or write it to another disk"
        )
