"""Wav files of one channel of 16 bits, written block by block."""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from longsong.errors import AudioError
from longsong.files import os_errors_named, sync_folder

__all__ = ["SAMPLE_RATE", "Samples", "WavWriter", "wav_header", "write_wav", "write_wav_blocks"]

Samples = npt.NDArray[np.int16]

SAMPLE_RATE = 16_000  # Hz; that of the 2016 song (FACTS section 2)
_LARGEST_WAV = 2**32 - 4096  # bytes; sizes in a wav have 32 bits


def write_wav(path: Path, samples: Samples, sample_rate: int = SAMPLE_RATE) -> None:
    """Write int16 samples of one channel as a wav, whole or not at all; raises as `write_wav_blocks`."""
    write_wav_blocks(path, [samples], len(samples), sample_rate)


def write_wav_blocks(path: Path, blocks: Iterable[Samples], total: int, sample_rate: int = SAMPLE_RATE) -> None:
    """Write blocks of int16 samples as one wav, whole or not at all.

    Parameters
    ----------
    path : Path
    blocks : iterable of ndarray, shape (n,), int16
        Consecutive samples of one channel.
    total : int
        How many there are in all.
    sample_rate : int
        Hz.

    Raises
    ------
    SpaceError, RunError
        As `WavWriter`.
    AudioError
        The blocks do not have `total` samples.
    """
    with WavWriter(path, total, sample_rate) as writer:
        for block in blocks:
            writer.write(block)
        if writer.written != total:
            raise AudioError(f"{path} was to have {total:,} samples and got {writer.written:,}; give all of them")


class WavWriter:
    """A wav that is written as its samples come: beside its name, a valid file at any time, renamed at the end.

    A context: it ends with `close`, or where an error comes out of it with `abandon`.

    Parameters
    ----------
    path : Path
        Where to; until it is closed the file is ``NAME.PID.partial.wav`` beside it, which a player can open. Above
        4 GiB it is RF64, the wav with sizes of 64 bits, under the same name.
    most : int
        Samples that will be written at most.
    sample_rate : int
        Hz.

    Attributes
    ----------
    written : int
        Samples so far.

    Raises
    ------
    SpaceError
        The disk is full, or may not be written to; so for every method.
    RunError
        Its folder is not there, or the path is that of a folder.
    """

    def __init__(self, path: Path, most: int, sample_rate: int = SAMPLE_RATE) -> None:
        self._path, self._rate, self._most = Path(path), sample_rate, most
        self._beside = self._path.with_name(f"{self._path.stem}.{os.getpid()}.partial.wav")
        self.written = 0
        with os_errors_named(self._path):
            self._file = self._beside.open("wb")
            try:
                self._write_header()
            except BaseException:
                self.abandon()
                raise

    def write(self, block: Samples) -> None:
        """Add samples, shape (n,), int16, of one channel."""
        with os_errors_named(self._path):
            self._file.write(np.ascontiguousarray(block, "<i2").data)
            self.written += len(block)
            self._write_header()

    def close(self, path: Path | None = None) -> None:
        """Give the file its name, with all that was written; or `path`, another in its folder."""
        try:
            with os_errors_named(self._path):
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                self._beside.replace(path or self._path)
                sync_folder(self._path.parent)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Remove what was written, if it does not have its name by now."""
        with contextlib.suppress(OSError):  # what could not be written cannot be flushed either
            self._file.close()
        with contextlib.suppress(OSError):
            self._beside.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abandon()

    def _write_header(self) -> None:
        self._file.seek(0)
        self._file.write(wav_header(self.written, self._rate, most=self._most))
        self._file.seek(0, os.SEEK_END)
        self._file.flush()


def wav_header(samples: int | None, sample_rate: int, *, most: int | None = None) -> bytes:
    """Give what stands before the samples of a wav of one channel of 16 bits.

    `samples` None is a length that nobody knows yet: its sizes are then the largest there are, as other programs write
    them to a pipe, and players play what comes. Where the samples, or with `most` what they may become, take more than
    4 GiB, it is RF64 (EBU Tech 3306), whose sizes are in a chunk of their own.
    """
    kind = struct.pack("<4sIHHIIHH4s", b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16, b"data")
    elsewhere = 0xFFFFFFFF
    if samples is None:
        return struct.pack("<4sI4s", b"RIFF", elsewhere, b"WAVE") + kind + struct.pack("<I", elsewhere)
    size = 2 * samples
    if 2 * max(samples, most or 0) < _LARGEST_WAV:
        return struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + kind + struct.pack("<I", size)
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, 72 + size, size, samples, 0)
    return struct.pack("<4sI4s", b"RF64", elsewhere, b"WAVE") + sizes + kind + struct.pack("<I", elsewhere)
