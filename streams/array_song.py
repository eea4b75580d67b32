"""A song in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from streams.blocks import Blocks
from streams.checks import sample_range, whole
from streams.errors import WindowError
from streams.normalise import Normaliser
from streams.rows import flat, whole_rows
from streams.statistics import Statistics

__all__ = ["ArraySong"]


class ArraySong:
    """The interface of `Song` over an array, for a song that is small.

    Parameters
    ----------
    samples : ndarray, shape (n,), int16
        n is 1 or more; not to be changed. Copied only where they do not lie side by side.
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
        self._samples = np.ascontiguousarray(samples).view()
        self._samples.flags.writeable = False
        self.sample_rate = whole("sample_rate", sample_rate, WindowError, at_least=1)
        self._blocks = Blocks(np.array([0, len(samples)], dtype=np.int64), lambda number: self._samples)
        self._blocks.put(0, self._samples)

    def __reduce__(self) -> tuple[type[ArraySong], tuple[npt.NDArray[np.int16], int]]:
        return ArraySong, (self._samples, self.sample_rate)  # addresses are of one process

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, key: slice) -> npt.NDArray[np.int16]:
        start, stop = sample_range(key, len(self))
        return self._samples[start:stop]

    def gather(self, starts: npt.NDArray[np.int64], normaliser: Normaliser, out: npt.NDArray[np.float32]) -> None:
        """Read a run of samples for each row, normalised, into `out`, shape (rows, length), float32."""
        self._blocks.gather((starts, *whole_rows(*out.shape)), normaliser, flat(out))

    def read_into(self, starts: npt.NDArray[np.int64], out: npt.NDArray[np.int16]) -> None:
        """Read a run of samples for each row as they are, into `out`, shape (rows, length), int16."""
        self._blocks.copy((starts, *whole_rows(*out.shape)), flat(out))

    @property
    def fetches(self) -> bool:
        """Nothing is fetched: False."""
        return False

    def fetch_ahead(self, runs: Sequence[tuple[int, int]]) -> None:
        """Do nothing: all samples are here."""

    @cached_property
    def digest(self) -> str:
        """sha256 of the samples as int16 little-endian: that of the same song in shards."""
        return hashlib.sha256(self._samples.astype("<i2", order="C", copy=False).data).hexdigest()

    @cached_property
    def statistics(self) -> Statistics:
        """Exact, of all samples."""
        return Statistics.of(self._samples)
