"""What is compared before a member's first sample is given."""

from __future__ import annotations

import hashlib
import zlib
from typing import Final

__all__ = ["CHECKSUM", "DIGITS", "Checksum", "checksum"]

DIGITS: Final = {"crc32": 8, "sha256": 64}
"""Kinds of checksum, and the hexadecimal digits of one; sha256 is that of version 1 of the index."""

CHECKSUM: Final = "crc32"
"""The kind that is written. It shows any change within 32 bits for certain, and any other but for one in 2**32."""


class Checksum:
    """The checksum that is written, of bytes that come in pieces."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes | memoryview) -> None:
        """Count more bytes."""
        self._value = zlib.crc32(data, self._value)

    def hexdigest(self) -> str:
        """Give the checksum of all bytes so far."""
        return f"{self._value:08x}"


def checksum(data: bytes | memoryview, kind: str = CHECKSUM) -> str:
    """Give the checksum of bytes in hexadecimal; `kind` is one of `DIGITS`."""
    return f"{zlib.crc32(data):08x}" if kind == "crc32" else hashlib.sha256(data).hexdigest()
