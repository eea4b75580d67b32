"""The exact statistics of a song, from which its normalisation follows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

__all__ = ["Statistics"]

_PIECE = 1 << 16
"""Samples squared at once: bounds the memory, and 2**16 * 2**30 is far from the end of int64."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Count, sum, sum of squares, minimum and maximum of int16 samples, all of them exact.

    Parameters
    ----------
    count : int
        Number of samples, 1 or more.
    sum, sum_of_squares : int
        Over all samples.
    minimum, maximum : int
        In units of an int16 sample.
    """

    count: int
    sum: int
    sum_of_squares: int
    minimum: int
    maximum: int

    @classmethod
    def of(cls, samples: npt.NDArray[np.int16]) -> Self:
        """Count over `samples`, shape (n,), int16, with n of 1 or more."""
        pieces = range(0, len(samples), _PIECE)
        return cls(
            count=len(samples),
            sum=int(samples.sum(dtype=np.int64)),
            sum_of_squares=sum(int(np.square(samples[at : at + _PIECE], dtype=np.int64).sum()) for at in pieces),
            minimum=int(samples.min()),
            maximum=int(samples.max()),
        )

    def __add__(self, other: Statistics) -> Statistics:
        """Join with the statistics of other samples."""
        return Statistics(
            count=self.count + other.count,
            sum=self.sum + other.sum,
            sum_of_squares=self.sum_of_squares + other.sum_of_squares,
            minimum=min(self.minimum, other.minimum),
            maximum=max(self.maximum, other.maximum),
        )

    @property
    def mean(self) -> float:
        """Mean of the samples."""
        return self.sum / self.count

    @property
    def standard_deviation(self) -> float:
        """Population standard deviation (divided by the count), from exact integers: nothing cancels."""
        return math.sqrt(self.count * self.sum_of_squares - self.sum**2) / self.count
