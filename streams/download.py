"""One shard fetched: with retries, from where it broke off, and compared with its sha256 as it comes in."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from streams.errors import DamagedShardError
from streams.file_locks import cache_errors_named
from streams.retries import Retries, RetryableError

if TYPE_CHECKING:
    from streams.shard import Shard
    from streams.storage import Storage

__all__ = ["WORTH", "Progress", "digest_of", "download"]

Progress = Callable[[str, int, int], object]
"""Told name, bytes that are here, and bytes in all."""

_CHUNK = 1 << 20
WORTH = 1 << 20
"""Bytes gained by an attempt that make it a success of its own: attempts are counted anew."""


class _WrongBytesError(Exception):
    """What came is not the shard; says what came."""


class _Part:
    """A shard as far as it is here, with the digest of it so far."""

    def __init__(self, file: int, path: Path, shard: Shard) -> None:
        self._file, self._path, self._most = file, path, shard.bytes
        with cache_errors_named(path):
            size = os.fstat(file).st_size
        if size > self._most:
            self.restart()
        else:
            self.size, self.digest = size, digest_of(file, size, path)

    def restart(self) -> None:
        """Forget all that is here."""
        with cache_errors_named(self._path):
            os.ftruncate(self._file, 0)
        self.size, self.digest = 0, hashlib.sha256()

    def append(self, chunk: bytes) -> None:
        """Write what came next."""
        if self.size + len(chunk) > self._most:
            raise _WrongBytesError("more bytes than that")
        left = memoryview(chunk)
        with cache_errors_named(self._path):
            while left:
                left = left[os.pwrite(self._file, left, self.size + len(chunk) - len(left)) :]
        self.digest.update(chunk)
        self.size += len(chunk)

    def sync(self) -> None:
        """Wait until the disk has it."""
        with cache_errors_named(self._path):
            os.fsync(self._file)


def download(
    storage: Storage, shard: Shard, file: int, path: Path, *, retries: Retries, on_progress: Progress | None = None
) -> None:
    """Bring the rest of a shard into a file that holds its beginning, or nothing.

    What comes in and is not the shard is thrown away and fetched once more from its first byte. An attempt that
    brings 1 MiB more than there ever was counts as the first again. However this ends, what is here stays in the
    file, for the next one to go on from.

    Parameters
    ----------
    storage : Storage
        Where it lives.
    shard : Shard
        Its name, bytes and sha256.
    file : int
        Descriptor of the file, open for reading and writing, and of no one else's concern meanwhile.
    path : Path
        Of that file, for messages.
    retries : Retries
        Attempts and pauses.
    on_progress : callable, optional
        Called with name, bytes that are here, and bytes in all, whenever some come in.

    Raises
    ------
    DamagedShardError
        The place holds other bytes than the index says; they came twice.
    StorageError
        Not there, not allowed, or not to be had after all attempts.
    CacheError
        The file cannot be written.
    """
    part = _Part(file, path, shard)
    furthest, failures, wrong = part.size, 0, 0
    while True:
        try:
            _attempt(storage, shard, part, on_progress)
        except RetryableError as error:
            failures = 1 if part.size >= furthest + WORTH else failures + 1
            furthest = max(furthest, part.size)
            retries.wait(failures, error)
        except _WrongBytesError as found:
            part.restart()
            wrong += 1
            if wrong > 1:
                raise DamagedShardError(
                    f"{storage.where(shard.name)}: not the shard that the index means, twice: {shard.bytes} bytes of "
                    f"sha256 {shard.sha256} are due, {found} came; copy the shards there anew"
                ) from None
        else:
            part.sync()
            return


def _attempt(storage: Storage, shard: Shard, part: _Part, on_progress: Progress | None) -> None:
    """Fetch what is left, once."""
    if part.size < shard.bytes:
        with storage.stream(shard.name, part.size) as incoming:
            if incoming.start != part.size:
                part.restart()
            if incoming.total not in (None, shard.bytes):
                raise _WrongBytesError(f"a file of {incoming.total} bytes")
            for chunk in incoming:
                part.append(chunk)
                if on_progress is not None:
                    on_progress(shard.name, part.size, shard.bytes)
    if part.size < shard.bytes:
        raise RetryableError(f"{storage.where(shard.name)}: ended after {part.size} of {shard.bytes} bytes")
    if part.digest.hexdigest() != shard.sha256:
        raise _WrongBytesError(f"sha256 {part.digest.hexdigest()}")


def digest_of(file: int, size: int, path: Path) -> hashlib._Hash:
    """Give the sha256 of the first `size` bytes of an open file, to go on with.

    Raises
    ------
    CacheError
        It cannot be read.
    """
    digest, at = hashlib.sha256(), 0
    with cache_errors_named(path):
        while at < size and (chunk := os.pread(file, min(_CHUNK, size - at), at)):
            digest.update(chunk)
            at += len(chunk)
    return digest
