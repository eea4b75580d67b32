"""The longest run of samples that a sound has in common with a song, bit for bit, at whatever lag (P22).

Windows of the song that lie end to end are known by their hash; every window of the sound, at every sample, is looked
up among them. So a run of two windows less a sample cannot be missed, wherever it begins in either: it holds a whole
window of the song. Rolling hashes modulo 2^64 as by Karp and Rabin, "Efficient randomized pattern-matching algorithms"
(1987); what they find is compared sample for sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from longsong.audit.song import SeenSong

__all__ = ["WINDOW", "Shared", "SongWindows", "longest_shared"]

WINDOW = 400
"""Samples of a window: 25 ms at 16 kHz."""
_BASE = 0x9E3779B97F4A7C15 | 1
_MODULUS = 1 << 64
_WINDOWS_AT_ONCE = 1 << 13
_PIECE = 1 << 16

Samples = NDArray[np.int16]
Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Shared:
    """A run of samples that is in the sound and in the song.

    Attributes
    ----------
    samples : int
        Its length; 0 where no run of two windows or more is shared.
    at, song_at : int
        Its first sample in the sound, and in the song.
    """

    samples: int
    at: int
    song_at: int


@dataclass(frozen=True)
class SongWindows:
    """The windows of a song, end to end, by their hashes.

    Attributes
    ----------
    hashes : ndarray, shape (windows,), uint64
        In ascending order; windows of one value (silence) are left out, as silence is like silence anywhere.
    starts : ndarray, shape (windows,), int64
        Where each one stands in the song.
    """

    hashes: Hashes
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, song: SeenSong) -> SongWindows:
        """Take the hashes of all whole windows of a song."""
        powers = _powers(WINDOW)[::-1]
        hashes, starts = [], []
        windows = song.samples // WINDOW
        for first in range(0, windows, _WINDOWS_AT_ONCE):
            last = min(first + _WINDOWS_AT_ONCE, windows)
            rows = song.song[first * WINDOW : last * WINDOW].reshape(-1, WINDOW)
            varied = rows.min(axis=1) != rows.max(axis=1)
            hashes.append((_unsigned(rows[varied]) * powers).sum(axis=1, dtype=np.uint64))
            starts.append((first + np.flatnonzero(varied)) * WINDOW)
        found, at = np.concatenate([*hashes, np.zeros(0, np.uint64)]), np.concatenate([*starts, np.zeros(0, np.int64)])
        order = np.argsort(found, kind="stable")
        return cls(found[order], at[order])


def longest_shared(sound: Samples, song: SeenSong, windows: SongWindows) -> Shared:
    """Find the longest run of samples that a sound shares with a song.

    Parameters
    ----------
    sound : ndarray, shape (n,), int16
    song : SeenSong
    windows : SongWindows
        Of that song.

    Returns
    -------
    Shared
        Runs of less than ``2 * WINDOW - 1`` samples may be missed, and are not given.
    """
    best = Shared(0, 0, 0)
    if len(sound) < WINDOW or not len(windows.hashes):
        return best
    rolling = _rolling(sound)
    left = np.searchsorted(windows.hashes, rolling, "left")
    known = windows.hashes[np.minimum(left, len(windows.hashes) - 1)] == rolling
    covered: dict[int, int] = {}  # by how far sound and song are apart: up to where in the sound it was looked at
    for at in np.flatnonzero(known).tolist():
        right = int(np.searchsorted(windows.hashes, rolling[at], "right"))
        for place in windows.starts[int(left[at]) : right].tolist():
            if covered.get(place - at, -1) > at:
                continue
            run = _extended(sound, song, at, place)
            covered[place - at] = run.at + run.samples
            if run.samples > max(best.samples, 2 * WINDOW - 2):
                best = run
    return best


def _extended(sound: Samples, song: SeenSong, at: int, place: int) -> Shared:
    """Give the whole run around a window of the sound that may stand at `place` in the song."""
    before = _alike(sound, song, at, place, -1)
    return Shared(before + _alike(sound, song, at, place, 1), at - before, place - before)


def _alike(sound: Samples, song: SeenSong, at: int, place: int, way: int) -> int:
    """Count the samples that are alike from a place on, forwards or (the one before first) backwards."""
    alike = 0
    while True:
        if way > 0:
            length = min(_PIECE, len(sound) - at - alike, song.samples - place - alike)
            a, b = sound[at + alike :][:length], song.song[place + alike : place + alike + max(0, length)]
        else:
            length = min(_PIECE, at - alike, place - alike)
            a = sound[at - alike - length : at - alike][::-1]
            b = song.song[place - alike - length : place - alike][::-1]
        if length <= 0:
            return alike
        other = np.flatnonzero(a != b)
        if len(other):
            return alike + int(other[0])
        alike += length


def _rolling(sound: Samples) -> Hashes:
    """Give the hash of the window at every sample of a sound, shape (n - WINDOW + 1,)."""
    count = len(sound) - WINDOW + 1
    inverse = _powers(len(sound), pow(_BASE, -1, _MODULUS))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(_unsigned(sound) * inverse, dtype=np.uint64)])
    rolled: Hashes = (sums[WINDOW:] - sums[:count]) * _powers(len(sound))[WINDOW - 1 :]
    return rolled


def _powers(count: int, base: int = _BASE) -> Hashes:
    """Give base^0, base^1 and so on, modulo 2^64."""
    powers = np.full(count, base, np.uint64)
    powers[:1] = 1
    return np.cumprod(powers, dtype=np.uint64)


def _unsigned(samples: Samples) -> Hashes:
    """Give samples as numbers above 0, so that leading silence counts."""
    return (samples.astype(np.int64) + 32769).astype(np.uint64)
