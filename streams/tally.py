"""What is counted of a song while its samples pass by."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from streams.statistics import Statistics

__all__ = ["Tally"]


class Tally:
    """Length, digest and exact statistics of the samples that passed so far.

    Attributes
    ----------
    samples : int
        How many there were.
    """

    def __init__(self) -> None:
        self.samples = 0
        self._sha256 = hashlib.sha256()
        self._statistics: Statistics | None = None

    def add(self, samples: npt.NDArray[np.int16]) -> None:
        """Count samples, shape (n,), int16 little-endian, contiguous; n is 1 or more."""
        statistics = Statistics.of(samples)
        self._statistics = statistics if self._statistics is None else self._statistics + statistics
        self._sha256.update(samples.data)
        self.samples += len(samples)

    @property
    def digest(self) -> str:
        """sha256 of all samples as int16 little-endian, in hexadecimal."""
        return self._sha256.hexdigest()

    @property
    def statistics(self) -> Statistics | None:
        """Of all samples; None where there were none."""
        return self._statistics
