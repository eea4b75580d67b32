"""Wav files of one channel of 16 bits, written block by block, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from longsong.errors import AudioError
from longsong.files import os_errors_named, sync_folder

__all__ = ["SAMPLE_RATE", "Samples", "write_wav", "write_wav_blocks"]

Samples = npt.NDArray[np.int16]

SAMPLE_RATE = 16_000  # Hz; that of the 2016 song (FACTS section 2)
_LARGEST_WAV = 2**32 - 4096  # bytes; sizes in a wav have 32 bits


def write_wav(path: Path, samples: Samples, sample_rate: int = SAMPLE_RATE) -> None:
    """Write int16 samples of one channel as a wav, whole or not at all; raises as `write_wav_blocks`."""
    write_wav_blocks(path, [samples], len(samples), sample_rate)


def write_wav_blocks(path: Path, blocks: Iterable[Samples], total: int, sample_rate: int = SAMPLE_RATE) -> None:
    """Write blocks of int16 samples as one wav: beside it, synced, then renamed.

    Parameters
    ----------
    path : Path
        Where to. Above 4 GiB the file is RF64, the wav with sizes of 64 bits, under the same name.
    blocks : iterable of ndarray, shape (n,), int16
        Consecutive samples of one channel.
    total : int
        How many there are in all; stands in the header, before the samples.
    sample_rate : int
        Hz.

    Raises
    ------
    SpaceError
        The disk is full, or may not be written to.
    RunError
        Its folder is not there, or the path is that of a folder.
    AudioError
        The blocks do not have `total` samples.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    written = 0
    try:
        with os_errors_named(path):
            with beside.open("wb") as file:
                file.write(_header(total, sample_rate))
                for block in blocks:
                    file.write(np.ascontiguousarray(block, "<i2").data)
                    written += len(block)
                if written != total:
                    raise AudioError(f"{path} was to have {total:,} samples and got {written:,}; give all of them")
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
            sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):  # renamed by now, or never made
            beside.unlink()


def _header(samples: int, sample_rate: int) -> bytes:
    """Give what stands before the samples of a wav of one channel of 16 bits.

    Above 4 GiB that is RF64 (EBU Tech 3306), whose sizes are in a chunk of their own.
    """
    size = 2 * samples
    kind = struct.pack("<4sIHHIIHH4s", b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16, b"data")
    if size < _LARGEST_WAV:
        return struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + kind + struct.pack("<I", size)
    elsewhere = 0xFFFFFFFF
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, 72 + size, size, samples, 0)
    return struct.pack("<4sI4s", b"RF64", elsewhere, b"WAVE") + sizes + kind + struct.pack("<I", elsewhere)
