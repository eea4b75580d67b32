"""Folders for work that is kept elsewhere; what a killed process left of them is removed by the next."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from longsong.errors import SpaceError
from longsong.files import os_errors_named
from streams.file_locks import try_lock, unlock_and_close

__all__ = ["scratch_folder"]


@contextmanager
def scratch_folder(root: Path | None = None) -> Iterator[Path]:
    """Give a folder that nobody else has, and remove it after.

    Parameters
    ----------
    root : Path or None
        Where; None for a folder of this user's beside other temporary ones.

    Raises
    ------
    SpaceError
        It cannot be made, or `root` belongs to another user.
    """
    root = root or Path(tempfile.gettempdir()) / f"longsong-{os.getuid()}"
    with os_errors_named(root):
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if root.is_symlink() or root.stat().st_uid != os.getuid():
            raise SpaceError(f"{root} belongs to another user; remove it, or set TMPDIR to another folder")
        _remove_left(root)
        folder = Path(tempfile.mkdtemp(dir=root))
        lock = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks: nothing is removed there
            try_lock(lock, exclusive=True)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        unlock_and_close(lock)


def _remove_left(root: Path) -> None:
    """Remove folders whose process has ended, but for those that are being made."""
    for folder in root.iterdir():
        with suppress(OSError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if any(folder.iterdir()) and try_lock(lock, exclusive=True):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
