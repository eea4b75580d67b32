"""Examples of several passes over the song, each shifted against the one before (D07)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import streams
from longsong.config import DataConfig

__all__ = ["PassWindows", "split_passes"]

Indices = Sequence[int] | NDArray[np.integer[Any]]


class PassWindows(streams.Windows):
    """A part of the list of all examples of all passes, one pass behind the other.

    Pass p begins at sample ``p * shift`` of the song, and its examples are laid end to end from there. Examples of
    different passes overlap, and so what is near in the song may be far in the list.

    Parameters
    ----------
    song : streams.Recording
    data : DataConfig
        With an `example_shift`.
    first, stop : int, optional
        The part of the list; by default all of it.

    Attributes
    ----------
    hop : int
        Samples from an example to the next one of any pass.
    """

    def __init__(self, song: streams.Recording, data: DataConfig, first: int = 0, stop: int | None = None) -> None:
        super().__init__(song, data.frame, data.seq, hop=data.example_shift, normalise=data.normalise)
        self._passes = self.frame * self.seq // self.hop
        every = super().__len__()
        # As examples of the plain windows, which come in the order of the song.
        passes = [np.arange(p, every, self._passes, dtype=np.int64) for p in range(self._passes)]
        self._first, self._stop = first, every if stop is None else stop
        self._list = np.concatenate(passes)[self._first : self._stop]

    def __len__(self) -> int:
        return len(self._list)

    @property
    def shape(self) -> dict[str, int | str]:
        """What tells these windows from others over the same song: plain JSON."""
        return super().shape | {"passes": self._passes, "first_example": self._first, "stop_example": self._stop}

    def samples_of(self, first: int, stop: int) -> tuple[int, int]:
        """Give the run of samples that examples [first, stop) lie in; raises as `streams.Windows.samples_of`."""
        starts = [super(PassWindows, self).first_sample(int(one)) for one in self._plain(range(first, stop))]
        return min(starts), max(starts) + self.frame * (self.seq + 1)

    def first_sample(self, example: int) -> int:
        """Give the sample that an example begins with; raises as `streams.Windows.first_sample`."""
        return super().first_sample(int(self._plain([example])[0]))

    def read_frames(self, indices: Indices) -> NDArray[np.float32]:
        """Read examples; as `streams.Windows.read_frames`."""
        return super().read_frames(self._plain(indices))

    def read_samples(self, indices: Indices, out: NDArray[np.int16] | None = None) -> NDArray[np.int16]:
        """Read examples as int16; as `streams.Windows.read_samples`."""
        return super().read_samples(self._plain(indices), out)

    def target_runs(self) -> list[tuple[int, int]]:
        """Give the runs of samples [start, stop) that the targets of all examples are, one for each pass in it."""
        if not len(self):
            return []
        ends = np.flatnonzero(np.diff(self._list) != self._passes) + 1
        parts = np.split(self._list, ends)
        length = self.frame * self.seq
        return [
            (int(part[0]) * self.hop + self.frame, int(part[-1]) * self.hop + self.frame + length) for part in parts
        ]

    def _plain(self, indices: Indices) -> NDArray[np.int64]:
        """Give the same examples as numbers of the plain windows."""
        numbers = np.asarray(indices, dtype=np.int64)
        odd = numbers[(numbers < 0) | (numbers >= len(self))]
        if len(odd):
            raise streams.WindowError(f"example is {int(odd[0])}: give a whole number, from 0 to {len(self) - 1}")
        return self._list[numbers]


def split_passes(song: streams.Recording, data: DataConfig, train_samples: int) -> tuple[PassWindows, PassWindows]:
    """Split the list of all passes as the version of 2016 did that overlaps.

    The train split has as large a share of the list as of the song. With two passes and more it holds all of the
    first one, and so the dev split holds shifted copies of audio that is trained on.

    Parameters
    ----------
    song : streams.Recording
    data : DataConfig
        With an `example_shift`.
    train_samples : int
        Of the song, for the share.

    Returns
    -------
    train, dev : PassWindows
    """
    every = PassWindows(song, data)
    train = len(every) * train_samples // len(song)
    return PassWindows(song, data, stop=train), PassWindows(song, data, first=train)
