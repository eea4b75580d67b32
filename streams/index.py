"""`index.json`: what a folder of shards holds, sample by sample (docs/shards.md)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from streams.errors import FormatVersionError, IndexFileError
from streams.index_fields import Fields, parse_json
from streams.statistics import Statistics

__all__ = [
    "BYTES_PER_SAMPLE",
    "ENCODING",
    "FORMAT",
    "INDEX_NAME",
    "VERSION",
    "Index",
    "Member",
    "Shard",
    "parse_index",
    "read_index",
]

FORMAT = "streams.index"
VERSION = 1
INDEX_NAME = "index.json"
ENCODING = "npy"
BYTES_PER_SAMPLE = 2

_NO_DIGEST = "0" * 64
_LARGEST_INDEX = 1 << 28
"""Bytes of an index.json that are read at most: over 20,000 hours of song in blocks of 2**20 samples."""


@dataclass(frozen=True, slots=True)
class Member:
    """A block of consecutive samples in a shard.

    Parameters
    ----------
    name : str
        Name of the block's file inside the tar.
    start, samples : int
        Its first sample in the song, and how many there are.
    offset : int
        Where its raw int16 little-endian samples begin in the tar, in bytes.
    sha256 : str
        Of these raw bytes, in hexadecimal.
    """

    name: str
    start: int
    samples: int
    offset: int
    sha256: str

    @property
    def stop(self) -> int:
        """The sample of the song after its last."""
        return self.start + self.samples


@dataclass(frozen=True, slots=True)
class Shard:
    """A tar of consecutive members.

    Parameters
    ----------
    name : str
        File name in the folder.
    bytes : int
        Size of the file.
    sha256 : str
        Of the whole file, in hexadecimal.
    start, samples : int
        Its first sample in the song, and how many there are.
    members : tuple of Member
        In the order of the song.
    """

    name: str
    bytes: int
    sha256: str
    start: int
    samples: int
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """All that `index.json` says.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    samples : int
        Length of the song.
    digest : str
        sha256 of all samples as int16 little-endian, in hexadecimal: the identity of the song.
    statistics : Statistics
        Of all samples.
    block_samples : int
        Samples of the longest member.
    encoding : str
        How a block is stored; ``npy``.
    shards : tuple of Shard
        In the order of the song.
    source : list of dict
        Where the samples came from, in the words of who wrote the shards.
    made_by : dict
        Command and versions that made the shards.
    """

    sample_rate: int
    samples: int
    digest: str
    statistics: Statistics
    block_samples: int
    encoding: str
    shards: tuple[Shard, ...]
    source: list[dict[str, Any]]
    made_by: dict[str, Any]

    def to_bytes(self) -> bytes:
        """Give the index as the bytes of `index.json`, the same ones for the same index.

        Raises
        ------
        TypeError, ValueError
            `source` or `made_by` hold what JSON does not.
        """
        document = {"format": FORMAT, "version": VERSION, **asdict(self), "index_digest": _NO_DIGEST}
        text = json.dumps(document, indent=1, allow_nan=False) + "\n"
        data = text.encode("ascii")
        return data.replace(_NO_DIGEST.encode(), hashlib.sha256(data).hexdigest().encode())


def read_index(folder: Path) -> Index:
    """Read and check the `index.json` of a folder of shards.

    Raises
    ------
    IndexFileError
        It is missing, cut short, altered, of another kind, or says what cannot be.
    FormatVersionError
        It is of a newer version, or of an encoding that this version does not read.
    """
    path = folder / INDEX_NAME
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_INDEX + 1)
    except FileNotFoundError as error:
        what = "no index.json in it" if folder.is_dir() else "no such folder"
        raise IndexFileError(f"{folder}: {what}; give a folder that `longsong shard` wrote") from error
    except NotADirectoryError as error:
        raise IndexFileError(f"{folder}: not a folder; give a folder that `longsong shard` wrote") from error
    except OSError as error:
        raise IndexFileError(f"{path}: cannot be read ({error.strerror}); look at its permissions") from error
    if len(data) > _LARGEST_INDEX:
        raise IndexFileError(f"{path}: over {_LARGEST_INDEX} bytes, too large for an index; make the shards again")
    return parse_index(data, str(path))


def parse_index(data: bytes, where: str) -> Index:
    """Check the bytes of an `index.json`, trusting none of them, and give what they say.

    Parameters
    ----------
    data : bytes
        The whole file.
    where : str
        Its name, for messages.

    Raises
    ------
    IndexFileError
        Cut short, altered, of another kind, or numbers and names that cannot be.
    FormatVersionError
        A newer version, or an unknown encoding.
    """
    fields = Fields(parse_json(data, where), where)
    if fields.value("format") != FORMAT:
        raise IndexFileError(f"{where}: not an index of shards (its format is not {FORMAT!r})")
    version = fields.whole("version", at_least=1)
    if version > VERSION:
        raise FormatVersionError(
            f"{where}: version {version} of the format, newer than {VERSION}, the newest that this program "
            "reads; update the program or make the shards again"
        )
    _check_own_digest(data, fields.digest("index_digest"), where)
    if (encoding := fields.text("encoding")) != ENCODING:
        raise FormatVersionError(f"{where}: blocks are stored as {encoding!r}, and this program reads {ENCODING!r}")
    samples = fields.whole("samples", at_least=1)
    index = Index(
        sample_rate=fields.whole("sample_rate", at_least=1),
        samples=samples,
        digest=fields.digest("digest"),
        statistics=_statistics(fields.fields("statistics"), samples),
        block_samples=fields.whole("block_samples", at_least=1),
        encoding=encoding,
        shards=tuple(_shard(shard) for shard in fields.items("shards")),
        source=[source.mapping for source in fields.items("source")],
        made_by=fields.fields("made_by").mapping,
    )
    _check_layout(index, where)
    return index


def _check_own_digest(data: bytes, digest: str, where: str) -> None:
    """Refuse a file of which any byte was altered: it holds the digest of itself, written over with zeros."""
    if hashlib.sha256(data.replace(digest.encode(), _NO_DIGEST.encode())).hexdigest() != digest:
        raise IndexFileError(f"{where}: altered since it was written; copy it anew or make the shards again")


def _statistics(fields: Fields, samples: int) -> Statistics:
    lowest = fields.whole("minimum", at_least=-32768, at_most=32767)
    highest = fields.whole("maximum", at_least=lowest, at_most=32767)
    largest = max(abs(lowest), abs(highest)) ** 2
    total = fields.whole("sum", at_least=samples * lowest, at_most=samples * highest)
    return Statistics(
        count=fields.whole("count", at_least=samples, at_most=samples),
        sum=total,
        # Never less than sum**2 / count (Cauchy-Schwarz), so that a variance is never negative.
        sum_of_squares=fields.whole("sum_of_squares", at_least=-(-(total**2) // samples), at_most=samples * largest),
        minimum=lowest,
        maximum=highest,
    )


def _shard(fields: Fields) -> Shard:
    return Shard(
        name=fields.name("name"),
        bytes=fields.whole("bytes", at_least=1),
        sha256=fields.digest("sha256"),
        start=fields.whole("start", at_least=0),
        samples=fields.whole("samples", at_least=1),
        members=tuple(
            Member(
                name=member.name("name"),
                start=member.whole("start", at_least=0),
                samples=member.whole("samples", at_least=1),
                offset=member.whole("offset", at_least=0),
                sha256=member.digest("sha256"),
            )
            for member in fields.items("members")
        ),
    )


def _check_layout(index: Index, where: str) -> None:
    """Refuse members that leave gaps, overlap, stand twice or reach out of their shard."""
    at = 0
    names: set[str] = set()
    for shard in index.shards:
        first, end = at, 0
        for member in shard.members:
            if member.start != at or member.samples > index.block_samples:
                raise IndexFileError(
                    f"{where}: member {member.name} of {shard.name} holds samples {member.start} to "
                    f"{member.stop}, where up to {index.block_samples} from {at} on are due"
                )
            if member.offset < end or member.offset + BYTES_PER_SAMPLE * member.samples > shard.bytes:
                raise IndexFileError(
                    f"{where}: member {member.name} at byte {member.offset} does not lie in the "
                    f"{shard.bytes} bytes of {shard.name} behind the one before"
                )
            at, end = member.stop, member.offset + BYTES_PER_SAMPLE * member.samples
        if shard.start != first or shard.samples != at - first or not shard.members:
            raise IndexFileError(
                f"{where}: {shard.name} holds {shard.samples} samples from {shard.start} on, "
                f"but its members hold {at - first} from {first} on"
            )
        here = [shard.name, *(member.name for member in shard.members)]
        if len(set(here)) < len(here) or not names.isdisjoint(here):
            raise IndexFileError(f"{where}: a name stands twice in {shard.name}")
        names.update(here)
    if at != index.samples:
        raise IndexFileError(f"{where}: the song has {index.samples} samples, but its shards hold {at}")
