"""The local cache of shards that live elsewhere: bounded, verified, shared by several processes."""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from streams.cache_folder import CacheFolder, NoRoomError
from streams.checks import whole
from streams.download import Progress, download
from streams.errors import CacheError
from streams.retries import Patience, Retries

if TYPE_CHECKING:
    from streams.shard import Shard
    from streams.storage import Storage

__all__ = ["DEFAULT_CAPACITY", "CachedShard", "NoRoomError", "ShardCache", "default_folder"]

DEFAULT_CAPACITY = 16 << 30
"""Bytes: a song of 100 hours at 16 kHz has 11.5 x 10^9."""


def default_folder() -> Path:
    """Give ``$XDG_CACHE_HOME/longsong``, or ``~/.cache/longsong`` where it is not set or, as XDG says, relative."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "longsong"


@dataclass(slots=True)
class _Held:
    """A shard that this process reads: its descriptor, locked shared, and how many `CachedShard` there are of it."""

    file: int
    readers: int


class ShardCache:
    """Shards of any songs, on a local disk, up to so many bytes.

    Several threads and processes may use one folder. A shard that is read stays; of the others the least recently
    used leaves first. One that two want at once is fetched once. A process that is killed leaves nothing locked,
    and what it had fetched is gone on from. A process forked from this one holds what this one held, until both
    have closed it.

    The bound counts the files in the folder: whole shards as they are, those that are being fetched with their
    whole size. Altered files that others still read lose their name at once and their bytes when they are closed.

    Parameters
    ----------
    folder : Path, optional
        Made when it is first needed; `default_folder` if not given.
    capacity : int
        Bytes of all files together. Where there are more already, the rest leaves at the first use.
    retries : Retries, optional
        Of one download.
    wait_limit : float
        Seconds that `acquire` waits for room, or for another process that fetches and gets no further.
    on_progress : callable, optional
        Called while a shard is fetched, with its name, bytes that are here, and bytes in all; from any thread. It
        is not taken along when the cache is pickled, as nothing is but what is given here.

    Raises
    ------
    CacheError
        `capacity` is no such number.
    """

    def __init__(
        self,
        folder: Path | None = None,
        capacity: int = DEFAULT_CAPACITY,
        *,
        retries: Retries | None = None,
        wait_limit: float = 300.0,
        on_progress: Progress | None = None,
    ) -> None:
        self.capacity = whole("the capacity of the cache (--cache-bytes)", capacity, CacheError, at_least=1)
        self.folder = (default_folder() if folder is None else Path(folder)).absolute()
        self._retries = Retries() if retries is None else retries
        self._wait_limit, self._on_progress = wait_limit, on_progress
        self._files = CacheFolder(self.folder, self.capacity)
        self._changed = threading.Condition()
        self._held: dict[str, _Held] = {}
        self._fetching: dict[str, int | None] = {}  # sha256 to descriptor of its beginning, once there is one
        self._shrunk = False
        this = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _after_fork(this))

    def __reduce__(self) -> tuple[object, ...]:
        return _make, (self.folder, self.capacity, self._retries, self._wait_limit)

    def __repr__(self) -> str:
        return f"<ShardCache {str(self.folder)!r}: up to {self.capacity} bytes>"

    def acquire(self, storage: Storage, shard: Shard, *, wait: bool = True) -> CachedShard:
        """Give a shard, fetched if need be and known to be what the index means.

        It is compared with its sha256 as it comes in, and again whenever it is acquired while this process has
        none of it open: then another one could have touched it.

        Parameters
        ----------
        storage : Storage
            Where it is fetched from.
        shard : Shard
            Its name, bytes and sha256.
        wait : bool
            Whether to wait for room, where all of the cache is in use.

        Returns
        -------
        CachedShard
            To be closed: until then the shard cannot leave the cache.

        Raises
        ------
        NoRoomError
            All that would have to leave is in use; at once if not `wait`.
        CacheError
            The shard is larger than the cache, the folder cannot be used, or `wait_limit` is over.
        StorageError
            The shard is not to be had.
        DamagedShardError
            Its place holds other bytes, twice.
        """
        self._prepare(shard)
        key = shard.sha256
        with self._changed:
            while key in self._fetching:
                self._changed.wait()
            if held := self._held.get(key):
                held.readers += 1
                return CachedShard(self, shard)
            self._fetching[key] = None
        try:
            file = self._obtain(storage, shard, wait)
        except BaseException:
            self._settle(key)
            raise
        self._settle(key, _Held(file, 1))
        return CachedShard(self, shard)

    def fetch(self, storage: Storage, shard: Shard) -> bool:
        """Bring a shard here ahead of its use, where there is room without touching what is in use.

        Returns
        -------
        bool
            False where there is no room; else it is here, or on its way by another thread or process.

        Raises
        ------
        StreamsError
            As `acquire`, but for `NoRoomError`.
        """
        self._prepare(shard)
        key = shard.sha256
        with self._changed:
            if key in self._fetching or key in self._held:
                return True
            self._fetching[key] = None
        try:
            if not self._files.has(shard) and (part := self._files.reserve(shard)) is not None:
                os.close(self._bring(storage, shard, part))
        except NoRoomError:
            return False
        finally:
            self._settle(key)
        return True

    def check_holds(self, shard: Shard) -> None:
        """Raise `CacheError` where a shard is larger than the cache may be."""
        if shard.bytes > self.capacity:
            raise CacheError(
                f"{self.folder}: {shard.name} has {shard.bytes} bytes, more than the {self.capacity} that the cache "
                f"may have; give --cache-bytes {shard.bytes} or more"
            )

    def _prepare(self, shard: Shard) -> None:
        self.check_holds(shard)
        if not self._shrunk:
            self._files.shrink()
            self._shrunk = True

    def _settle(self, key: str, held: _Held | None = None) -> None:
        """Let the threads go on that wait for a shard."""
        with self._changed:
            del self._fetching[key]
            if held is not None:
                self._held[key] = held
            self._changed.notify_all()

    def _obtain(self, storage: Storage, shard: Shard, wait: bool) -> int:
        """Give the descriptor of a whole shard, locked shared."""
        patience = Patience(self._wait_limit)
        while True:
            if (file := self._files.open_whole(shard)) is not None:
                return file
            try:
                part = self._files.reserve(shard)
            except NoRoomError as error:
                if not wait:
                    raise
                patience.wait(str(error))
            else:
                if part is not None:
                    return self._bring(storage, shard, part)
                path = self._files.part_path(shard)
                fetched = self._files.part_size(shard)
                patience.wait(f"{path}: another process fetches it and gets no further; end that one", fetched)

    def _bring(self, storage: Storage, shard: Shard, part: int) -> int:
        """Fetch a shard into the room reserved for it."""
        self._fetching[shard.sha256] = part
        path = self._files.part_path(shard)
        try:
            download(storage, shard, part, path, retries=self._retries, on_progress=self._on_progress)
        except BaseException:
            self._files.abandon(part, shard)
            raise
        finally:
            self._fetching[shard.sha256] = None
        return self._files.complete(part, shard)

    def _file(self, key: str) -> int:
        with self._changed:
            return self._held[key].file

    def _release(self, key: str) -> None:
        with self._changed:
            held = self._held[key]
            held.readers -= 1
            if held.readers == 0:
                del self._held[key]
                with suppress(OSError):  # another user's file
                    os.utime(held.file)
                # Not unlocked: a child that was forked meanwhile may read on.
                os.close(held.file)


class CachedShard:
    """A shard in the cache that stays there until `close`; a context that closes it.

    Attributes
    ----------
    path : Path
        The file; where others altered the cache by hand it may have another by now than `fileno`, which is right.
    """

    def __init__(self, cache: ShardCache, shard: Shard) -> None:
        self._cache: ShardCache | None = cache
        self._key = shard.sha256
        self.path = cache._files.whole_path(shard)

    def fileno(self) -> int:
        """Give an open descriptor of the file that was verified.

        Raises
        ------
        CacheError
            It is closed.
        """
        if self._cache is None:
            raise CacheError(f"{self.path}: closed; acquire it again")
        return self._cache._file(self._key)

    def close(self) -> None:
        """Let the shard go; again is no harm."""
        cache, self._cache = self._cache, None
        if cache is not None:
            cache._release(self._key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _make(folder: Path, capacity: int, retries: Retries, wait_limit: float) -> ShardCache:
    return ShardCache(folder, capacity, retries=retries, wait_limit=wait_limit)


def _after_fork(this: weakref.ref[ShardCache]) -> None:
    """Free a child from what threads of its parent, which it has not, were about to do."""
    cache = this()
    if cache is None:
        return
    cache._changed = threading.Condition()
    for file in cache._fetching.values():
        if file is not None:
            with suppress(OSError):
                os.close(file)
    cache._fetching = {}
