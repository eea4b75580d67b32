"""Locks on open files (flock), which the kernel lets go of when their process ends, however it ends."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.errors import CacheError

__all__ = ["cache_errors_named", "same_file", "try_lock", "unlock_and_close"]

_REASONS = {
    errno.ENOSPC: "no space left on the disk; free some, or choose another folder for the cache",
    errno.EDQUOT: "the quota of the disk is full; free some, or choose another folder for the cache",
    errno.EACCES: "no permission; choose another folder for the cache",
    errno.EPERM: "no permission; choose another folder for the cache",
    errno.EROFS: "the disk is read-only; choose another folder for the cache",
    errno.EMFILE: "too many open files; raise the limit (ulimit -n)",
    errno.ENFILE: "too many open files on this machine; close some",
    errno.ENOLCK: "its file system has no locks; choose a folder on a local disk for the cache",
    errno.ENOSYS: "its file system has no locks; choose a folder on a local disk for the cache",
    errno.EOPNOTSUPP: "its file system has no locks; choose a folder on a local disk for the cache",
}


def try_lock(file: int, *, exclusive: bool) -> bool:
    """Lock an open file for reading or exclusively, at once or not at all.

    The lock belongs to this opening of the file: two of them in one process exclude each other as well, and a
    forked child shares that of its parent.
    """
    try:
        fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock_and_close(file: int) -> None:
    """Let go of a lock, also where a child that was forked meanwhile holds the file open."""
    try:
        fcntl.flock(file, fcntl.LOCK_UN)
    finally:
        os.close(file)


def same_file(file: int, path: Path) -> bool:
    """Say whether an open file still is the one that bears the name."""
    try:
        there = path.lstat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(file), there)


@contextmanager
def cache_errors_named(path: Path) -> Iterator[None]:
    """Turn what the operating system says into a `CacheError` that names path, reason and remedy."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, f"{error.strerror or error}; look at the folder of the cache")
        raise CacheError(f"{path}: {reason}") from error
