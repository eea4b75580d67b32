"""Chunks of RIFF (wav), RF64 and AIFF files: whether the one with the samples ends within the file."""

from __future__ import annotations

import struct
from typing import BinaryIO, Literal

__all__ = ["MAGIC", "WAVE64", "trouble", "wave64_trouble"]

MAGIC = frozenset({b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM"})
_SAMPLES = frozenset({b"data", b"SSND"})
_IN_DS64 = 0xFFFFFFFF
# What programs leave there that write to a pipe and cannot come back: 0, the largest 32-bit number
# (ffmpeg), or about 2 GiB (sox, arecord). Such a file promises nothing.
_UNKNOWN = frozenset({0, _IN_DS64, *range(0x7FFFF000, 0x80000001)})


WAVE64 = b"riff"
"""Sony's Wave64 begins so: chunks as of a wav, whose names are GUIDs and whose sizes have 64 bits."""

_IMA_ADPCM, _EXTENSIBLE = 0x11, 0xFFFE
_MOST_FRAMES = 2**31 - 1


def trouble(file: BinaryIO, size: int) -> str | None:
    """Say what is wrong with a RIFF, RF64 or AIFF file of `size` bytes; None if nothing is.

    Parameters
    ----------
    file : BinaryIO
        At its first byte.
    size : int
        Bytes that the file has.

    Returns
    -------
    str or None
        ``is cut short: …`` where the samples' chunk ends behind the file, or is not there.
    """
    head = file.read(12)
    magic = head[:4]
    if magic == b"FORM" and head[8:] not in (b"AIFF", b"AIFC"):
        return None  # another kind of IFF, such as 8SVX, whose chunks have other names
    order: Literal["big", "little"] = "big" if magic in (b"RIFX", b"FORM") else "little"
    long_size: int | None = None
    while len(head := file.read(8)) == 8:
        kind, length = head[:4], int.from_bytes(head[4:], order)
        start = file.tell()
        if kind in _SAMPLES:
            if length == _IN_DS64 and long_size is not None:
                length = long_size
            if length not in _UNKNOWN and start + length > size:
                return (
                    f"is cut short: its header promises {length:,} bytes of samples, there are {max(size - start, 0):,}"
                )
            return None
        if kind == b"ds64":
            long_size = int.from_bytes(file.read(16)[8:], "little")
        if kind == b"fmt " and (too_long := _overflow(file.read(min(length, 40)), size, order)):
            return too_long
        file.seek(start + length + length % 2)
    return "is cut short: it ends before its samples begin"


def wave64_trouble(file: BinaryIO, size: int) -> str | None:
    """Say what is wrong with a Wave64 file of `size` bytes, at its first byte; None if nothing is that is known."""
    file.seek(40)
    while len(head := file.read(24)) == 24:
        length = int.from_bytes(head[16:], "little")  # of the chunk with its head, in multiples of 8
        start = file.tell()
        if head[:4] == b"fmt ":
            return _overflow(file.read(min(length, 40)), size, "little")
        if not 24 <= length <= size:
            return None
        file.seek(start - 24 + length + -length % 8)
    return None


def _overflow(form: bytes, size: int, order: Literal["big", "little"]) -> str | None:
    """Say that a file of IMA ADPCM claims more frames than libsndfile 1.2.2 can count (CVE-2026-37555).

    It multiplies the samples of a block by the number of blocks in 32 bits, and trusts what comes of it. Both numbers
    are from the file: the one from its head, the other from how many bytes there are.
    """
    if len(form) < 20:
        return None
    mark = "<" if order == "little" else ">"
    kind, _, _, _, align = struct.unpack(f"{mark}HHIIH", form[:14])
    if kind == _EXTENSIBLE and len(form) >= 26:
        (kind,) = struct.unpack(f"{mark}H", form[24:26])
    (samples,) = struct.unpack(f"{mark}H", form[18:20])
    if kind == _IMA_ADPCM and samples * (size // max(align, 1) + 1) > _MOST_FRAMES:
        return f"claims blocks of {samples:,} samples in {align} bytes, more in all than there can be"
    return None
