"""Where in hours of song a second of sound may come from: a search over the power in a few bands.

The idea of looking for a recording by coarse features of its spectrum over time, and at its samples only where those
agree, is that of Haitsma and Kalker, "A highly robust audio fingerprinting system" (ISMIR 2002). Here features are
powers rather than bits, so that noise blurs them and does not break them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from longsong.audit.short_time import BANDS, Analysis
from longsong.errors import ConfigError

__all__ = ["PATTERN_BANDS", "Pattern", "PatternTally", "likely_places"]

PATTERN_BANDS = 16
"""Bands of a pattern, each of them of some neighbouring mel bands."""

_POOLED = 6
"""Windows that are averaged, so that a copy that begins between two rows of a pattern still has nearly its rows."""
_EVERY = 2
"""Windows from one row to the next."""
_ROOT = 0.25
"""Power to which powers are raised: loud bands count more than noise, and do not drown the others."""
_LEAST_ROWS = 4
"""A window of fewer rows is like too many places."""
_PLACES = 32
"""Places of each window that are looked at. On 4 h of music, a copy with noise at 10 dB was among the first 16."""
_ROWS_AT_ONCE = 4096

_ROUNDING = 1e-12
"""Of a sum of squares: less than float16 tells apart, and more than float64 rounds off."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Pattern:
    """The power in a few bands of a sound over time.

    Attributes
    ----------
    analysis : Analysis
        Of the spectra that it was made of.
    rows : ndarray, shape (rows, PATTERN_BANDS), float16
        Row r is of the samples from ``r * step`` on; power to the power of 1/4.
    """

    analysis: Analysis
    rows: NDArray[np.float16]

    def __post_init__(self) -> None:
        if self.rows.dtype != np.float16 or self.rows.ndim != 2 or self.rows.shape[1] != PATTERN_BANDS:
            raise ConfigError(
                f"a pattern is {self.rows.dtype} of shape {self.rows.shape}; give float16, (rows, {PATTERN_BANDS})"
            )

    @property
    def step(self) -> int:
        """Samples from one row to the next."""
        return _EVERY * self.analysis.hop


class PatternTally:
    """Makes the pattern of a sound that comes piece by piece; keeps 4 bytes a band and window until it is done."""

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis
        self._parts: list[Floats] = []

    def add(self, mel_powers: Floats) -> None:
        """Add `Analysis.mel_powers` of the next windows, shape (windows, BANDS)."""
        self._parts.append(mel_powers.reshape(len(mel_powers), PATTERN_BANDS, BANDS // PATTERN_BANDS).mean(2))

    def pattern(self) -> Pattern:
        """Give the pattern of all that was added."""
        windows = np.concatenate([np.zeros((0, PATTERN_BANDS), np.float32), *self._parts])
        if len(windows) < _POOLED:
            return Pattern(self._analysis, np.zeros((0, PATTERN_BANDS), np.float16))
        together = np.lib.stride_tricks.sliding_window_view(windows, _POOLED, axis=0)[::_EVERY]
        return Pattern(self._analysis, (together.mean(-1) ** _ROOT).astype(np.float16))


def likely_places(windows: list[NDArray[np.int16]], pattern: Pattern) -> list[NDArray[np.int64]]:
    """Give the places of a song whose pattern is most like that of each window.

    Two patterns are compared by their normalised correlation, the mean of each band over the window removed: gain and
    sign do not matter, and only what changes counts.

    Parameters
    ----------
    windows : list of ndarray, shape (window,), int16
        All of one length.
    pattern : Pattern
        Of the song.

    Returns
    -------
    list of ndarray, shape (places,), int64
        The first sample of each place, the most alike first; a copy lies within one step of one of them. None for
        windows that are too short, or longer than the song.
    """
    queries = [_rows_of(window, pattern.analysis) for window in windows]
    length = len(queries[0]) if queries else 0
    if length < _LEAST_ROWS or len(pattern.rows) < length:
        return [np.zeros(0, np.int64)] * len(windows)
    directions = np.stack([_direction(query) for query in queries])
    best = _Best(len(windows))
    for start in range(0, len(pattern.rows) - length + 1, _ROWS_AT_ONCE):
        rows = pattern.rows[start : start + _ROWS_AT_ONCE + length - 1].astype(np.float32)
        best.add(start, _similarities(rows, length, directions))
    return [rows * pattern.step for rows in best.rows()]


def _rows_of(window: NDArray[np.int16], analysis: Analysis) -> Floats:
    tally = PatternTally(analysis)
    for powers in analysis.powers(window):
        tally.add(analysis.mel_powers(powers))
    return tally.pattern().rows.astype(np.float32)


def _direction(rows: Floats) -> Floats:
    """Give a pattern as a vector of length 1, shape (rows * PATTERN_BANDS,), the mean of each band removed."""
    centred: Floats = (rows - rows.mean(0)).ravel()
    length = np.linalg.norm(centred).astype(np.float32)
    if length > 0:
        centred /= length
    return centred


def _similarities(rows: Floats, length: int, directions: Floats) -> Floats:
    """Correlate every direction with every run of `length` rows, shape (windows, runs)."""
    runs = np.lib.stride_tricks.sliding_window_view(rows.ravel(), length * PATTERN_BANDS)[::PATTERN_BANDS]
    # The directions have no mean in any band, so that it does not matter whether the runs have.
    products = directions @ np.ascontiguousarray(runs).T
    exact = rows.astype(np.float64)
    squares = _sums_of_runs(np.square(exact), length)
    energies = squares - np.square(_sums_of_runs(exact, length)) / length
    # A run of one value has no energy; what the subtraction leaves of it is rounding.
    energies[energies <= _ROUNDING * squares] = 0
    scale = np.sqrt(energies.sum(1)).astype(np.float32)
    scale[scale <= 0] = np.inf
    products /= scale
    return np.asarray(products)


def _sums_of_runs(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Give the sum of every run of `length` rows, shape (runs, columns)."""
    sums = np.cumsum(np.concatenate([np.zeros((1, values.shape[1])), values]), axis=0)
    return np.asarray(sums[length:] - sums[:-length])


class _Best:
    """Keeps the best places of each window, none of them beside a better one."""

    def __init__(self, windows: int) -> None:
        self._scores = [np.zeros(0, np.float32)] * windows
        self._rows = [np.zeros(0, np.int64)] * windows
        self._least = np.full((windows, 1), -np.inf, np.float32)

    def add(self, start: int, scores: Floats) -> None:
        """Take the scores of rows from `start` on into account, shape (windows, rows)."""
        around = np.full((len(scores), scores.shape[1] + 2), -np.inf, np.float32)
        around[:, 1:-1] = scores
        peaks = (scores >= around[:, :-2]) & (scores > around[:, 2:]) & (scores > self._least)
        for window in np.flatnonzero(peaks.any(1)).tolist():
            rows = np.flatnonzero(peaks[window])
            self._keep(window, scores[window, rows], start + rows)

    def _keep(self, window: int, scores: Floats, rows: NDArray[np.int64]) -> None:
        scores, rows = np.concatenate([self._scores[window], scores]), np.concatenate([self._rows[window], rows])
        order = np.argsort(-scores, kind="stable")[:_PLACES]
        self._scores[window], self._rows[window] = scores[order], rows[order]
        if len(order) == _PLACES:
            self._least[window] = scores[order[-1]]

    def rows(self) -> list[NDArray[np.int64]]:
        """Give the rows of each window, the best first."""
        return self._rows
