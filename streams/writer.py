"""From int16 samples to a folder of shards: the same bytes for the same song, whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from streams.checks import whole
from streams.errors import WriteError
from streams.index import ENCODING, INDEX_NAME, Index, Shard
from streams.shard_file import OpenShard
from streams.statistics import Statistics

__all__ = ["ShardWriter"]

_LONGEST_BLOCK = 1 << 30
"""Samples; twice as many bytes stay well below the 8 GiB that a tar header can say without extensions."""

_partial_here: set[Path] = set()
"""Folders that writers of this process are filling: what else bears its number is of a dead process."""


class ShardWriter:
    """Write a song as shards (docs/shards.md), in memory that does not grow with its length.

    Use it in a ``with`` statement. The shards are written to a hidden folder beside `folder`; it is synced
    and gets its name when the block ends, and is removed if the block raises, KeyboardInterrupt included.
    What a killed process left is removed by the next writer of the same folder.

    Parameters
    ----------
    folder : Path
        Where the shards shall be; it must not exist, or be empty.
    sample_rate : int
        In Hz.
    source : list of dict
        Where the samples came from; may be set until the block ends.
    made_by : dict
        Command and versions that make the shards; may be set until the block ends. For the same bytes each
        time, neither holds a date.
    block_samples : int
        Samples of a member.
    blocks_per_shard : int
        Members of a shard.

    Raises
    ------
    WriteError
        `folder` is in use or cannot be made, or a number cannot be; from `write` and at the end of the block:
        no space, no permission, samples that are not int16, no samples at all.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sample_rate: int,
        source: list[dict[str, Any]],
        made_by: dict[str, Any],
        block_samples: int = 2**20,
        blocks_per_shard: int = 64,
    ) -> None:
        self.folder = Path(folder).resolve()
        self.sample_rate = whole("sample_rate", sample_rate, WriteError, at_least=1)
        self.source, self.made_by = source, made_by
        self._block_samples = whole("block_samples", block_samples, WriteError, at_least=1, at_most=_LONGEST_BLOCK)
        self._blocks_per_shard = whole("blocks_per_shard", blocks_per_shard, WriteError, at_least=1)
        self._shard: OpenShard | None = None
        self._shards: list[Shard] = []
        self._samples = self._filled = 0
        self._digest = hashlib.sha256()
        self._statistics: Statistics | None = None
        with self._errors_named():
            if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
                raise WriteError(f"{self.folder}: exists and is not empty; remove it or choose another folder")
        self._partial = self.folder.with_name(f".{self.folder.name}.partial-{os.getpid()}")

    def __enter__(self) -> Self:
        if self._partial in _partial_here:
            raise WriteError(f"{self.folder}: is being written by this process; choose another folder")
        with self._errors_named():
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            _remove_stale(self.folder)
            self._partial.mkdir()
        _partial_here.add(self._partial)
        self._block = np.empty(self._block_samples, dtype="<i2")
        return self

    def write(self, samples: npt.NDArray[np.int16]) -> None:
        """Append samples, shape (n,), int16; any n, also 0.

        Raises
        ------
        WriteError
            Another type or shape; no space; no permission; not within a ``with`` statement.
        """
        if self._partial not in _partial_here:
            raise WriteError(f"{self.folder}: not open; write within `with ShardWriter(...) as writer:`")
        if samples.dtype.newbyteorder("=") != np.int16 or samples.ndim != 1:
            raise WriteError(f"samples are {samples.dtype} of shape {samples.shape}: give int16 of one dimension")
        at = 0
        while at < len(samples):
            taken = min(len(samples) - at, self._block_samples - self._filled)
            self._block[self._filled : self._filled + taken] = samples[at : at + taken]
            self._filled += taken
            at += taken
            if self._filled == self._block_samples:
                self._write_block()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            if self._shard is not None:
                self._shard.abandon()
            shutil.rmtree(self._partial, ignore_errors=True)
            _partial_here.discard(self._partial)

    def _write_block(self) -> None:
        samples = self._block[: self._filled]
        statistics = Statistics.of(samples)
        self._statistics = statistics if self._statistics is None else self._statistics + statistics
        self._digest.update(samples.data)
        with self._errors_named():
            if self._shard is None:
                self._shard = OpenShard(self._partial / f"song-{len(self._shards):06d}.tar", self._samples)
            number = self._samples // self._block_samples
            self._shard.write(f"{number:09d}", samples, self.sample_rate)
            self._samples += self._filled
            self._filled = 0
            if self._shard.blocks == self._blocks_per_shard:
                self._close_shard(self._shard)

    def _close_shard(self, shard: OpenShard) -> None:
        self._shards.append(shard.close())
        self._shard = None

    def _finish(self) -> None:
        if self._filled:
            self._write_block()
        if self._statistics is None:
            raise WriteError(f"{self.folder}: the song has no samples; give one that has")
        with self._errors_named():
            if self._shard is not None:
                self._close_shard(self._shard)
            data = self._index(self._statistics)
            with (self._partial / INDEX_NAME).open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            _sync_folder(self._partial)
            self._partial.rename(self.folder)
            _sync_folder(self.folder.parent)

    def _index(self, statistics: Statistics) -> bytes:
        index = Index(
            sample_rate=self.sample_rate,
            samples=self._samples,
            digest=self._digest.hexdigest(),
            statistics=statistics,
            block_samples=self._block_samples,
            encoding=ENCODING,
            shards=tuple(self._shards),
            source=self.source,
            made_by=self.made_by,
        )
        try:
            return index.to_bytes()
        except (TypeError, ValueError) as error:
            raise WriteError(f"source and made_by have to be plain JSON: {error}") from error

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        """Turn what the operating system says into a WriteError that names path, reason and remedy."""
        try:
            yield
        except OSError as error:
            raise WriteError(f"{self.folder}: {_reason(error, self.folder)}") from error


def _sync_folder(folder: Path) -> None:
    """Make the names in `folder` last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_stale(folder: Path) -> None:
    """Remove what dead processes left of `folder`."""
    pattern = re.compile(rf"\.{re.escape(folder.name)}\.partial-(\d{{1,9}})")
    for path in folder.parent.iterdir():
        match = pattern.fullmatch(path.name)
        if match and not _alive(int(match[1])) and path not in _partial_here:
            shutil.rmtree(path, ignore_errors=True)


def _alive(process: int) -> bool:
    """Tell whether another process of this number runs."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


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
