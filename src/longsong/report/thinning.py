"""Cost curves as inline SVG that takes its colours from the page, light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.report.drawing import DEV, INK, TRAIN, draw

__all__ = ["MOST_POINTS", "cost_curves", "thin"]

MOST_POINTS = 400
"""Points of a curve at most, so that a page of 62 runs stays light."""

_INCHES = (4.8, 2.3)


def thin(values: Sequence[float], most: int = MOST_POINTS) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bring a curve down to at most `most` points: means over equal runs of it.

    Parameters
    ----------
    values : sequence of float
        The curve; the first value is that of position 1.
    most : int
        Points to keep at most.

    Returns
    -------
    positions, means : ndarray, shape (points,)
        The middle of each run, and the mean over it.
    """
    array = np.asarray(values, dtype=np.float64)
    pieces = [piece for piece in np.array_split(np.arange(len(array)), min(most, max(1, len(array)))) if len(piece)]
    positions = np.array([piece.mean() + 1 for piece in pieces])
    return positions, np.array([array[piece].mean() for piece in pieces])


def cost_curves(
    name: str,
    train: Sequence[float],
    dev: Sequence[tuple[int, float]],
    baseline: float,
) -> str:
    """Draw the costs of a run over its updates.

    Parameters
    ----------
    name : str
        The run's name; tells the drawing's inner names from those of others on the page.
    train : sequence of float
        Train cost of each update.
    dev : sequence of (update, cost)
        Dev costs; may be empty.
    baseline : float
        Cost of predicting the mean, drawn dashed.

    Returns
    -------
    str
        An ``<svg>`` element without a date, the same one for the same numbers; its text is text.
    """

    def curves(axes: Any) -> None:
        axes.axhline(baseline, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.plot(*thin(train), color=TRAIN, linewidth=1.1)
        if dev:
            axes.plot(*zip(*dev, strict=True), color=DEV, linewidth=1.6)
        axes.set_xlim(0, max(len(train), 1))
        axes.set_xlabel("update")
        axes.set_ylabel("cost")

    return draw(name, _INCHES, curves)
