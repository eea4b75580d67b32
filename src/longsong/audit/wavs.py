"""Wav files as they are, read from their own headers; and the seed, looked for in them (P13, P15)."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from longsong.audit.short_time import LEAST_SAMPLE_RATE
from longsong.errors import RunError
from longsong.files import reading_named

__all__ = ["Wav", "seed_left_in", "similarity"]

Samples = NDArray[np.int16]


@dataclass(frozen=True)
class Wav:
    """A wav file.

    Attributes
    ----------
    path : Path
        The file.
    channels, sample_bits, sample_rate, samples : int
        As its header says; `sample_rate` in Hz, `samples` in each channel.
    """

    path: Path
    channels: int
    sample_bits: int
    sample_rate: int
    samples: int

    @classmethod
    def open(cls, path: Path) -> Wav:
        """Read the header.

        Raises
        ------
        RunError
            There is no such file, it is no wav that the standard library reads, or its rate is none of sound.
        UnreadableError
            The system does not give it.
        """
        with reading_named(path):
            if not path.exists():
                raise RunError(f"there is no {path}; run longsong generate")
        try:
            with reading_named(path), path.open("rb") as held, wave.open(held, "rb") as file:
                found = cls(path, file.getnchannels(), 8 * file.getsampwidth(), file.getframerate(), file.getnframes())
        except (EOFError, wave.Error) as error:
            raise RunError(f"{path} is no wav that can be read ({error}); generate it again") from error
        if found.sample_rate < LEAST_SAMPLE_RATE:
            raise RunError(f"{path} is no wav of sound: it has {found.sample_rate} samples a second; generate it again")
        return found

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples / self.sample_rate

    @cached_property
    def data(self) -> Samples:
        """The samples, shape (samples,), int16.

        Raises
        ------
        RunError
            It is not mono of 16 bits, holds no sample, or fewer than its header says.
        UnreadableError
            The system does not give it.
        """
        if self.channels != 1 or self.sample_bits != 16:
            raise RunError(
                f"{self.path} has {self.channels} channels of {self.sample_bits} bits, not one of 16; generate it again"
            )
        if not self.samples:
            raise RunError(f"{self.path} holds no sample; generate it again")
        try:
            with reading_named(self.path), self.path.open("rb") as held, wave.open(held, "rb") as file:
                data = np.frombuffer(file.readframes(self.samples), dtype="<i2")
        except (EOFError, ValueError, wave.Error) as error:
            raise RunError(f"{self.path} cannot be read to its end ({error}); generate it again") from error
        if len(data) != self.samples:
            raise RunError(
                f"{self.path} holds {len(data)} samples where its header says {self.samples}; generate it again"
            )
        return data.astype(np.int16)


def seed_left_in(wav: Samples, seed: Samples, frame: int) -> int:
    """Count the samples at the start of a wav that are the seed's own.

    The wav's frames are looked for, bit for bit, at every lag of the seed, one after the other until one
    is not found. A frame whose samples are all alike (digital silence) tells nothing and is not counted
    unless one that does follows it.

    Parameters
    ----------
    wav, seed : ndarray, shape (samples,), int16
        What was generated, and what it was generated from.
    frame : int
        Samples in a frame.

    Returns
    -------
    int
        Samples; 0 where the seed was cut off (P13).
    """
    haystack = seed.astype("<i2").tobytes()
    left = 0
    for start in range(0, min(len(wav), len(seed)) - frame + 1, frame):
        piece = wav[start : start + frame]
        if (piece == piece[0]).all():
            continue
        if not _holds(haystack, piece.astype("<i2").tobytes()):
            break
        left = start + frame
    return left


def _holds(haystack: bytes, needle: bytes) -> bool:
    """Tell whether `needle` stands in `haystack` at a whole int16."""
    at = haystack.find(needle)
    while at % 2 == 1:  # found across two samples: look on; -1 % 2 is 1 as well
        if at < 0:
            return False
        at = haystack.find(needle, at + 1)
    return True


def similarity(wav: Samples, seed: NDArray[np.int16] | NDArray[np.float64]) -> float:
    """Give the normalised correlation of a wav's start with its seed, over the shorter of the two.

    Finds a seed that was left in at another level, which `seed_left_in` cannot.

    Returns
    -------
    float
        Between -1 and 1; 0 where one of the two is constant.
    """
    length = min(len(wav), len(seed))
    if length == 0:
        return 0.0
    a, b = (x[:length].astype(np.float64) for x in (wav, seed))
    a -= a.mean()
    b -= b.mean()
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / scale if scale > 0 else 0.0
