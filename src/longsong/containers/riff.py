"""Chunks of RIFF (wav), RF64 and AIFF files: whether the one with the samples ends within the file."""

from __future__ import annotations

from typing import BinaryIO, Literal

__all__ = ["MAGIC", "trouble"]

MAGIC = frozenset({b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM"})
_SAMPLES = frozenset({b"data", b"SSND"})
_IN_DS64 = 0xFFFFFFFF
# What programs leave there that write to a pipe and cannot come back: 0, the largest 32-bit number
# (ffmpeg), or about 2 GiB (sox, arecord). Such a file promises nothing.
_UNKNOWN = frozenset({0, _IN_DS64, *range(0x7FFFF000, 0x80000001)})


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
        file.seek(start + length + length % 2)
    return "is cut short: it ends before its samples begin"
