"""Short-time spectra of a sound: power in dB over frequency, and over mel bands.

Every figure that compares spectra is taken from these, so that one sound and a song of hours are measured alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from longsong.config import whole
from longsong.errors import ConfigError

__all__ = ["BANDS", "FULL_SCALE", "LEAST_SAMPLE_RATE", "Analysis", "SongLike", "decibels", "int16_row", "require_split"]

BANDS = 64
"""Mel bands, from 0 Hz to half of the sample rate."""

FULL_SCALE = 32768
"""The largest magnitude of an int16 sample."""

LEAST_SAMPLE_RATE = 1000
"""Hz; less is no recording of sound."""

_WINDOW_SECONDS = 0.064
_WINDOWS_AT_ONCE = 2048
"""Windows transformed together: 8 MiB of float32 at 16 kHz."""

_STEP_POWER = 1 / 12
"""Power of the error of rounding to a whole number, in squared int16 steps (Bennett, 1948)."""

Samples = NDArray[np.int16]
Floats = NDArray[np.float32]


class SongLike(Protocol):
    """What the figures need of a song: `streams.Song` and `streams.ArraySong` have it."""

    sample_rate: int

    @property
    def digest(self) -> str:
        """sha256 of all samples."""
        ...

    def __len__(self) -> int:
        """Samples in all."""
        ...

    def __getitem__(self, key: slice) -> Samples:
        """Give a run of samples, int16."""
        ...


def int16_row(samples: NDArray[Any]) -> Samples:
    """Give `samples` back if they are int16 in a row, one or more.

    Raises
    ------
    ConfigError
        They are not.
    """
    if samples.dtype != np.int16 or samples.ndim != 1 or len(samples) == 0:
        raise ConfigError(
            f"a sound is {samples.dtype} of shape {samples.shape}; give int16 samples of one channel, one or more"
        )
    return samples


def require_split(song: SongLike, train_samples: int) -> None:
    """Raise `ConfigError` unless the train split has a sample and ends within the song."""
    whole("train-samples", train_samples)
    if train_samples > len(song):
        raise ConfigError(f"train-samples is {train_samples:,}, and the song has {len(song):,}; give fewer")


def decibels(power: NDArray[Any], floor: Any) -> NDArray[Any]:
    """Give power in dB, with the power of rounding to int16 added, so that digital silence has a level too."""
    shifted: NDArray[Any] = power + floor
    np.log10(shifted, out=shifted)
    shifted *= 10
    return shifted


@dataclass(frozen=True)
class Analysis:
    """How a sound is cut into windows, and each made a spectrum.

    Windows are of Hann's shape and overlap by half; their length is the power of two nearest to 64 ms (1024 samples
    at 16 kHz). Power is scaled so that a sine of full scale has 1 (0 dB) at its frequency.

    Parameters
    ----------
    sample_rate : int
        Hz.
    """

    sample_rate: int

    def __post_init__(self) -> None:
        whole("sample-rate", self.sample_rate, least=LEAST_SAMPLE_RATE)

    @property
    def window(self) -> int:
        """Samples in a window."""
        return 1 << round(math.log2(_WINDOW_SECONDS * self.sample_rate))

    @property
    def hop(self) -> int:
        """Samples from one window to the next."""
        return self.window // 2

    @property
    def bins(self) -> int:
        """Frequencies in a spectrum, 0 Hz and half of the sample rate included."""
        return self.window // 2 + 1

    def windows_in(self, samples: int) -> int:
        """Count the whole windows in so many samples."""
        return max(0, (samples - self.window) // self.hop + 1)

    @cached_property
    def _shape(self) -> Floats:
        """Hann's window, scaled so that a sine of full scale has a power of 1."""
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.window) / self.window)
        return np.asarray(hann * 2 / (hann.sum() * FULL_SCALE), dtype=np.float32)

    @cached_property
    def floor(self) -> float:
        """Power that rounding to int16 leaves at each frequency."""
        return float(_STEP_POWER * np.square(self._shape, dtype=np.float64).sum())

    @cached_property
    def mel_bank(self) -> Floats:
        """Weights of the mel bands, shape (bins, BANDS): triangles of area 1, equally wide on the mel scale.

        The scale is that of O'Shaughnessy, "Speech Communication: Human and Machine" (1987), 2595 log10(1 + f/700);
        the triangles are those of Davis and Mermelstein (1980), doi:10.1109/TASSP.1980.1163420.
        """
        highest = 2595 * np.log10(1 + self.sample_rate / 2 / 700)
        edges = 700 * (10 ** (np.linspace(0, highest, BANDS + 2) / 2595) - 1)
        at = np.arange(self.bins)[:, None] * (self.sample_rate / self.window)
        low, middle, high = edges[:-2], edges[1:-1], edges[2:]
        weights = np.maximum(0, np.minimum((at - low) / (middle - low), (high - at) / (high - middle)))
        return np.asarray(weights / weights.sum(0), dtype=np.float32)

    def powers(self, samples: Samples) -> Iterator[Floats]:
        """Give the power spectra of all whole windows, a bounded number at a time.

        Parameters
        ----------
        samples : ndarray, shape (n,), int16

        Yields
        ------
        ndarray, shape (windows, bins), float32
            1 is the power of a sine of full scale.
        """
        from scipy.fft import rfft

        if self.windows_in(len(samples)) == 0:
            return
        windows = np.lib.stride_tricks.sliding_window_view(samples, self.window)[:: self.hop]
        for start in range(0, len(windows), _WINDOWS_AT_ONCE):
            spectra = rfft(windows[start : start + _WINDOWS_AT_ONCE] * self._shape, axis=1, workers=2)
            yield np.square(spectra.real) + np.square(spectra.imag)

    def powers_of_split(self, song: SongLike, start: int, stop: int) -> Iterator[tuple[int, Floats]]:
        """Give the power spectra of samples [start, stop) of a song, read piece by piece.

        Yields
        ------
        int
            The sample behind the last that was read.
        ndarray, shape (windows, bins), float32
        """
        step = _WINDOWS_AT_ONCE * self.hop
        for at in range(start, stop - self.window + 1, step):
            end = min(at + step + self.window - self.hop, stop)
            for powers in self.powers(song[at:end]):
                yield end, powers

    def mel_powers(self, powers: Floats) -> Floats:
        """Give the mean power in each mel band, shape (windows, BANDS), of spectra of shape (windows, bins)."""
        return powers @ self.mel_bank

    def log_mel(self, powers: Floats) -> NDArray[np.float64]:
        """Give `mel_powers` in dB, shape (windows, BANDS), float64."""
        return decibels(self.mel_powers(powers).astype(np.float64), self.floor)
