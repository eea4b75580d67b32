"""Does a sound go round in circles: self-similarity of its timbre, and the period that its wave is locked to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.audit.levels import QUIET_DBFS, dbfs, root_mean_square
from longsong.audit.short_time import BANDS, int16_row
from longsong.config import whole
from longsong.errors import ConfigError

__all__ = ["lagged_correlation", "period_lock", "self_similarity"]

_NEAR_BEST = 0.98
"""What repeats after P repeats after 2 P as well: the first that is as good as this share of the best is the period."""

Floats = NDArray[np.float64]


def self_similarity(log_mel: Floats, centre: Floats, windows_together: int) -> dict[str, Any]:
    """Compare every stretch of a sound with every other, by timbre.

    A stretch is the mean log-mel spectrum of so many windows, less that of the song; two are compared by the cosine
    of their angle (Foote, "Visualizing music and audio using self-similarity", 1999, doi:10.1145/319463.319472).
    Centred on the song, a sound that stands still in any timbre but the song's mean one is near 1, and unrelated
    timbres are near 0; neighbours are left out, as every sound is like itself a moment ago.

    Parameters
    ----------
    log_mel : ndarray, shape (windows, BANDS), float64
        `Analysis.log_mel` of the sound.
    centre : ndarray, shape (BANDS,), float64
        Mean log-mel spectrum of the song.
    windows_together : int
        Windows in a stretch.

    Returns
    -------
    dict
        ``stretches``, how many; ``mean``, over all pairs; ``nearest``, the median over the stretches of the
        similarity to the most similar other. None each where there are fewer than three stretches.

    Raises
    ------
    ConfigError
        The shapes do not agree, or there are no windows in a stretch.
    """
    whole("windows-together", windows_together)
    if log_mel.ndim != 2 or log_mel.shape[1:] != centre.shape or centre.shape != (BANDS,):
        raise ConfigError(
            f"log-mel spectra of shape {log_mel.shape} and a centre of {centre.shape} do not go together; give "
            f"(windows, {BANDS}) and ({BANDS},)"
        )
    count = len(log_mel) // windows_together
    if count < 3:
        return {"stretches": count, "mean": None, "nearest": None}
    stretches = log_mel[: count * windows_together].reshape(count, windows_together, -1).mean(1) - centre
    length = np.linalg.norm(stretches, axis=1, keepdims=True)
    stretches /= np.where(length > 0, length, 1)
    cosines = stretches @ stretches.T
    apart = np.abs(np.subtract.outer(np.arange(count), np.arange(count))) > 1
    nearest = np.where(apart, cosines, -1).max(1)
    return {"stretches": count, "mean": float(cosines[apart].mean()), "nearest": float(np.median(nearest))}


def lagged_correlation(samples: NDArray[Any], longest: int) -> Floats:
    """Give the normalised correlation of samples with themselves at every lag from 0 to `longest`.

    Each is that of the overlapping parts, scaled by their own energies, so that a wave that repeats exactly has 1 at
    its period however few times it does. Computed with one Fourier transform (Wiener-Khinchin).

    Parameters
    ----------
    samples : ndarray, shape (n,)
    longest : int
        Less than n.

    Returns
    -------
    ndarray, shape (longest + 1,), float64
        0 where one of the parts has no energy.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    values = samples.astype(np.float64)
    n = len(values)
    if not 0 <= longest < n:
        raise ConfigError(f"lags up to {longest} do not lie within {n} samples; give fewer than there are samples")
    size = next_fast_len(n + longest, real=True)
    spectrum = rfft(values, size, workers=2)
    products = irfft(np.square(spectrum.real) + np.square(spectrum.imag), size, workers=2)[: longest + 1]
    energy = np.concatenate([[0.0], np.cumsum(np.square(values))])
    lags = np.arange(longest + 1)
    scale = np.sqrt(energy[n - lags] * (energy[n] - energy[lags]))
    strengths = np.zeros(longest + 1)
    np.divide(products, scale, out=strengths, where=scale > 0)
    return strengths


def period_lock(samples: NDArray[np.int16], sample_rate: int, frame: int) -> dict[str, Any] | None:
    """Find the period, longer than a frame, that a sound repeats with most exactly.

    A network that is fed its own predictions may end in a cycle of some frames: the wave then repeats exactly, and
    the strength is near 1. A single steady tone has a strength near 1 as well, at its pitch or a multiple of it.
    What repeats with every frame is left to `borders`.

    Parameters
    ----------
    samples : ndarray, shape (n,), int16
    sample_rate : int
        Hz.
    frame : int
        Samples in a frame.

    Returns
    -------
    dict or None
        ``lag`` in samples, ``seconds``, and ``strength``, the normalised correlation at that lag, between -1 and 1.
        None for a sound under -60 dBFS (its mean apart), one too short to hold a longer period twice, or one in
        which nothing stands out: the correlation only falls.

    Raises
    ------
    ConfigError
        `samples` are not int16 in a row, or `frame` is less than 1.
    """
    int16_row(samples)
    whole("frame", frame)
    centred = samples - samples.mean(dtype=np.float64)
    level = dbfs(root_mean_square(centred))
    longest = len(samples) // 2
    if longest < frame + 2 or level is None or level < QUIET_DBFS:
        return None
    strengths = lagged_correlation(centred, longest)
    inner = strengths[1:-1]
    peaks = np.flatnonzero((inner >= strengths[:-2]) & (inner > strengths[2:])) + 1
    peaks = peaks[peaks > frame]
    if not len(peaks):
        return None
    best = strengths[peaks].max()
    good = peaks[strengths[peaks] >= (best * _NEAR_BEST if best > 0 else best)]
    lag = int(good[0])
    return {"lag": lag, "seconds": lag / sample_rate, "strength": float(strengths[lag])}
