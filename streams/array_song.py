"""A song in memory."""

from __future__ import annotations

import hashlib
from functools import cached_property

import numpy as np
import numpy.typing as npt

from streams.checks import sample_range, whole
from streams.errors import WindowError
from streams.statistics import Statistics

__all__ = ["ArraySong"]


class ArraySong:
    """The interface of `Song` over an array, for a song that is small.

    Parameters
    ----------
    samples : ndarray, shape (n,), int16
        n is 1 or more; not copied, and not to be changed.
    sample_rate : int
        In Hz.

    Raises
    ------
    WindowError
        `samples` are not int16 of one dimension, or none.
    """

    def __init__(self, samples: npt.NDArray[np.int16], sample_rate: int) -> None:
        if samples.dtype != np.int16 or samples.ndim != 1 or len(samples) == 0:
            raise WindowError(
                f"samples are {samples.dtype} of shape {samples.shape}: give int16, one or more, in a row"
            )
        self._samples = samples.view()
        self._samples.flags.writeable = False
        self.sample_rate = whole("sample_rate", sample_rate, WindowError, at_least=1)

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, key: slice) -> npt.NDArray[np.int16]:
        start, stop = sample_range(key, len(self))
        return self._samples[start:stop]

    @cached_property
    def digest(self) -> str:
        """sha256 of the samples as int16 little-endian: that of the same song in shards."""
        return hashlib.sha256(self._samples.astype("<i2", order="C", copy=False).data).hexdigest()

    @cached_property
    def statistics(self) -> Statistics:
        """Exact, of all samples."""
        return Statistics.of(self._samples)
