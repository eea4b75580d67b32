"""Long curves brought down to as many points as a page can show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["thin"]


def thin(values: Sequence[float], most: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
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
