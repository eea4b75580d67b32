"""A shard as its place has it now, whatever that is: to say what is wrong with it."""

from __future__ import annotations

import mmap
import tempfile
from typing import IO

from streams.download import WORTH
from streams.errors import DamagedShardError, StorageError
from streams.retries import RetryableError
from streams.shard import Shard
from streams.storage import Storage

__all__ = ["map_origin"]


def map_origin(storage: Storage, shard: Shard) -> mmap.mmap:
    """Fetch a shard past the cache, and map it from a file that goes with the map.

    Raises
    ------
    DamagedShardError
        It has another size than the index says.
    StorageError
        Not there, not allowed, or not to be had after all attempts; no room for it in the temporary folder.
    """
    try:
        with tempfile.TemporaryFile() as file:
            _fetch(storage, shard, file)
            file.flush()
            return mmap.mmap(file.fileno(), shard.bytes, access=mmap.ACCESS_READ)
    except OSError as error:
        raise StorageError(
            f"{tempfile.gettempdir()}: cannot hold the {shard.bytes} bytes of {shard.name} for a while "
            f"({error.strerror or error}); set TMPDIR to a folder with room"
        ) from error


def _fetch(storage: Storage, shard: Shard, file: IO[bytes]) -> None:
    failures = furthest = 0
    while True:
        try:
            _continue(storage, shard, file)
            return
        except RetryableError as error:
            size = file.seek(0, 2)
            failures = 1 if size >= furthest + WORTH else failures + 1
            furthest = max(furthest, size)
            storage.retries.wait(failures, error)


def _continue(storage: Storage, shard: Shard, file: IO[bytes]) -> None:
    """Fetch what is left, once."""
    size = file.seek(0, 2)
    with storage.stream(shard.name, size) as incoming:
        if incoming.start != size:
            size = incoming.start
            file.seek(size)
            file.truncate()
        for chunk in incoming:
            size += len(chunk)
            if size > shard.bytes:
                break
            file.write(chunk)
    # A connection that broke raises in between: a file that ends is as long as it is.
    if size != shard.bytes:
        found = f"more than {shard.bytes}" if size > shard.bytes else str(size)
        raise DamagedShardError(
            f"{storage.where(shard.name)}: has {found} bytes where the index says {shard.bytes} (samples {shard.start} "
            f"to {shard.stop}); copy the shards there anew"
        )
