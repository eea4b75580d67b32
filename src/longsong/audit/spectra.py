"""The spectrum of a sound against that of the song: log-spectral distance, flatness, Fréchet distance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.audit.levels import QUIET_DBFS
from longsong.audit.short_time import BANDS, Analysis, decibels
from longsong.errors import ConfigError

__all__ = [
    "SpectralMoments",
    "SpectralTally",
    "frechet_distance",
    "log_spectral_distance",
    "moments_of_silence",
    "spectral_figures",
]

_LOBE = 1.5
"""Power of a sine, of 1 at its own frequency, over all frequencies of Hann's window."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SpectralMoments:
    """What is kept of the short-time spectra of a sound (`short_time.Analysis`).

    Attributes
    ----------
    windows : int
        How many windows, 1 or more.
    mean_square : float
        Mean of the squared samples, as seen through the windows; 1 is full scale.
    flatness : float or None
        Mean spectral flatness of the windows that are not silent; None where all are.
    log_power : ndarray, shape (bins,), float64
        Mean over the windows of the power at each frequency, in dB.
    mel_mean : ndarray, shape (BANDS,), float64
        Mean over the windows of the power in each mel band, in dB.
    mel_covariance : ndarray, shape (BANDS, BANDS), float64
        Their covariance, dB squared, divided by the number of windows.
    """

    windows: int
    mean_square: float
    flatness: float | None
    log_power: Floats
    mel_mean: Floats
    mel_covariance: Floats


class SpectralTally:
    """Adds spectra up, a piece of the sound at a time.

    Spectral flatness is the geometric over the arithmetic mean of the power over frequency: 0 for a tone, and
    exp(-0.5772) = 0.561 for the spectra of white noise (Gray and Markel, 1974, doi:10.1109/TASSP.1974.1162572).

    Parameters
    ----------
    analysis : Analysis
        How the spectra were made.
    """

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis
        self._windows = self._sounding = 0
        self._power = self._flatness = 0.0
        self._log_power = np.zeros(analysis.bins)
        self._mel = np.zeros(BANDS)
        self._mel_products = np.zeros((BANDS, BANDS))

    def add(self, powers: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add the power spectra of further windows, shape (windows, bins); give their `Analysis.mel_powers`."""
        floor = self._analysis.floor
        # By Parseval's theorem; 0 Hz and the highest frequency stand for one side of the spectrum only.
        level = (powers.sum(1, dtype=np.float64) - (powers[:, 0] + powers[:, -1]) / 2) / _LOBE
        mel_powers = self._analysis.mel_powers(powers)
        log_mel = decibels(mel_powers.astype(np.float64), floor)
        log_powers = decibels(powers, np.float32(floor))
        sounds = level >= 10 ** (QUIET_DBFS / 10)
        geometric = 10 ** (log_powers[sounds].mean(1, dtype=np.float64) / 10)
        self._flatness += float((geometric / (powers[sounds].mean(1, dtype=np.float64) + floor)).sum())
        self._windows += len(powers)
        self._sounding += int(sounds.sum())
        self._power += float(level.sum())
        self._log_power += log_powers.sum(0, dtype=np.float64)
        self._mel += log_mel.sum(0)
        self._mel_products += log_mel.T @ log_mel
        return mel_powers

    def moments(self) -> SpectralMoments | None:
        """Give what was added up; None where no window was."""
        if not self._windows:
            return None
        mean = self._mel / self._windows
        return SpectralMoments(
            windows=self._windows,
            mean_square=self._power / self._windows / 2,  # a sine of full scale has a mean square of 1/2
            flatness=self._flatness / self._sounding if self._sounding else None,
            log_power=self._log_power / self._windows,
            mel_mean=mean,
            mel_covariance=self._mel_products / self._windows - np.outer(mean, mean),
        )


def moments_of_silence(analysis: Analysis) -> SpectralMoments:
    """Give the moments of digital silence: the level of rounding everywhere, and no variance."""
    level = 10 * math.log10(analysis.floor)
    return SpectralMoments(1, 0.0, None, np.full(analysis.bins, level), np.full(BANDS, level), np.zeros((BANDS, BANDS)))


def log_spectral_distance(a: Floats, b: Floats) -> float:
    """Give the root mean square over frequency of the difference of two spectra in dB.

    Gray and Markel, "Distance measures for speech processing" (1976), doi:10.1109/TASSP.1976.1162849.

    Parameters
    ----------
    a, b : ndarray, shape (bins,)
        In dB.
    """
    return float(np.sqrt(np.mean(np.square(a - b))))


def frechet_distance(mean_a: Floats, covariance_a: Floats, mean_b: Floats, covariance_b: Floats) -> float:
    """Give the Fréchet distance of two normal distributions, in the unit of their values.

    Its square is ``|mean_a - mean_b|^2 + trace(A + B - 2 (A B)^(1/2))`` (Dowson and Landau, 1982,
    doi:10.1016/0047-259X(82)90077-X). ``A B`` has the eigenvalues of the symmetric ``A^(1/2) B A^(1/2)``; those that
    rounding makes negative count as 0, so that covariances without full rank (a short sound, silence) need no ridge.

    Parameters
    ----------
    mean_a, mean_b : ndarray, shape (n,)
    covariance_a, covariance_b : ndarray, shape (n, n)

    Raises
    ------
    ConfigError
        The shapes do not agree.
    """
    n = len(mean_a)
    if mean_b.shape != (n,) or covariance_a.shape != (n, n) or covariance_b.shape != (n, n):
        shapes = [array.shape for array in (mean_a, covariance_a, mean_b, covariance_b)]
        raise ConfigError(f"means and covariances have the shapes {shapes}; give (n,), (n, n), (n,), (n, n)")
    values, vectors = np.linalg.eigh(covariance_a)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariance_b @ root), 0)).sum()
    square = np.square(mean_a - mean_b).sum() + np.trace(covariance_a) + np.trace(covariance_b) - 2 * cross
    return math.sqrt(max(0.0, float(square)))


def frechet_between(a: SpectralMoments, b: SpectralMoments) -> float:
    """Give the Fréchet distance of the log-mel statistics of two sounds, in dB.

    With other features (those of a trained network) it is the FAD of Kilgour et al. (2019), arXiv:1812.08466; this
    one needs no network, and its numbers do not compare with theirs.
    """
    return frechet_distance(a.mel_mean, a.mel_covariance, b.mel_mean, b.mel_covariance)


def spectral_figures(sound: SpectralMoments, song: SpectralMoments) -> dict[str, Any]:
    """Compare a sound with the train split of the song.

    Returns
    -------
    dict
        ``log_spectral_distance`` of the mean spectra, in dB, and ``log_spectral_distance_of_shapes``, the same
        without the difference in level; ``flatness`` and ``flatness_of_song``; ``frechet_log_mel``, in dB.
    """
    shapes = (moments.log_power - moments.log_power.mean() for moments in (sound, song))
    return {
        "log_spectral_distance": log_spectral_distance(sound.log_power, song.log_power),
        "log_spectral_distance_of_shapes": log_spectral_distance(*shapes),
        "flatness": sound.flatness,
        "flatness_of_song": song.flatness,
        "frechet_log_mel": frechet_between(sound, song),
    }
