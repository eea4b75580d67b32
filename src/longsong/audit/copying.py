"""Is a sound copied from the song: the highest normalised cross-correlation with the train split, and where.

The search is coarse first, then exact. Of the train split a small pattern is kept, the power in a few bands over
time, which is compared with every window of the sound at every place; at the most alike places the samples
themselves are correlated at every lag. The search over patterns alone decides what is looked at: what it gives is
the highest correlation *found*, and a place that is alike in its wave but not in its bands may be missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.audit.coarse_search import Pattern, likely_places
from longsong.audit.levels import QUIET_DBFS, dbfs, root_mean_square
from longsong.audit.short_time import SongLike, int16_row, require_split

__all__ = ["COPIED", "Match", "best_match", "copy_figures", "correlations_within"]

COPIED = 0.8
"""From this correlation on a window counts as copied: 0.64 of its power are the song's."""

_WINDOW_SECONDS = 1.0
_SAME_PLACE = 1
"""Samples by which neighbouring windows of one copy may differ in where they are found."""

Samples = NDArray[np.int16]


@dataclass(frozen=True)
class Match:
    """Where a window of the sound is most like the song.

    Attributes
    ----------
    start : int
        First sample of the window, in the sound.
    sample : int
        First sample of the place, in the song.
    correlation : float
        Normalised cross-correlation, means removed; negative where the sign is turned.
    """

    start: int
    sample: int
    correlation: float


