"""Where the samples of an audio file lie: a .npy or .wav of one channel of 16 bits, read from front to back."""

from __future__ import annotations

import ast
import struct
from collections.abc import Callable
from typing import Protocol

from streams.errors import ForeignShardError
from streams.shard import BYTES_PER_SAMPLE

__all__ = ["Content", "npy_samples", "wav_samples"]

_NPY_MAGIC = b"\x93NUMPY"
_NPY_LENGTHS = {1: "<H", 2: "<I", 3: "<I"}
_LONGEST_NPY_HEADER = 1024
"""Bytes; that of one dimension takes 118, and deep nesting needs more than this."""

_PCM, _EXTENSIBLE = 1, 0xFFFE
_LONGEST_FMT = 40  # bytes
_SUBTYPE = b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
"""What follows the two bytes of the kind where a fmt chunk is the extensible one."""

_NO_SIZE = (0, 0x7FFFFFFF, 0xFFFFFFFF)
"""What programs write as the size of data that they cannot know, such as those that write to a pipe."""


class Content(Protocol):
    """What is left of a file, read from front to back."""

    @property
    def left(self) -> int:
        """Bytes that were not read."""

    def read(self, most: int, /) -> bytes:
        """Give the next bytes: `most`, or what is left."""

    def skip(self, count: int, /) -> None:
        """Pass over bytes, at most what is left."""


Refuse = Callable[[str], ForeignShardError]


def npy_samples(content: Content, refuse: Refuse) -> int:
    """Read the head of a .npy up to its first sample, and give the number of samples.

    Parameters
    ----------
    content : Content
        At the first byte of the file.
    refuse : callable
        Makes the error to raise from what is wrong.

    Raises
    ------
    ForeignShardError
        Not one dimension of int16 little-endian, or of another length than its head says.
    """
    magic = content.read(8)
    form = _NPY_LENGTHS.get(magic[6]) if len(magic) == 8 and magic.startswith(_NPY_MAGIC) and not magic[7] else None
    if form is None:
        raise refuse("no .npy file")
    digits = content.read(struct.calcsize(form))
    length = int.from_bytes(digits, "little")
    if length > min(content.left, _LONGEST_NPY_HEADER):
        raise refuse(f"a head of {length} bytes, no .npy of samples")
    try:
        # Literals alone: nothing in it can run.
        head = ast.literal_eval(content.read(length).decode("latin-1").strip(" \n"))
        kind, shape, fortran = head["descr"], head["shape"], head["fortran_order"]
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError) as error:
        raise refuse("a head that is none of a .npy") from error
    if kind != "<i2" or not isinstance(fortran, bool):
        raise refuse(f"samples of the type {str(kind)[:40]!r}; write them as int16 little-endian ('<i2')")
    if not isinstance(shape, tuple) or len(shape) != 1 or type(shape[0]) is not int:
        raise refuse(f"samples of the shape {str(shape)[:40]}; write one channel, in one dimension")
    if shape[0] < 1:
        raise refuse("no samples; leave it out")
    if content.left != BYTES_PER_SAMPLE * shape[0]:
        raise refuse(f"{content.left} bytes of samples, where its head says {shape[0]} samples")
    return shape[0]


def wav_samples(content: Content, refuse: Refuse) -> tuple[int, int]:
    """Read the head of a .wav up to its first sample, and give the number of samples and their rate in Hz.

    Parameters
    ----------
    content, refuse
        As for `npy_samples`.

    Raises
    ------
    ForeignShardError
        No RIFF of one channel of 16-bit PCM, or shorter than its head says.
    """
    head = content.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise refuse(f"it begins with {head[:4]!r}: no .wav of the kind RIFF")
    sample_rate: int | None = None
    while len(chunk := content.read(8)) == 8:
        kind, size = chunk[:4], int.from_bytes(chunk[4:], "little")
        if kind == b"data":
            if sample_rate is None:
                raise refuse("samples before the chunk 'fmt ' that says what they are")
            return _data_samples(size, content.left, refuse), sample_rate
        if size > content.left:
            raise refuse(f"cut short in its chunk {kind!r}")
        end = content.left - size - size % 2
        if kind == b"fmt ":
            sample_rate = _sample_rate(content.read(min(size, _LONGEST_FMT)), refuse)
        content.skip(content.left - end)
    raise refuse("no chunk 'data'; it is cut short or has no samples")


def _sample_rate(form: bytes, refuse: Refuse) -> int:
    """Give the rate that a fmt chunk says, if it is of one channel of 16-bit PCM."""
    if len(form) < 16:
        raise refuse("a chunk 'fmt ' that is too short")
    kind, channels, sample_rate, _, align, bits = struct.unpack("<HHIIHH", form[:16])
    if kind == _EXTENSIBLE and form[26:40] == _SUBTYPE:
        kind = int.from_bytes(form[24:26], "little")
    if (kind, channels, bits, align) != (_PCM, 1, 16, BYTES_PER_SAMPLE):
        raise refuse(
            f"{channels} channels of {bits} bits of the kind {kind}; write one channel of 16-bit PCM (kind {_PCM})"
        )
    if sample_rate < 1:
        raise refuse("a sample rate of 0 Hz")
    return int(sample_rate)


def _data_samples(size: int, left: int, refuse: Refuse) -> int:
    if size in _NO_SIZE:
        raise refuse("no samples, or a chunk 'data' that does not say how many; write it anew")
    if size > left:
        raise refuse(f"cut short: {size} bytes of samples are due, {left} are there")
    if size % BYTES_PER_SAMPLE:
        raise refuse(f"{size} bytes of samples, half a sample too many")
    return size // BYTES_PER_SAMPLE
