"""`index.json`: what a set of shards holds, sample by sample (docs/shards.md)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from streams.errors import FormatVersionError, IndexFileError
from streams.index_fields import Fields, parse_json
from streams.index_shards import read_shards, shard_document
from streams.index_v1 import as_version_2
from streams.shard import BYTES_PER_SAMPLE, ENCODINGS, LONGEST_BLOCK, Column, Member, Shard
from streams.statistics import Statistics

__all__ = [
    "BYTES_PER_SAMPLE",
    "ENCODINGS",
    "FORMAT",
    "INDEX_NAME",
    "LARGEST_INDEX",
    "VERSION",
    "Index",
    "Member",
    "Shard",
    "parse_index",
    "read_index",
]

FORMAT = "streams.index"
VERSION = 2
INDEX_NAME = "index.json"

LARGEST_INDEX = 1 << 28
"""Bytes of an index.json that are read at most: 8,000 hours of song at 16 kHz in blocks of 2**17 samples."""

_NO_DIGEST = "0" * 64


@dataclass(frozen=True, eq=False)
class Index:
    """All that `index.json` says. Two are equal where their bytes are.

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
        How a member stores its samples: ``npy``, ``wav`` or ``flac``.
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

    @cached_property
    def starts(self) -> Column:
        """First sample of each member of the song, then its length: shape (members + 1,), int64."""
        lengths = [np.zeros(1, dtype=np.int64), *(shard.lengths for shard in self.shards)]
        starts = np.cumsum(np.concatenate(lengths))
        starts.flags.writeable = False
        return starts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Index) and self.to_bytes() == other.to_bytes()

    __hash__ = None  # type: ignore[assignment]

    def to_bytes(self) -> bytes:
        """Give the index as the bytes of `index.json`, the same ones for the same index.

        Raises
        ------
        TypeError, ValueError
            `source` or `made_by` hold what JSON does not.
        """
        fields: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "sample_rate": self.sample_rate,
            "samples": self.samples,
            "digest": self.digest,
            "statistics": asdict(self.statistics),
            "block_samples": self.block_samples,
            "encoding": self.encoding,
            "shards": [shard_document(shard, self.block_samples) for shard in self.shards],
            "source": self.source,
            "made_by": self.made_by,
            "index_digest": _NO_DIGEST,
        }
        lines = [f' "{key}": {_text(value)}' for key, value in fields.items()]
        data = ("{\n" + ",\n".join(lines) + "\n}\n").encode("ascii")
        digest = hashlib.sha256(data).hexdigest().encode()
        # The last zeros are its own; others may stand in `source`, and stay.
        return digest.join(data.rsplit(_NO_DIGEST.encode(), 1))


def _text(value: Any) -> str:
    """Give a value as JSON, with a line for each item of a list."""
    if isinstance(value, list) and value:
        return "[\n  " + ",\n  ".join(_text(item) for item in value) + "\n ]"
    return json.dumps(value, allow_nan=False, separators=(",", ":") if isinstance(value, dict) else None)


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
            data = file.read(LARGEST_INDEX + 1)
    except FileNotFoundError as error:
        what = "no index.json in it" if folder.is_dir() else "no such folder"
        raise IndexFileError(
            f"{folder}: {what}; give a folder that `longsong shard` wrote or `longsong index` indexed"
        ) from error
    except NotADirectoryError as error:
        raise IndexFileError(f"{folder}: not a folder; give a folder that `longsong shard` wrote") from error
    except OSError as error:
        raise IndexFileError(f"{path}: cannot be read ({error.strerror}); look at its permissions") from error
    if len(data) > LARGEST_INDEX:
        raise IndexFileError(f"{path}: over {LARGEST_INDEX} bytes, too large for an index; make the shards again")
    return parse_index(data, str(path))


def parse_index(data: bytes, where: str) -> Index:
    """Check the bytes of an `index.json`, trusting none of them, and give what they say.

    Parameters
    ----------
    data : bytes
        The whole file, of version 1 or 2.
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
    known = ENCODINGS if version == VERSION else ("npy",)
    if (encoding := fields.text("encoding")) not in known:
        raise FormatVersionError(f"{where}: blocks are stored as {encoding!r}, and this program reads {known}")
    samples = fields.whole("samples", at_least=1)
    block_samples = fields.whole("block_samples", at_least=1)
    if encoding == "flac":
        fields.whole("block_samples", at_least=1, at_most=LONGEST_BLOCK)
    shards = fields.items("shards")
    if version == 1:
        shards = as_version_2(shards, block_samples)
    return Index(
        sample_rate=fields.whole("sample_rate", at_least=1),
        samples=samples,
        digest=fields.digest("digest"),
        statistics=_statistics(fields.fields("statistics"), samples),
        block_samples=block_samples,
        encoding=encoding,
        shards=read_shards(shards, samples, block_samples, encoding, where),
        source=[source.mapping for source in fields.items("source")],
        made_by=fields.fields("made_by").mapping,
    )


def _check_own_digest(data: bytes, digest: str, where: str) -> None:
    """Refuse a file of which any byte was altered: it holds the digest of itself, written over with zeros."""
    view, at = memoryview(data), data.rfind(digest.encode())
    found = hashlib.sha256(view[:at])
    found.update(_NO_DIGEST.encode())
    found.update(view[at + len(_NO_DIGEST) :])
    if found.hexdigest() != digest:
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
