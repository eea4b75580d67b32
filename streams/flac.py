"""FLAC, the encoding of shards that take about half the bytes: one file a block, in memory.

The format is RFC 9639; libsndfile does the work. What the index knows was compared with its checksum before it is
decoded here, so that what cannot be decoded was written so.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.errors import DamagedShardError, WriteError

__all__ = ["StreamInfo", "check_sample_rate", "decode", "encode", "stream_info"]

_LARGEST_16_BITS = 65_535
_LARGEST_RATE = 10 * _LARGEST_16_BITS
_SAMPLES_OF_A_FRAME = 65_535  # at most
_BYTES_OF_A_FRAME = 10  # at least: head 5, its checksum 1, a subframe 2, its checksum 2

_STREAMINFO_BYTES = 34
_HEAD = b"fLaC", b"\x00\x00\x22"
"""The marker, a byte of which the low 7 bits are 0 (the kind of block), and the length of a STREAMINFO."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What the head of a FLAC file says (RFC 9639, section 8.2).

    Parameters
    ----------
    sample_rate : int
        In Hz.
    channels, bits : int
        Channels, and bits of a sample.
    samples : int
        Of each channel; 0 where its writer did not know.
    """

    sample_rate: int
    channels: int
    bits: int
    samples: int


def check_sample_rate(sample_rate: int) -> None:
    """Refuse what the head of a FLAC frame cannot say (RFC 9639, section 9.1.2): Hz or tens of Hz in 16 bits.

    Raises
    ------
    WriteError
        Above 65,535 Hz and not a multiple of 10, or above 655,350 Hz.
    """
    if sample_rate > _LARGEST_RATE or (sample_rate > _LARGEST_16_BITS and sample_rate % 10):
        raise WriteError(
            f"sample_rate is {sample_rate}: flac has rates up to {_LARGEST_16_BITS} Hz, and multiples of 10 up to "
            f"{_LARGEST_RATE}; take the encoding npy"
        )


def encode(samples: npt.NDArray[np.int16], sample_rate: int) -> bytes:
    """Pack samples into a FLAC file; the same bytes each time, as long as the library stays the same.

    Parameters
    ----------
    samples : ndarray, shape (n,), int16
        One or more.
    sample_rate : int
        In Hz.

    Raises
    ------
    WriteError
        A sample rate that FLAC does not have.
    """
    import soundfile

    check_sample_rate(sample_rate)
    file = io.BytesIO()
    soundfile.write(file, samples, sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def decode(data: bytes | memoryview, samples: int, where: str) -> npt.NDArray[np.int16]:
    """Unpack a FLAC file that holds one channel of 16 bits.

    Parameters
    ----------
    data : bytes or memoryview
        The whole file.
    samples : int
        How many there have to be.
    where : str
        Name of shard and member, for messages.

    Returns
    -------
    ndarray, shape (samples,), int16

    Raises
    ------
    DamagedShardError
        No such file, or another number of samples.
    """
    import soundfile

    info = stream_info(data, where)
    if (info.channels, info.bits, info.samples) != (1, 16, samples):
        raise DamagedShardError(
            f"{where}: FLAC of {info.samples} samples in {info.channels} channels of {info.bits} bits, where "
            f"{samples} in one of 16 are due; make the shards again"
        )
    # Before there is room for them: a small file may claim many.
    if samples > len(data) // _BYTES_OF_A_FRAME * _SAMPLES_OF_A_FRAME:
        raise DamagedShardError(f"{where}: {len(data)} bytes of FLAC do not hold {samples} samples")
    decoded = np.empty(samples, dtype=np.int16)
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            found = file.buffer_read_into(decoded, dtype="int16")
            more = file.buffer_read_into(np.empty(1, dtype=np.int16), dtype="int16")
    except soundfile.SoundFileError as error:
        raise DamagedShardError(f"{where}: FLAC that cannot be decoded ({error}); make the shards again") from error
    if found != samples or more:
        raise DamagedShardError(f"{where}: FLAC of {found + more} samples where {samples} are due")
    decoded.flags.writeable = False  # it is kept, and given to more than one
    return decoded


def stream_info(data: bytes | memoryview, where: str) -> StreamInfo:
    """Read the head of a FLAC file.

    Raises
    ------
    DamagedShardError
        It is none.
    """
    head = bytes(data[: 8 + _STREAMINFO_BYTES])
    if len(head) < 8 + _STREAMINFO_BYTES or head[4] & 0x7F or (head[:4], head[5:8]) != _HEAD:
        raise DamagedShardError(f"{where}: no FLAC file; make the shards again")
    # 20 bits of rate, 3 of channels less one, 5 of bits less one, 36 of samples, after block and frame sizes.
    packed = int.from_bytes(head[18:26], "big")
    return StreamInfo(
        sample_rate=packed >> 44,
        channels=(packed >> 41 & 7) + 1,
        bits=(packed >> 36 & 31) + 1,
        samples=packed & (1 << 36) - 1,
    )
