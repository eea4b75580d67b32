"""A shard and its members, as the index knows them: numbers in columns, one entry a member."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.checksum import CHECKSUM, DIGITS

__all__ = [
    "BYTES_PER_SAMPLE",
    "ENCODINGS",
    "LONGEST_BLOCK",
    "Column",
    "Member",
    "Shard",
    "column",
    "is_file_name",
    "is_member_name",
    "member_name",
]

Column = npt.NDArray[np.int64]

BYTES_PER_SAMPLE = 2
ENCODINGS = ("npy", "wav", "flac")
"""How a member may store its samples: the first two as they are, the third packed without loss."""

LONGEST_BLOCK = 1 << 30
"""Samples; twice as many bytes stay well below the 8 GiB that a tar header can say without extensions."""

_LONGEST_NAME = 200
_FILE_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{_LONGEST_NAME - 1}}}")


@dataclass(frozen=True, slots=True)
class Member:
    """A block of consecutive samples in a shard.

    Parameters
    ----------
    name : str
        Name of the block's file inside the tar.
    start, samples : int
        Its first sample in the song, and how many there are.
    offset, bytes : int
        Where what it stores begins in the tar, and how long that is: raw int16 little-endian samples, or for
        ``flac`` a whole FLAC file.
    check : str
        Their checksum, in hexadecimal.
    """

    name: str
    start: int
    samples: int
    offset: int
    bytes: int
    check: str

    @property
    def stop(self) -> int:
        """The sample of the song after its last."""
        return self.start + self.samples


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """A tar of consecutive members; to compare two, compare `Index.to_bytes`.

    A song of 100 hours has tens of thousands of members: they stand in columns, and become objects when asked
    for.

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
    offsets, lengths, sizes : ndarray, shape (members,), int64
        Of each member: the byte of the tar at which what it stores begins, its samples, its stored bytes.
    checks : str
        The checksum of each member's stored bytes, in hexadecimal, one after the other.
    names : tuple of str, or None
        Of each member; None where member number n of the song has the name that `member_name` gives.
    first : int
        Number of its first member in the song.
    encoding : str
        One of `ENCODINGS`.
    check_kind : str
        One of `streams.checksum.DIGITS`.
    """

    name: str
    bytes: int
    sha256: str
    start: int
    samples: int
    offsets: Column
    lengths: Column
    sizes: Column
    checks: str
    names: tuple[str, ...] | None
    first: int
    encoding: str
    check_kind: str = CHECKSUM

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def stop(self) -> int:
        """The sample of the song after its last."""
        return self.start + self.samples

    @property
    def members(self) -> tuple[Member, ...]:
        """All members, in the order of the song."""
        starts = self.start + np.cumsum(self.lengths) - self.lengths
        return tuple(self._member(i, start) for i, start in enumerate(starts.tolist()))

    def member(self, i: int, start: int | None = None) -> Member:
        """Give member `i` of this shard, counted from 0; `start` is its first sample in the song, if it is known.

        Raises
        ------
        IndexError
            There is none.
        """
        if not 0 <= i < len(self):
            raise IndexError(f"member {i} of {self.name}, which has {len(self)}")
        return self._member(i, self.start + int(self.lengths[:i].sum()) if start is None else start)

    def _member(self, i: int, start: int) -> Member:
        digits = DIGITS[self.check_kind]
        return Member(
            name=member_name(self.first + i, self.encoding) if self.names is None else self.names[i],
            start=start,
            samples=int(self.lengths[i]),
            offset=int(self.offsets[i]),
            bytes=int(self.sizes[i]),
            check=self.checks[digits * i : digits * (i + 1)],
        )


def column(numbers: Sequence[int] | Column) -> Column:
    """Give whole numbers below 2**63, one a member, as an array that cannot be changed any more.

    Raises
    ------
    OverflowError
        One is 2**63 or more, or less than -2**63.
    """
    array = np.asarray(numbers, dtype=np.int64)
    array.flags.writeable = False
    return array


def member_name(number: int, encoding: str) -> str:
    """Give the name that member `number` of a song has where the index says nothing else."""
    return f"{number:09d}.{encoding}"


def is_file_name(name: str) -> bool:
    """Say whether a shard may be called so: no folder, nothing hidden, nothing that climbs out."""
    return _FILE_NAME.fullmatch(name) is not None


def is_member_name(name: str) -> bool:
    """Say whether a member may be called so; it may lie in folders of the tar, but in no other place.

    Absolute names, those that climb out, those over 200 characters, backslashes and characters that cannot be
    shown are refused.
    """
    if not name.isprintable() or "\\" in name or len(name) > _LONGEST_NAME:
        return False
    return not {"", ".", ".."}.intersection(name.split("/"))
