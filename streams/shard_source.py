"""Shards as memory maps: from a folder, or from elsewhere through the local cache."""

from __future__ import annotations

import errno
import mmap
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from streams.errors import DamagedShardError, StorageError, StreamsError
from streams.index import INDEX_NAME, LARGEST_INDEX, Index, parse_index, read_index
from streams.shard import Shard
from streams.storage import is_remote, local_folder, open_storage

if TYPE_CHECKING:
    from streams.cache import ShardCache
    from streams.storage import Storage

__all__ = [
    "REMEDY",
    "CachedSource",
    "FolderSource",
    "MappedShard",
    "NoDescriptorError",
    "ShardSource",
    "check_size",
    "open_shards",
]

REMEDY = "copy it anew or make the shards again"


class NoDescriptorError(StorageError):
    """No more files or maps may be open in this process."""


class MappedShard:
    """A shard that can be read.

    Attributes
    ----------
    data : mmap
        The whole file. What a caller holds of it stays readable after `close`.
    """

    def __init__(self, data: mmap.mmap, close: Callable[[], None] | None = None) -> None:
        self.data = data
        self._close = close

    def close(self) -> None:
        """Let the shard go: it may then be removed from the cache."""
        if self._close is not None:
            self._close()


class ShardSource(Protocol):
    """Where a `Song` has its shards from.

    Attributes
    ----------
    name : str
        Folder or URL, for messages.
    most_shards, most_bytes : int
        What may be open at once, but for one shard that always may.
    shards_at_once : int
        Shards that are certain to be had together.
    """

    name: str
    most_shards: int
    most_bytes: int
    shards_at_once: int

    def read_index(self) -> Index:
        """Read and check the index as it is now."""

    def open(self, shard: Shard, *, wait: bool) -> MappedShard:
        """Map a shard.

        Raises
        ------
        StreamsError
            It is missing, damaged, cannot be reached, or the cache is full; at once if not `wait`.
        """

    def open_as_it_is(self, shard: Shard) -> MappedShard:
        """Map what bears the shard's name at its place now, whatever was verified before: to verify it."""

    def where(self, shard: Shard) -> str:
        """Give the shard's path or URL, for messages."""


class FolderSource:
    """A folder on a disk.

    Parameters
    ----------
    folder : Path
    """

    most_shards = 256  # each holds a file descriptor, of which a process has some 1000
    most_bytes = 1 << 62
    shards_at_once = most_shards

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, str(folder)

    def read_index(self) -> Index:
        """Read and check the index as it is now."""
        return read_index(self.folder)

    def open(self, shard: Shard, *, wait: bool) -> MappedShard:
        """Map a shard; DamagedShardError where it is missing or of another size."""
        return self.open_as_it_is(shard)

    def open_as_it_is(self, shard: Shard) -> MappedShard:
        """Map a shard; DamagedShardError where it is missing or of another size."""
        return MappedShard(_map(self.folder, shard))

    def where(self, shard: Shard) -> str:
        """Give the shard's path."""
        return str(self.folder / shard.name)


class CachedSource:
    """Shards of elsewhere, each brought to the local cache when it is first asked for.

    Parameters
    ----------
    storage : Storage
    cache : ShardCache
        Half of it may be held open: the other half takes what is fetched ahead.
    """

    most_shards = FolderSource.most_shards
    shards_at_once = 1  # others may fill the rest of the cache

    def __init__(self, storage: Storage, cache: ShardCache) -> None:
        self.storage, self.cache, self.name = storage, cache, storage.name
        self.most_bytes = cache.capacity // 2

    def read_index(self) -> Index:
        """Read and check the index as it is now."""
        return parse_index(self.storage.read(INDEX_NAME, LARGEST_INDEX), self.storage.where(INDEX_NAME))

    def open(self, shard: Shard, *, wait: bool) -> MappedShard:
        """Map a shard that the cache has verified, and hold it there until it is closed."""
        cached = self.cache.acquire(self.storage, shard, wait=wait)
        try:
            # Opened a second time, as the kernel knows the file: a map keeps its descriptor, and with that of the
            # cache it would keep the cache's lock, for as long as anybody looks at a sample.
            file = os.open(f"/proc/self/fd/{cached.fileno()}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                data = mmap.mmap(file, shard.bytes, access=mmap.ACCESS_READ)
            finally:
                os.close(file)
        except BaseException:
            cached.close()
            raise
        return MappedShard(data, cached.close)

    def open_as_it_is(self, shard: Shard) -> MappedShard:
        """Fetch the shard past the cache, and map what came."""
        from streams.origin import map_origin

        return MappedShard(map_origin(self.storage, shard))

    def where(self, shard: Shard) -> str:
        """Give the shard's URL."""
        return self.storage.where(shard.name)


def open_shards(where: str | Path, cache: ShardCache | None = None) -> tuple[Index, ShardSource]:
    """Read the index of a folder or URL, and say how its shards are to be had; as `streams.Song.open`."""
    source: ShardSource
    if is_remote(where):
        from streams.cache import ShardCache

        source = CachedSource(open_storage(where), ShardCache() if cache is None else cache)
    else:
        source = FolderSource(local_folder(where))
    index = source.read_index()
    if isinstance(source, CachedSource):
        source.cache.check_holds(max(index.shards, key=lambda shard: shard.bytes))
    return index, source


def check_size(folder: Path, shard: Shard) -> None:
    """Raise `DamagedShardError` unless the shard is in its folder, and has its size."""
    try:
        found = os.stat(f"{folder}/{shard.name}")  # noqa: PTH116 - as for `_map`
    except OSError as error:
        raise _unreadable(folder / shard.name, error) from error
    _check(found, folder, shard)


def _check(found: os.stat_result, folder: Path, shard: Shard) -> None:
    if not stat.S_ISREG(found.st_mode) or found.st_size != shard.bytes:
        raise DamagedShardError(
            f"{folder / shard.name}: has {found.st_size} bytes where the index says {shard.bytes} "
            f"(samples {shard.start} to {shard.stop}); {REMEDY}"
        )


def _map(folder: Path, shard: Shard) -> mmap.mmap:
    """Map a shard of the size that the index says; else `DamagedShardError`.

    By the calls of the operating system: a first mini-batch maps a hundred shards and more.
    """
    try:
        file = os.open(f"{folder}/{shard.name}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            _check(os.fstat(file), folder, shard)
            return mmap.mmap(file, shard.bytes, access=mmap.ACCESS_READ)
        finally:
            os.close(file)
    except (OSError, ValueError) as error:
        raise _unreadable(folder / shard.name, error) from error


def _unreadable(path: Path, error: Exception) -> StreamsError:
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        return NoDescriptorError(
            f"{path}: cannot be opened beside all that is open ({error.strerror}); close other songs, or allow more "
            "(ulimit -n)"
        )
    if isinstance(error, FileNotFoundError):
        return DamagedShardError(f"{path}: missing; {REMEDY}")
    return DamagedShardError(f"{path}: cannot be read ({error}); look at its permissions, or {REMEDY}")
