"""Ticks where one frame ends and the next begins: what users of such models complain of.

That what is made in blocks is looked at by its steps across their edges beside those within is usual for images (Wang,
Sheikh and Bovik, "No-reference perceptual quality assessment of JPEG compressed images", ICIP 2002).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.audit.short_time import FULL_SCALE, int16_row
from longsong.config import whole

__all__ = ["border_figures", "correlation_at"]


def border_figures(samples: NDArray[np.int16], frame: int) -> dict[str, Any]:
    """Compare the steps from sample to sample at the borders of frames with those inside of them.

    A step is the magnitude of the difference of a sample and the one before. The first frame begins with the first
    sample; a sound in which borders are like any other place has a ratio of 1. Ticks that come with every frame also
    repeat at its length, which the autocorrelation of the steps tells from a tone whose pitch happens to fit.

    Parameters
    ----------
    samples : ndarray, shape (n,), int16
    frame : int
        Samples in a frame.

    Returns
    -------
    dict
        ``border_step`` and ``inside_step``, means as shares of full scale, and ``step_ratio``, the first over the
        second (None where it is 0); ``autocorrelation`` of the sound, and ``step_autocorrelation`` of its steps, at
        a lag of one frame (None where one is constant). All None where there is no border, or nothing inside.

    Raises
    ------
    ConfigError
        `samples` are not int16 in a row, or `frame` is less than 1.
    """
    int16_row(samples)
    whole("frame", frame)
    steps = np.abs(np.diff(samples.astype(np.int32)))
    at_border = np.zeros(len(steps), dtype=bool)
    at_border[frame - 1 :: frame] = True  # the step into sample `frame`, 2 `frame`, ...
    border, inside = steps[at_border], steps[~at_border]
    if not len(border) or not len(inside):
        names = ("border_step", "inside_step", "step_ratio", "autocorrelation", "step_autocorrelation")
        return dict.fromkeys(names)
    return {
        "border_step": float(border.mean()) / FULL_SCALE,
        "inside_step": float(inside.mean()) / FULL_SCALE,
        "step_ratio": float(border.mean() / inside.mean()) if inside.any() else None,
        "autocorrelation": correlation_at(samples, frame),
        "step_autocorrelation": correlation_at(steps, frame),
    }


def correlation_at(values: NDArray[Any], lag: int) -> float | None:
    """Give the normalised correlation of values in a row with themselves `lag` later; None where one is constant."""
    if lag >= len(values) - 1:
        return None
    a, b = values[:-lag].astype(np.float64), values[lag:].astype(np.float64)
    a -= a.mean()
    b -= b.mean()
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / scale if scale > 0 else None
