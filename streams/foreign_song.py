"""What tars that someone else wrote hold of a song, found by reading each of them once."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.checks import whole
from streams.checksum import Checksum, checksum
from streams.errors import DamagedShardError, ForeignShardError
from streams.flac import decode, stream_info
from streams.foreign_audio import npy_samples, wav_samples
from streams.index import Index
from streams.shard import BYTES_PER_SAMPLE, ENCODINGS, LONGEST_BLOCK, Shard, column
from streams.tally import Tally
from streams.tar_reader import TarEntry, TarReader

__all__ = ["ForeignSong"]

LARGEST_RATE = 2**63 - 1
"""Hz; what an index can say."""

_PIECE = 1 << 20
"""Bytes; an even number, so that it holds whole samples."""

_LARGEST_SIDECAR = 1 << 24
_PLACE = ("start", "samples", "sample_rate")
"""What a .json beside a member may say of it, as docs/shards.md has it."""

_Refuse = Callable[[str], ForeignShardError]


@dataclass(slots=True)
class _Block:
    """A member of the song, and what it says of its rate."""

    entry: TarEntry
    start: int
    samples: int
    offset: int
    bytes: int
    check: str
    sample_rate: int | None


class ForeignSong:
    """What is known of the song after the tars that were added.

    Parameters
    ----------
    sample_rate : int or None
        In Hz, if it was said beforehand.
    progress : callable or None
        Called with the number of samples that were read so far.

    Raises
    ------
    ForeignShardError
        From each method: tar and member, and what is wrong with them.
    """

    def __init__(self, sample_rate: int | None, progress: Callable[[int], None] | None) -> None:
        self._progress = progress
        self._sample_rate = sample_rate
        self._rate_said_by = "sample_rate"
        self._encoding: str | None = None
        self._members = self._longest = 0
        self._shards: list[Shard] = []
        self._tally = Tally()

    def add(self, path: Path) -> None:
        """Read a whole tar."""
        blocks: dict[str, _Block] = {}
        sidecars: dict[str, dict[str, Any]] = {}
        names: set[str] = set()
        start = self._tally.samples
        with TarReader(path) as tar:
            for entry in tar:
                where = f"{path}: {entry.name}"
                if entry.name in names:
                    raise ForeignShardError(f"{where}: stands twice in the tar; keep one of them")
                names.add(entry.name)
                key, kind = _key_and_kind(entry.name)
                if key is None:
                    continue
                if kind in ENCODINGS:
                    if key in blocks:
                        raise ForeignShardError(
                            f"{where}: {blocks[key].entry.name} has the same key; a song is one channel of one kind"
                        )
                    blocks[key] = self._block(tar, entry, kind, where)
                elif kind == "json":
                    sidecars[key] = sidecars.get(key, {}) | _place(tar, entry, where)
        if not blocks:
            raise ForeignShardError(f"{path}: holds no .npy, .wav or .flac; take it out of the folder")
        for key, block in blocks.items():
            self._compare(f"{path}: {block.entry.name}", block, sidecars.get(key, {}))
        self._shards.append(self._shard(path, tar, start, list(blocks.values())))
        self._members += len(blocks)

    def index(self, folder: Path, made_by: dict[str, Any]) -> Index:
        """Give the index of all tars."""
        statistics = self._tally.statistics
        if statistics is None or self._encoding is None:
            raise ForeignShardError(f"{folder}: has no samples")
        if self._sample_rate is None:
            raise ForeignShardError(f"{folder}: nothing says how many samples a second has; give --sample-rate")
        source = {
            "name": folder.resolve().name,
            "format": f"{self._encoding} in tars",
            "sample_rate": self._sample_rate,
            "channels": 1,
            "start": 0,
            "samples": self._tally.samples,
        }
        return Index(
            sample_rate=self._sample_rate,
            samples=self._tally.samples,
            digest=self._tally.digest,
            statistics=statistics,
            block_samples=self._longest,
            encoding=self._encoding,
            shards=tuple(self._shards),
            source=[source],
            made_by=made_by,
        )

    def _block(self, tar: TarReader, entry: TarEntry, encoding: str, where: str) -> _Block:
        """Read a member of the song."""
        self._encoding = self._encoding or encoding
        if encoding != self._encoding:
            raise ForeignShardError(f"{where}: blocks before it are .{self._encoding}; have all of one kind")
        start = self._tally.samples
        read = self._flac if encoding == "flac" else self._raw
        block = read(tar, entry, start, lambda what: ForeignShardError(f"{where}: {what}"))
        self._longest = max(self._longest, block.samples)
        return block

    def _raw(self, tar: TarReader, entry: TarEntry, start: int, refuse: _Refuse) -> _Block:
        """Read a member that stores its samples as they are, a piece at a time."""
        sample_rate = None
        if _key_and_kind(entry.name)[1] == "wav":
            samples, sample_rate = wav_samples(tar, refuse)
        else:
            samples = npy_samples(tar, refuse)
        _check_length(samples, refuse)
        offset, left = tar.offset, BYTES_PER_SAMPLE * samples
        if offset % BYTES_PER_SAMPLE:
            raise refuse("its samples begin at an odd byte; write it anew with numpy.save")
        digest = Checksum()
        while left:
            data = tar.read(min(left, _PIECE))
            left -= len(data)
            digest.update(data)
            self._count(np.frombuffer(data, dtype="<i2"))
        return _Block(entry, start, samples, offset, BYTES_PER_SAMPLE * samples, digest.hexdigest(), sample_rate)

    def _flac(self, tar: TarReader, entry: TarEntry, start: int, refuse: _Refuse) -> _Block:
        """Read a member that is a FLAC file."""
        if entry.bytes > BYTES_PER_SAMPLE * LONGEST_BLOCK:
            raise refuse(f"{entry.bytes} bytes of FLAC; cut it into members of up to {LONGEST_BLOCK} samples")
        data = tar.read(entry.bytes)
        try:
            info = stream_info(data, entry.name)
            if (info.channels, info.bits) != (1, 16):
                raise refuse(f"{info.channels} channels of {info.bits} bits; write one channel of 16 bits")
            _check_length(info.samples, refuse)
            self._count(decode(data, info.samples, entry.name))
        except DamagedShardError as error:
            raise refuse(str(error).removeprefix(f"{entry.name}: ")) from error
        return _Block(entry, start, info.samples, entry.offset, entry.bytes, checksum(data), info.sample_rate)

    def _count(self, samples: npt.NDArray[np.int16]) -> None:
        self._tally.add(samples)
        if self._progress is not None:
            self._progress(self._tally.samples)

    def _compare(self, where: str, block: _Block, said: dict[str, Any]) -> None:
        """Refuse a member of which another place, or an earlier member, says something else."""
        for key, found in (("start", block.start), ("samples", block.samples)):
            if key in said and (type(said[key]) is not int or said[key] != found):
                raise ForeignShardError(
                    f"{where}: its .json says {key} {reprlib.repr(said[key])}, and it is {found}; are tars missing, "
                    "or their names in another order?"
                )
        if block.sample_rate is not None:
            self._take_rate(block.sample_rate, where)
        if "sample_rate" in said:
            rate = whole(
                f"{where}: 'sample_rate' in its .json",
                said["sample_rate"],
                ForeignShardError,
                at_least=1,
                at_most=LARGEST_RATE,
            )
            self._take_rate(rate, f"{where}, its .json")

    def _take_rate(self, sample_rate: int, where: str) -> None:
        if self._sample_rate is None:
            self._sample_rate, self._rate_said_by = sample_rate, where
        if sample_rate != self._sample_rate:
            raise ForeignShardError(
                f"{where}: {sample_rate} Hz, where {self._rate_said_by} says {self._sample_rate} Hz; "
                "a song has one sample rate"
            )

    def _shard(self, path: Path, tar: TarReader, start: int, blocks: list[_Block]) -> Shard:
        return Shard(
            name=path.name,
            bytes=tar.bytes,
            sha256=tar.sha256,
            start=start,
            samples=self._tally.samples - start,
            offsets=column([block.offset for block in blocks]),
            lengths=column([block.samples for block in blocks]),
            sizes=column([block.bytes for block in blocks]),
            checks="".join(block.check for block in blocks),
            names=tuple(block.entry.name for block in blocks),
            first=self._members,
            encoding=self._encoding or "",
        )


def _key_and_kind(name: str) -> tuple[str | None, str]:
    """Give a member's key, as WebDataset has it, and the last of its endings; no key where it has none."""
    folder, _, last = name.rpartition("/")
    stem, dot, endings = last.partition(".")
    if not stem or not dot:
        return None, ""
    return f"{folder}/{stem}", endings.rpartition(".")[2].lower()


def _check_length(samples: int, refuse: _Refuse) -> None:
    if not 1 <= samples <= LONGEST_BLOCK:
        raise refuse(f"{samples} samples; have from 1 to {LONGEST_BLOCK} in a member")


def _place(tar: TarReader, entry: TarEntry, where: str) -> dict[str, Any]:
    """Give what a .json says of the place of its member."""
    if entry.bytes > _LARGEST_SIDECAR:
        raise ForeignShardError(f"{where}: {entry.bytes} bytes of JSON, too many to look into; leave it out")
    try:
        said = json.loads(tar.read(entry.bytes))
    except (ValueError, RecursionError) as error:
        raise ForeignShardError(f"{where}: no JSON ({reprlib.repr(str(error))}); mend it or leave it out") from error
    return {key: said[key] for key in _PLACE if key in said} if isinstance(said, dict) else {}
