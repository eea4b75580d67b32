"""Files that vouch for themselves: TensorBoard's events, PNG pictures and archives of arrays."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

from longsong.files import reading_named
from longsong.integrity.crc32c import masked_crc32c
from longsong.integrity.damage import Damage

__all__ = ["archive_damage", "events_damage", "picture_damage"]

_PNG = b"\x89PNG\r\n\x1a\n"


def events_damage(path: Path) -> Damage | None:
    """Look at each record of a file of TensorBoard's events.

    A record is its length in 8 bytes, their checksum, the event, and its checksum. One that is cut short at the end is
    no damage: that is how a process leaves it that is killed, and nobody can tell.
    """
    try:
        with reading_named(path), path.open("rb") as file:
            left, number = path.stat().st_size, 0
            while left >= 12:
                number += 1
                head, check = struct.unpack("<8sI", file.read(12))
                length = int.from_bytes(head, "little")
                if masked_crc32c(head) != check:
                    return _damage(path, f"record {number} has another length than its checksum says")
                left -= 12 + length + 4
                if left < 0:
                    break
                if masked_crc32c(file.read(length)) != int.from_bytes(file.read(4), "little"):
                    return _damage(path, f"record {number} has another checksum; TensorBoard shows what is before it")
    except struct.error as error:
        return _damage(path, str(error))
    return None


def picture_damage(path: Path) -> Damage | None:
    """Look at each chunk of a PNG: its length, kind, data, and the CRC-32 of kind and data (RFC 2083, 3.2)."""
    with reading_named(path):
        content = path.read_bytes()
    at, kind = len(_PNG), b""
    if not content.startswith(_PNG):
        return _damage(path, "it does not begin as a PNG does")
    while kind != b"IEND":
        head = content[at : at + 8]
        if len(head) < 8:
            return _damage(path, "it is cut short")
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        end = at + 8 + length
        if zlib.crc32(content[at + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):
            return _damage(path, f"its chunk {kind!r} has another checksum")
        at = end + 4
    return None


def archive_damage(path: Path) -> Damage | None:
    """Look at each array of a ``.npz``, which is a zip: by its CRC-32."""
    try:
        with zipfile.ZipFile(path) as archive:
            name = archive.testzip()
    # zipfile and zlib have no root in common for what a damaged file brings about.
    except Exception as error:
        return _damage(path, str(error))
    return None if name is None else _damage(path, f"{name} in it has another checksum")


def _damage(path: Path, why: str) -> Damage:
    return Damage(path, "other", f"{path} is altered or cut short: {why}")
