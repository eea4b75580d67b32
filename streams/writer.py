"""From int16 samples to a folder of shards: the same bytes for the same song, whole or not at all."""

from __future__ import annotations

import os
import re
import reprlib
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from streams.checks import whole
from streams.durable import sync_folder, write_durably, write_errors_named
from streams.errors import WriteError
from streams.flac import check_sample_rate
from streams.index import INDEX_NAME, LARGEST_INDEX, Index
from streams.shard import LONGEST_BLOCK, Shard
from streams.shard_file import OpenShard
from streams.statistics import Statistics
from streams.tally import Tally

__all__ = ["BLOCKS_PER_SHARD", "BLOCK_SAMPLES", "ShardWriter"]

BLOCK_SAMPLES = 1 << 17
"""256 KiB: little to compare with its digest before the first sample can be given."""

BLOCKS_PER_SHARD = 256
"""64 MiB of samples."""

_ENCODINGS = ("npy", "flac")

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
    encoding : str
        ``npy``: samples as they are; ``flac``: without loss in about half the bytes, at rates that FLAC has.
        The bytes of ``flac`` are the same for the same version of the library that makes them.

    Raises
    ------
    WriteError
        `folder` is in use or cannot be made, or a number or encoding cannot be; from `write` and at the end of the
        block: no space, no permission, samples that are not int16, no samples at all.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sample_rate: int,
        source: list[dict[str, Any]],
        made_by: dict[str, Any],
        block_samples: int = BLOCK_SAMPLES,
        blocks_per_shard: int = BLOCKS_PER_SHARD,
        encoding: str = "npy",
    ) -> None:
        self.folder = Path(folder).resolve()
        self.sample_rate = whole("sample_rate", sample_rate, WriteError, at_least=1)
        self.source, self.made_by = source, made_by
        self._block_samples = whole("block_samples", block_samples, WriteError, at_least=1, at_most=LONGEST_BLOCK)
        self._blocks_per_shard = whole("blocks_per_shard", blocks_per_shard, WriteError, at_least=1)
        if encoding not in _ENCODINGS:
            raise WriteError(f"encoding is {reprlib.repr(encoding)}: give one of {', '.join(_ENCODINGS)}")
        if encoding == "flac":
            check_sample_rate(self.sample_rate)
        self._encoding = encoding
        self._shard: OpenShard | None = None
        self._shards: list[Shard] = []
        self._blocks = self._filled = 0
        self._tally = Tally()
        with write_errors_named(self.folder):
            if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
                raise WriteError(f"{self.folder}: exists and is not empty; remove it or choose another folder")
        self._partial = self.folder.with_name(f".{self.folder.name}.partial-{os.getpid()}")

    def __enter__(self) -> Self:
        if self._partial in _partial_here:
            raise WriteError(f"{self.folder}: is being written by this process; choose another folder")
        with write_errors_named(self.folder):
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
        with write_errors_named(self.folder):
            if self._shard is None:
                path = self._partial / f"song-{len(self._shards):06d}.tar"
                self._shard = OpenShard(path, self._tally.samples, self._blocks, self._encoding, self.sample_rate)
            self._shard.write(samples)
            self._tally.add(samples)
            self._blocks += 1
            self._filled = 0
            if self._shard.blocks == self._blocks_per_shard:
                self._close_shard(self._shard)

    def _close_shard(self, shard: OpenShard) -> None:
        self._shards.append(shard.close())
        self._shard = None

    def _finish(self) -> None:
        if self._filled:
            self._write_block()
        statistics = self._tally.statistics
        if statistics is None:
            raise WriteError(f"{self.folder}: the song has no samples; give one that has")
        with write_errors_named(self.folder):
            if self._shard is not None:
                self._close_shard(self._shard)
            write_durably(self._partial / INDEX_NAME, self._index(statistics))
            self._partial.rename(self.folder)
            sync_folder(self.folder.parent)

    def _index(self, statistics: Statistics) -> bytes:
        index = Index(
            sample_rate=self.sample_rate,
            samples=self._tally.samples,
            digest=self._tally.digest,
            statistics=statistics,
            block_samples=self._block_samples,
            encoding=self._encoding,
            shards=tuple(self._shards),
            source=self.source,
            made_by=self.made_by,
        )
        try:
            data = index.to_bytes()
        except (TypeError, ValueError) as error:
            raise WriteError(f"source and made_by have to be plain JSON: {error}") from error
        if len(data) > LARGEST_INDEX:
            raise WriteError(
                f"{self.folder}: an index of {len(data)} bytes, which no reader reads; take longer blocks than "
                f"{self._block_samples} samples"
            )
        return data


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
