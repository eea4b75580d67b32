"""The shards of `index.json`: from JSON to columns and back, with every number checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.checksum import CHECKSUM, DIGITS
from streams.errors import IndexFileError
from streams.index_fields import Fields
from streams.shard import BYTES_PER_SAMPLE, Column, Shard, column, member_name

__all__ = ["read_shards", "shard_document"]

_KEYS = {"crc32": "crc32", "sha256": "digests"}
"""What the column of the members' checksums is called, by their kind."""


def shard_document(shard: Shard, block_samples: int) -> dict[str, Any]:
    """Give a shard as it stands in `index.json`; what follows from the rest is left out."""
    document: dict[str, Any] = {
        "name": shard.name,
        "bytes": shard.bytes,
        "sha256": shard.sha256,
        "start": shard.start,
        "samples": shard.samples,
        **_offsets(shard),
        _KEYS[shard.check_kind]: shard.checks,
    }
    if not (shard.lengths[:-1] == block_samples).all():
        document["lengths"] = shard.lengths.tolist()
    if shard.encoding == "flac":
        document["sizes"] = shard.sizes.tolist()
    if shard.names is not None and shard.names != _default_names(shard.first, len(shard), shard.encoding):
        document["names"] = list(shard.names)
    return document


def read_shards(
    shards: Sequence[Fields], samples: int, block_samples: int, encoding: str, where: str
) -> tuple[Shard, ...]:
    """Check what `index.json` says of the shards of a song, and give it.

    Parameters
    ----------
    shards : sequence of Fields
        One for each, in the form of version 2.
    samples : int
        Length of the song.
    block_samples : int
        Samples of the longest member.
    encoding : str
        How members store their samples.
    where : str
        Name of the file, for messages.

    Raises
    ------
    IndexFileError
        Numbers and names that cannot be: gaps, overlaps, names that stand twice, bytes out of the shard.
    """
    if not shards:
        raise IndexFileError(f"{where}: has no shards; make them again")
    read = [_Columns(shard, block_samples, encoding) for shard in shards]
    _check_places(read, encoding)
    names = [shard.name for shard in read]
    if len(set(names)) < len(names):
        raise IndexFileError(f"{where}: a shard's name stands twice")
    result = tuple(_in_order(read, encoding))
    if (held := sum(shard.samples for shard in read)) != samples:
        raise IndexFileError(f"{where}: the song has {samples} samples, but its shards hold {held}")
    return result


class _Columns:
    """What the fields of one shard say, each in its range."""

    def __init__(self, fields: Fields, block_samples: int, encoding: str) -> None:
        self.where = fields.where
        self.name = fields.name("name")
        self.bytes = fields.whole("bytes", at_least=1)
        self.sha256 = fields.digest("sha256")
        self.start = fields.whole("start", at_least=0)
        self.samples = fields.whole("samples", at_least=1)
        self.check_kind = next((kind for kind, key in _KEYS.items() if key in fields.mapping), CHECKSUM)
        self.checks = fields.checksums(_KEYS[self.check_kind], DIGITS[self.check_kind])
        self.offsets = self._offsets(fields)
        self.lengths = self._lengths(fields, block_samples)
        self.sizes = self._sizes(fields, encoding)
        self.names = fields.member_names("names") if "names" in fields.mapping else None
        if self.names is not None and len(self.names) != len(self):
            raise self._differ("names")

    def __len__(self) -> int:
        return len(self.checks) // DIGITS[self.check_kind]

    def _offsets(self, fields: Fields) -> Column:
        if not len(self):
            raise IndexFileError(f"{self.where}: has no members")
        if "offsets" in fields.mapping:
            offsets = fields.column("offsets")
            if len(offsets) != len(self):
                raise self._differ("offsets")
            return offsets
        first = fields.whole("offset", at_least=0, at_most=self.bytes)
        stride = fields.whole("stride", at_least=1, at_most=self.bytes)
        if first + (len(self) - 1) * stride > self.bytes:
            raise IndexFileError(
                f"{self.where}: {len(self)} members, one every {stride} bytes from byte {first} on, do not lie in "
                f"its {self.bytes} bytes"
            )
        return _even_offsets(first, stride, len(self))

    def _lengths(self, fields: Fields, block_samples: int) -> Column:
        if "lengths" in fields.mapping:
            lengths = fields.column_between("lengths", 1, min(block_samples, self.samples))
            if len(lengths) != len(self):
                raise self._differ("lengths")
            # Summed without an end, since numpy's sum would wrap.
            held = sum(lengths.tolist())
            last = int(lengths[-1])
        else:
            last = self.samples - (len(self) - 1) * block_samples
            if 1 <= last <= block_samples:
                return _full_lengths(len(self), block_samples, last)
            held = len(self) * block_samples
        if held != self.samples:
            raise IndexFileError(
                f"{self.where}: holds {self.samples} samples, which {len(self)} members of up to "
                f"{block_samples} samples do not make up"
            )
        return lengths

    def _sizes(self, fields: Fields, encoding: str) -> Column:
        if self.bytes < BYTES_PER_SAMPLE * self.samples and encoding != "flac":
            raise IndexFileError(f"{self.where}: {self.samples} samples do not lie in its {self.bytes} bytes")
        if encoding == "flac":
            sizes = fields.column_between("sizes", 1, self.bytes)
            if len(sizes) != len(self):
                raise self._differ("sizes")
            return sizes
        if "sizes" in fields.mapping:
            raise IndexFileError(f"{self.where}: has sizes, which members stored as {encoding!r} do not have")
        return column(BYTES_PER_SAMPLE * self.lengths)

    def _differ(self, key: str) -> IndexFileError:
        return IndexFileError(f"{self.where}: {key!r} are not those of its {len(self)} members")


