"""Frames of an MPEG audio file (mp3): how many there are, and how many its header promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

__all__ = ["Scan", "scan"]

_VERSION_1 = 3  # as coded in a header; 0 is version 2.5, 2 is version 2
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBPS = {  # bits per millisecond by (version 1, layer), for codes 1 to 14
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_TAGS = (b"TAG", b"APET", b"LYRI", b"ID3", b"\0\0\0\0")  # what may stand behind the last frame
_LARGEST_HEADER = 200  # bytes of the first frame in which a Xing header lies


@dataclass(frozen=True)
class Scan:
    """What a walk over the headers found.

    Attributes
    ----------
    count : int
        Frames with sound.
    declared : int or None
        Frames that the Xing (or Info) header promises.
    samples_per_frame : int
        Samples of each channel in a frame: 384, 576 or 1152.
    cut : bool
        The last frame ends behind the file.
    """

    count: int
    declared: int | None
    samples_per_frame: int
    cut: bool


def scan(file: BinaryIO, size: int) -> Scan | None:
    """Walk over the frames of an MPEG file, from header to header.

    Parameters
    ----------
    file : BinaryIO
        At its first byte.
    size : int
        Bytes that the file has.

    Returns
    -------
    Scan or None
        None where a header is not where the one before says that it is (junk between the frames, or a
        bit rate of no fixed size): nothing is claimed about such a file.
    """
    at = _behind_id3(file)
    file.seek(at)
    first = _parse(file.read(4))
    if first is None:
        return None
    length, samples = first
    declared = _declared(file.read(_LARGEST_HEADER))
    count = 0
    while True:
        count += 1
        at += length
        if at > size:
            return Scan(count - 1, declared, samples, cut=True)
        file.seek(at)
        header = file.read(4)
        parsed = _parse(header)
        if parsed is None or parsed[1] != samples:
            if len(header) < 4 or header.startswith(_TAGS):
                # A Xing header stands in a frame of its own, which has no sound and which it does not count.
                return Scan(count - (declared is not None), declared, samples, cut=False)
            return None
        length = parsed[0]


def _behind_id3(file: BinaryIO) -> int:
    """Give the byte behind the ID3v2 tags at the beginning, whose sizes have seven bits to a byte."""
    at = 0
    while True:
        file.seek(at)
        head = file.read(10)
        if len(head) < 10 or not head.startswith(b"ID3"):
            return at
        size = 0
        for byte in head[6:]:
            size = size << 7 | byte & 0x7F
        at += 10 + size + (10 if head[5] & 0x10 else 0)


def _parse(header: bytes) -> tuple[int, int] | None:
    """Give (bytes, samples) of the frame with this header; None if it is none, or the size is not fixed."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bits, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 4 or bits in (0, 15) or rate == 3:
        return None
    kbps, hertz = _KBPS[version == _VERSION_1, layer][bits - 1], _RATES[version][rate]
    if layer == 1:
        return (12_000 * kbps // hertz + padding) * 4, 384
    samples = 1152 if layer == 2 or version == _VERSION_1 else 576
    return samples // 8 * 1000 * kbps // hertz + padding, samples


def _declared(frame: bytes) -> int | None:
    """Read the count of frames from a Xing or Info header, where there is one that has it."""
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    if at < 0 or len(frame) < at + 12 or not frame[at + 7] & 1:
        return None
    return int.from_bytes(frame[at + 8 : at + 12], "big")
