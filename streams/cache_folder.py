"""The folder of the cache: which files are in it, who reads them, and what has to leave.

::

    <sha256>.shard         a whole shard; locked shared by who reads it
    <sha256>.<bytes>.part  the beginning of one; locked exclusively by who fetches it
    .lock                  locked while names come and go

All files are named by the sha256 of the shard, so that two songs share what they have in common, and nothing of a
URL is in a name. Locks are on the files themselves (`streams.file_locks`); names are made, changed and removed only
by who holds ``.lock``, for moments, and who holds it waits for no other lock. So no circle of waiting can be.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streams.download import digest_of
from streams.errors import CacheError
from streams.file_locks import cache_errors_named, same_file, try_lock, unlock_and_close

if TYPE_CHECKING:
    from streams.shard import Shard

__all__ = ["CacheFolder", "NoRoomError"]

_NAME = re.compile(r"[0-9a-f]{64}(\.shard|\.(\d{1,19})\.part)")
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_LOCK_SECONDS = 60.0


class NoRoomError(CacheError):
    """All that would have to leave the cache is being read or fetched."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file of the cache: `bytes` are those that it may have at most, as long as it is being fetched."""

    path: Path
    bytes: int
    used: int
    in_use: bool


class CacheFolder:
    """The files of the cache.

    Parameters
    ----------
    path : Path
        The folder; made where it is not there.
    capacity : int
        Bytes of all files together.
    """

    def __init__(self, path: Path, capacity: int) -> None:
        self.path, self.capacity = path, capacity

    def whole_path(self, shard: Shard) -> Path:
        """Give the place of a whole shard."""
        return self.path / f"{shard.sha256}.shard"

    def part_path(self, shard: Shard) -> Path:
        """Give the place of one that is being fetched."""
        return self.path / f"{shard.sha256}.{shard.bytes}.part"

    def part_size(self, shard: Shard) -> int:
        """Give how much of a shard was fetched so far, by whoever does it."""
        try:
            return self.part_path(shard).stat().st_size
        except OSError:
            return 0

    def has(self, shard: Shard) -> bool:
        """Say whether there is a file of the right size; counts as a use of it."""
        path = self.whole_path(shard)
        with suppress(OSError):
            if path.lstat().st_size == shard.bytes:
                os.utime(path)
                return True
        return False

    def open_whole(self, shard: Shard) -> int | None:
        """Open a shard that is here and compare it with its sha256; what is altered is removed.

        Returns
        -------
        int or None
            Descriptor, locked shared; None where there is no such shard, or not for this moment.

        Raises
        ------
        CacheError
            The operating system is against it.
        """
        path = self.whole_path(shard)
        with cache_errors_named(path):
            try:
                file = os.open(path, os.O_RDONLY | _FLAGS)
            except FileNotFoundError:
                return None
            try:
                if try_lock(file, exclusive=False) and same_file(file, path):
                    if _is_intact(file, shard, path):
                        with suppress(OSError):  # another user's file
                            os.utime(file)
                        return file
                    with self._names():
                        if same_file(file, path):
                            path.unlink()
            except BaseException:
                os.close(file)
                raise
            os.close(file)
            return None

    def reserve(self, shard: Shard) -> int | None:
        """Make room for a shard and open its beginning, which may be empty.

        Returns
        -------
        int or None
            Descriptor, locked exclusively; None where the shard came meanwhile, or another one fetches it.

        Raises
        ------
        NoRoomError
            There is none to make.
        CacheError
            The operating system is against it.
        """
        path = self.part_path(shard)
        with cache_errors_named(path), self._names():
            if self.whole_path(shard).exists():
                return None
            file = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
            try:
                if not try_lock(file, exclusive=True):
                    os.close(file)
                    return None
                self._make_room(shard, path)
            except NoRoomError:
                if os.fstat(file).st_size == 0:
                    path.unlink()
                unlock_and_close(file)
                raise
            except BaseException:
                unlock_and_close(file)
                raise
            return file

    def complete(self, file: int, shard: Shard) -> int:
        """Give the shard that `reserve` opened, now whole, its name.

        Returns
        -------
        int
            Descriptor, open for reading and locked shared; `file` is closed.
        """
        path = self.whole_path(shard)
        with cache_errors_named(path), self._names():
            try:
                self.part_path(shard).replace(path)
            finally:
                unlock_and_close(file)
            # No one removes it meanwhile: that takes the lock held here.
            whole = os.open(path, os.O_RDONLY | _FLAGS)
            if not try_lock(whole, exclusive=False):
                os.close(whole)
                raise CacheError(f"{path}: locked by another program; give the cache a folder of its own")
            return whole

    def abandon(self, file: int, shard: Shard) -> None:
        """Let go of the shard that `reserve` opened; what came of it stays, for the next one to go on from."""
        try:
            if os.fstat(file).st_size == 0:
                with suppress(OSError, CacheError), self._names():
                    self.part_path(shard).unlink()
        finally:
            unlock_and_close(file)

    def shrink(self) -> None:
        """Remove what is over the capacity, as far as no one uses it."""
        with cache_errors_named(self.path), self._names():
            self._remove(self._entries(), self.capacity)

    def _make_room(self, shard: Shard, own: Path) -> None:
        entries = [entry for entry in self._entries() if entry.path != own]
        in_use = sum(entry.bytes for entry in entries if entry.in_use)
        if in_use + shard.bytes > self.capacity or not self._remove(entries, self.capacity - shard.bytes):
            raise NoRoomError(
                f"{self.path}: no room for the {shard.bytes} bytes of {shard.name}: {in_use} of {self.capacity} bytes "
                "are being read or fetched; give a larger --cache-bytes, or fewer programs that share this cache"
            )

    def _entries(self) -> list[_Entry]:
        """Give the files of the cache, and none that are someone else's; the least recently used first."""
        entries = []
        with os.scandir(self.path) as files:
            for file in files:
                if not (name := _NAME.fullmatch(file.name)):
                    continue
                with suppress(FileNotFoundError):
                    found = file.stat(follow_symlinks=False)
                    if stat.S_ISREG(found.st_mode):
                        path = Path(file.path)
                        in_use = _is_in_use(path)
                        # A file that is being fetched grows to this size, and has it for certain.
                        due = max(found.st_size, int(name[2])) if name[2] and in_use else found.st_size
                        entries.append(_Entry(path, due, found.st_mtime_ns, in_use))
        return sorted(entries, key=lambda entry: entry.used)

    def _remove(self, entries: list[_Entry], at_most: int) -> bool:
        """Remove files, the least recently used first, until `at_most` bytes are left; say whether that went."""
        left = sum(entry.bytes for entry in entries)
        for entry in entries:
            if left <= at_most:
                break
            if _removed(entry.path):
                left -= entry.bytes
        return left <= at_most

    @contextmanager
    def _names(self) -> Iterator[None]:
        """Hold the lock without which no name comes or goes."""
        path = self.path / ".lock"
        until = time.monotonic() + _LOCK_SECONDS
        while True:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
            try:
                if held := try_lock(file, exclusive=True) and same_file(file, path):
                    yield
            finally:
                unlock_and_close(file)
            if held:
                return
            if time.monotonic() > until:
                raise CacheError(f"{path}: held by another program for {_LOCK_SECONDS:g} s; end that program")
            time.sleep(0.002)


def _is_intact(file: int, shard: Shard, path: Path) -> bool:
    if os.fstat(file).st_size != shard.bytes:
        return False
    return digest_of(file, shard.bytes, path).hexdigest() == shard.sha256


def _is_in_use(path: Path) -> bool:
    """Say whether a file is read or fetched by anyone; who asks holds the lock of the names."""
    try:
        file = os.open(path, os.O_RDWR | _FLAGS)
    except FileNotFoundError:
        return False
    except PermissionError:
        return True  # another user's: not ours to remove
    try:
        return not try_lock(file, exclusive=True)
    finally:
        unlock_and_close(file)


def _removed(path: Path) -> bool:
    """Remove a file unless someone uses it, which may have begun after it was looked at."""
    try:
        file = os.open(path, os.O_RDWR | _FLAGS)
    except OSError:
        return False
    try:
        if not try_lock(file, exclusive=True):
            return False
        path.unlink()
        return True
    finally:
        unlock_and_close(file)
