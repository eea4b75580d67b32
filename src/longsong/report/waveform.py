"""The waveform of a sound as the outline of its least and largest samples, small enough to stand in a page."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from longsong.audit.short_time import FULL_SCALE, int16_row

__all__ = ["COLUMNS", "HEIGHT", "envelope", "outline", "range_for"]

COLUMNS = 400
"""Columns of an outline at most."""

HEIGHT = 200
"""Units from the lower end of its axis to the upper."""

Samples = NDArray[np.int16]


def envelope(samples: Samples, columns: int = COLUMNS) -> tuple[Samples, Samples]:
    """Give the least and the largest sample of each of evenly long stretches.

    A stretch begins with the sample before it, so that what is drawn has no gaps.

    Parameters
    ----------
    samples : ndarray, shape (n,), int16
        One or more.
    columns : int

    Returns
    -------
    least, largest : ndarray, shape (min(n, columns),), int16

    Raises
    ------
    ConfigError
        `samples` are not int16 in a row.
    """
    count = min(columns, len(int16_row(samples)))
    starts = np.arange(count) * len(samples) // count
    before = samples[np.maximum(starts - 1, 0)]
    least = np.minimum(np.minimum.reduceat(samples, starts), before)
    return least, np.maximum(np.maximum.reduceat(samples, starts), before)


def range_for(peak: float) -> float:
    """Give the end of an axis for samples of that peak, both as shares of full scale.

    It is one of 1, 0.5, 0.2, 0.1, 0.05 and so on, as small as may be, so that the shape of a quiet sound is seen; but
    not under 0.0001, which is three steps of int16.
    """
    exponent = math.floor(math.log10(max(peak, 1e-4)))
    ends = [digit * 10.0**power for power in (exponent, exponent + 1) for digit in (1, 2, 5)]
    # A power of ten is seldom exact: 0.1 is to be a fit for 0.1.
    return min(1.0, next(end for end in ends if end >= max(peak, 1e-4) * (1 - 1e-9)))


def outline(least: Samples, largest: Samples, end: float) -> str:
    """Draw an envelope as the path of an SVG, in a box of its columns by `HEIGHT`.

    Parameters
    ----------
    least, largest : ndarray, shape (columns,), int16
    end : float
        The sample at the upper edge of the box, as a share of full scale; its negative is at the lower one.

    Returns
    -------
    str
        The ``d`` of a closed path: along the largest samples, and back along the least.
    """
    tops, bottoms = _rows(largest, end), _rows(least, end)
    words = [f"M0 {tops[0]}h1"]
    words += [f"v{step}h1" if step else "h1" for step in np.diff(tops).tolist()]
    words.append(f"V{bottoms[-1]}h-1")
    words += [f"v{step}h-1" if step else "h-1" for step in np.diff(bottoms[::-1]).tolist()]
    return "".join(words) + "z"


def _rows(values: Samples, end: float) -> NDArray[np.int64]:
    """Give where samples lie in the box, from 0 at its upper edge."""
    shares = values / (FULL_SCALE * end)
    return np.rint(np.clip(HEIGHT / 2 * (1 - shares), 0, HEIGHT)).astype(np.int64)
