"""CRC-32C, by which TensorBoard's files vouch for their records; many bytes at a time.

The checksum is linear: a long text is cut into lanes that are computed side by side, one byte of each at a time, and
the checksums of neighbours are joined (as zlib's `crc32_combine` does, with the polynomial of Castagnoli, RFC 3720).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["masked_crc32c"]

_POLYNOMIAL = 0x82F63B78  # reflected
_ONES = 0xFFFFFFFF
_MASK_DELTA = 0xA282EAD8
_LANES = 1 << 10

Words = NDArray[np.uint32]


def masked_crc32c(data: bytes) -> int:
    """Give the checksum of a record as TensorBoard's files have it: turned by 15 bits, and a constant added."""
    crc = _crc32c(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & _ONES


def _crc32c(data: bytes) -> int:
    length = len(data) // _LANES
    head, crc = length * _LANES, _ONES
    if length:
        lanes = np.frombuffer(data, np.uint8, head).reshape(_LANES, length)
        # The ones that a checksum begins with are those of the first lane alone.
        crcs = np.zeros(_LANES, np.uint32)
        crcs[0] = _ONES
        table = _table()
        for byte in np.ascontiguousarray(lanes.T):
            crcs = table[(crcs & np.uint32(0xFF)) ^ byte] ^ (crcs >> np.uint32(8))
        crc = _joined(crcs, length)
    steps = _table().tolist()
    for value in data[head:]:
        crc = steps[(crc ^ value) & 0xFF] ^ (crc >> 8)
    return crc ^ _ONES


def _joined(crcs: Words, length: int) -> int:
    """Join the checksums of neighbouring texts of `length` bytes each, two by two."""
    zeros = _of_zeros(length)
    while len(crcs) > 1:
        crcs = _applied(zeros, crcs[::2]) ^ crcs[1::2]
        zeros = _applied(zeros, zeros)  # twice as many
    return int(crcs[0])


def _of_zeros(length: int) -> Words:
    """Give what `length` bytes of 0 make of each bit of a checksum, shape (32,)."""
    one = np.uint32(1) << np.arange(32, dtype=np.uint32)
    found, step = one, _table()[one & np.uint32(0xFF)] ^ (one >> np.uint32(8))
    while length:
        if length & 1:
            found = _applied(step, found)
        step, length = _applied(step, step), length >> 1
    return found


def _applied(operator: Words, crcs: Words) -> Words:
    """Give what a linear operator, by what it makes of each bit, makes of checksums."""
    found = np.zeros_like(crcs)
    for bit in range(32):
        found ^= np.where(crcs >> np.uint32(bit) & np.uint32(1), operator[bit], np.uint32(0))
    return found


@cache
def _table() -> Words:
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = np.where(
            values & np.uint32(1), values >> np.uint32(1) ^ np.uint32(_POLYNOMIAL), values >> np.uint32(1)
        )
    return values