def copy_figures(samples: Samples, song: SongLike, train_samples: int, pattern: Pattern) -> dict[str, Any]:
    """Look for windows of a sound in the train split of a song.

    Windows are of one second (or the whole of a shorter sound) and overlap by half; those under -60 dBFS are left
    out, as silence is like silence anywhere.

    Parameters
    ----------
    samples : ndarray, shape (n,), int16
        At the song's sample rate.
    song : SongLike
    train_samples : int
        Where the train split ends.
    pattern : Pattern
        Of the train split.

    Returns
    -------
    dict
        ``window_seconds``; ``windows``, how many were looked for; ``highest``, of the window that is most alike:
        ``correlation`` (negative: turned over), its ``second`` in the sound, the ``song_sample`` and ``song_second``
        that it is like; ``median`` of the magnitudes over all windows; ``copied_share``, of windows with 0.8 or
        more; ``longest_seconds``, the longest run of those windows from one place of the song. None each where
        there is nothing to look for, or to look in.

    Raises
    ------
    ConfigError
        `samples` are not int16 in a row, or the train split is not within the song.
    """
    int16_row(samples)
    require_split(song, train_samples)
    rate = song.sample_rate
    window = min(round(_WINDOW_SECONDS * rate), len(samples), train_samples)
    last = len(samples) - window
    every = [*range(0, last, max(1, window // 2)), last]
    starts = [at for at in every if _sounds(samples, at, window)]
    places = likely_places([samples[at : at + window] for at in starts], pattern)
    matches = [
        best_match(samples, at, window, song, train_samples, near, pattern.step)
        for at, near in zip(starts, places, strict=True)
        if len(near)
    ]
    found: dict[str, Any] = {"window_seconds": window / rate, "windows": len(matches)}
    if not matches:
        return found | dict.fromkeys(("highest", "median", "copied_share", "longest_seconds"))
    best = max(matches, key=lambda match: abs(match.correlation))
    strengths = np.array([abs(match.correlation) for match in matches])
    return found | {
        "highest": {
            "correlation": best.correlation,
            "second": best.start / rate,
            "song_sample": best.sample,
            "song_second": best.sample / rate,
        },
        "median": float(np.median(strengths)),
        "copied_share": float((strengths >= COPIED).mean()),
        "longest_seconds": _longest_copy(matches, window) / rate,
    }


def best_match(
    samples: Samples,
    start: int,
    window: int,
    song: SongLike,
    train_samples: int,
    places: NDArray[np.int64],
    reach: int,
) -> Match:
    """Give the place, within `reach` samples of any of `places`, that a window of a sound is most like.

    Parameters
    ----------
    samples : ndarray, shape (n,), int16
    start, window : int
        The window is samples [start, start + window).
    song : SongLike
    train_samples : int
        Where the train split ends; at least `window`.
    places : ndarray, shape (places,), int64
        Samples of the song, one or more.
    reach : int
        Samples.
    """
    query = samples[start : start + window]
    length = min(window + 2 * reach, train_samples)
    begins = np.clip(places - reach, 0, train_samples - length)
    pieces = np.stack([song[at : at + length] for at in begins.tolist()])
    coarse = np.abs(correlations_within(query, pieces, np.float32))
    begin = int(begins[np.unravel_index(coarse.argmax(), coarse.shape)[0]])
    # Once more in float64: of a low tone, neighbouring lags differ by less than float32 tells apart.
    exact = correlations_within(query, song[begin : begin + length][None], np.float64)[0]
    lag = int(np.abs(exact).argmax())
    return Match(start, begin + lag, float(exact[lag]))


def correlations_within(query: Samples, pieces: Samples, dtype: type[np.float32] | type[np.float64]) -> NDArray[Any]:
    """Correlate a window with every run of its length in some pieces, normalised, means removed.

    Means and energies of the runs are summed as integers and so exact; products come by Fourier transform
    (Lewis, "Fast normalized cross-correlation", 1995).

    Parameters
    ----------
    query : ndarray, shape (window,), int16
    pieces : ndarray, shape (pieces, length), int16
        Length is at least the window's.
    dtype : type
        In which the products are computed.

    Returns
    -------
    ndarray, shape (pieces, length - window + 1), `dtype`
        Between -1 and 1 but for rounding; 0 where one of the two is constant.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    window, length = len(query), pieces.shape[1]
    centred = query - query.mean(dtype=np.float64)
    norm = np.sqrt(np.square(centred).sum())
    size = next_fast_len(length, real=True)
    spectra = rfft(pieces.astype(dtype), size, workers=2)
    spectra *= rfft(centred.astype(dtype), size).conj()
    products = irfft(spectra, size, workers=2)[:, : length - window + 1]
    levels = pieces.astype(np.int64)
    sums, squares = _sums_of_runs(levels, window), _sums_of_runs(levels * levels, window)
    energies = squares - np.square(sums.astype(np.float64)) / window
    scale = np.sqrt(np.maximum(energies, 0)) * norm
    # A run of one value has no energy; what the subtraction leaves of it is rounding.
    varies = (norm > 0) & (energies > 1e-12 * squares)
    correlations = np.zeros(products.shape, dtype)
    np.divide(products, scale.astype(dtype), out=correlations, where=varies)
    return correlations


def _sums_of_runs(values: NDArray[np.int64], window: int) -> NDArray[np.int64]:
    """Give the sum of every run of `window` values, shape (pieces, length - window + 1), int64."""
    runs = np.empty((len(values), values.shape[1] - window + 1), np.int64)
    values[:, :window].sum(axis=1, out=runs[:, 0])
    np.subtract(values[:, window:], values[:, :-window], out=runs[:, 1:])  # from each run to the next
    return np.cumsum(runs, axis=1, out=runs)


def _sounds(samples: Samples, start: int, window: int) -> bool:
    """Whether a window, its mean apart, is not silent."""
    part = samples[start : start + window]
    level = dbfs(root_mean_square(part - part.mean(dtype=np.float64)))
    return level is not None and level >= QUIET_DBFS


def _longest_copy(matches: list[Match], window: int) -> int:
    """Give the samples that the longest run of copied windows covers, each from where the one before went on."""
    longest, first, before = 0, 0, None
    for match in matches:
        if abs(match.correlation) < COPIED:
            before = None
            continue
        goes_on = (
            before is not None
            and match.start <= before.start + window
            and abs((match.sample - match.start) - (before.sample - before.start)) <= _SAME_PLACE
        )
        first = first if goes_on else match.start
        longest, before = max(longest, match.start + window - first), match
    return longest
