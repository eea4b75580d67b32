"""Pages of an Ogg file (RFC 3533): whether all are there and unaltered, and the last is marked as such."""

from __future__ import annotations

import zlib
from typing import BinaryIO

__all__ = ["trouble"]

_HEADER = 27
_FIRST, _LAST = 0x02, 0x04  # flags of a stream's first and last page
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def trouble(file: BinaryIO) -> str | None:
    """Say what is wrong with an Ogg file, read page by page; None if nothing is.

    Parameters
    ----------
    file : BinaryIO
        At its first byte.

    Returns
    -------
    str or None
        ``is cut short: …``, ``is damaged: …`` or ``holds several streams …``. Bytes behind the last page
        of all streams (tags that other programs append) are let pass.
    """
    open_streams: dict[int, int] = {}  # serial number -> sequence number of its last page
    ended = False
    while True:
        at = file.tell()
        header = file.read(_HEADER)
        if not header.startswith(b"OggS"):
            if ended and not open_streams:
                return None
            if len(header) < 4 and b"OggS".startswith(header):
                return "is cut short: its last Ogg page does not have the end-of-stream mark"
            return f"is damaged: there is no Ogg page at byte {at:,}"
        lacing = file.read(header[26]) if len(header) == _HEADER else b""
        body = file.read(sum(lacing))
        if len(header) < _HEADER or len(lacing) < header[26] or len(body) < sum(lacing):
            return f"is cut short: the Ogg page at byte {at:,} is not whole"
        if _checksum(header[:22] + bytes(4) + header[26:] + lacing + body) != _number(header[22:26]):
            return f"is damaged: the Ogg page at byte {at:,} does not match its checksum"
        flags, serial, number = header[5], _number(header[14:18]), _number(header[18:22])
        if flags & _FIRST:
            if ended:
                return f"holds several streams, of which only the first is read: the next begins at byte {at:,}"
        elif number != open_streams.get(serial, number) + 1 and serial in open_streams:
            return f"is damaged: an Ogg page is missing before byte {at:,}"
        open_streams[serial] = number
        if flags & _LAST:
            ended = True
            del open_streams[serial]


def _number(little_endian: bytes) -> int:
    return int.from_bytes(little_endian, "little")


def _checksum(page: bytes) -> int:
    """Ogg's CRC-32: zlib's polynomial with bits the other way round, no inversion before or after."""
    mirrored = zlib.crc32(page.translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