@lru_cache(maxsize=4)
def _even_offsets(first: int, stride: int, members: int) -> Column:
    """Give offsets that are one stride apart; kept, since all shards of a song but the last have the same."""
    return column(first + stride * np.arange(members, dtype=np.int64))


@lru_cache(maxsize=4)
def _full_lengths(members: int, block_samples: int, last: int) -> Column:
    """Give the lengths of full members and a last one; kept like the offsets."""
    lengths = np.full(members, block_samples, dtype=np.int64)
    lengths[-1] = last
    return column(lengths)


def _check_places(shards: Sequence[_Columns], encoding: str) -> None:
    """Refuse members that overlap, or whose bytes do not lie in their shard."""
    counts = [len(shard) for shard in shards]
    first_of_shard = np.cumsum([0, *counts[:-1]])
    offsets = np.concatenate([shard.offsets for shard in shards])
    sizes = np.concatenate([shard.sizes for shard in shards])
    bytes_of_shard = np.repeat(np.array([shard.bytes for shard in shards], dtype=np.int64), counts)

    def refuse(wrong: npt.NDArray[np.bool_], what: str) -> None:
        if wrong.any():
            number = int(wrong.argmax())
            shard = int(np.searchsorted(first_of_shard, number, side="right")) - 1
            member = number - int(first_of_shard[shard])
            raise IndexFileError(
                f"{shards[shard].where}: member {member} of {shards[shard].name}, {sizes[number]} bytes at byte "
                f"{offsets[number]}, {what}"
            )

    # In this order no sum can wrap: sizes are at most the bytes of their shard, which are below 2**63.
    refuse(offsets > bytes_of_shard - sizes, "does not lie in the file")
    end_before = np.concatenate([[0], (offsets + sizes)[:-1]])
    end_before[first_of_shard] = 0
    refuse(offsets < end_before, "does not lie behind the member before")
    if encoding != "flac":
        refuse(offsets % BYTES_PER_SAMPLE != 0, "begins at an odd byte, where int16 samples do not lie")


def _in_order(shards: Sequence[_Columns], encoding: str) -> Iterator[Shard]:
    """Give the shards; refuse those that do not begin where the one before ends."""
    at = first = 0
    for shard in shards:
        if shard.start != at:
            raise IndexFileError(f"{shard.where}: {shard.name} begins with sample {shard.start}, where {at} is due")
        yield Shard(
            shard.name,
            shard.bytes,
            shard.sha256,
            shard.start,
            shard.samples,
            shard.offsets,
            shard.lengths,
            shard.sizes,
            shard.checks,
            shard.names,
            first,
            encoding,
            shard.check_kind,
        )
        at += shard.samples
        first += len(shard)


def _offsets(shard: Shard) -> dict[str, Any]:
    """Give where the members lie: the first, and how far each is from the one before, where that is enough."""
    strides = np.diff(shard.offsets)
    if len(strides) and (strides == strides[0]).all():
        return {"offset": int(shard.offsets[0]), "stride": int(strides[0])}
    return {"offsets": shard.offsets.tolist()}


def _default_names(first: int, members: int, encoding: str) -> tuple[str, ...]:
    return tuple(member_name(number, encoding) for number in range(first, first + members))
