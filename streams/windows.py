"""Examples of any shape as addresses in a song."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from streams.checks import whole
from streams.errors import WindowError
from streams.normalise import Normaliser
from streams.statistics import Statistics

__all__ = ["Recording", "Windows", "train_samples"]

_PIECE = 1 << 16
"""Samples normalised at once: what was multiplied is still in the cache when it is added to."""


class Recording(Protocol):
    """What `Windows` asks of a song; `Song` and `ArraySong` are such."""

    @property
    def sample_rate(self) -> int:
        """In Hz."""

    @property
    def digest(self) -> str:
        """sha256 of all samples."""

    @property
    def statistics(self) -> Statistics:
        """Exact, of all samples."""

    def __len__(self) -> int:
        """Give the number of samples."""

    def __getitem__(self, key: slice, /) -> npt.NDArray[np.int16]:
        """Give a run of samples."""


def train_samples(samples: int) -> int:
    """Give the length of the train split, from the song's start (FACTS section 2).

    The fraction 160,000,000 / 174,224,000 of the song, rounded down to a sample.
    """
    return samples * 160_000_000 // 174_224_000


class Windows:
    """All examples of one shape in a range of a song (FACTS section 5).

    Example i begins at sample ``start + i * hop``. Its inputs are the ``seq`` frames from there on; its
    targets the same a frame later. It is an example where its inputs lie in the range [start, stop) and its
    last target frame lies in the song.

    Parameters
    ----------
    song : Recording
        A `Song` or an `ArraySong`.
    frame : int
        Samples of a frame.
    seq : int
        Frames of a sequence.
    hop : int, optional
        Samples from one example to the next: less than ``frame * seq``, and they overlap; more, and there are
        gaps. By default ``frame * seq``: neither.
    start, stop : int, optional
        The range, in samples; by default the whole song.
    normalise : str
        ``minmax``, ``stdev`` or ``none``, by the statistics of the whole song.

    Attributes
    ----------
    normaliser : Normaliser
        What is done to each sample.

    Raises
    ------
    WindowError
        A number that is not whole or is out of its range, an unknown normalisation, or one that a constant
        song does not have.
    """

    def __init__(
        self,
        song: Recording,
        frame: int,
        seq: int,
        hop: int | None = None,
        start: int = 0,
        stop: int | None = None,
        normalise: str = "minmax",
    ) -> None:
        self.song = song
        self.frame = whole("frame", frame, WindowError, at_least=1)
        self.seq = whole("seq", seq, WindowError, at_least=1)
        self.hop = self.frame * self.seq if hop is None else whole("hop", hop, WindowError, at_least=1)
        self.start = whole("start", start, WindowError, at_least=0, at_most=len(song))
        self.stop = len(song)
        if stop is not None:
            self.stop = whole("stop", stop, WindowError, at_least=self.start, at_most=len(song))
        self.normalise = normalise
        self.normaliser = Normaliser.of(normalise, song.statistics)
        inputs = self.frame * self.seq
        last = min(self.stop - inputs, len(song) - inputs - self.frame)
        self._count = max(0, (last - self.start) // self.hop + 1)

    def __len__(self) -> int:
        return self._count

    @property
    def shape(self) -> dict[str, int | str]:
        """What tells these windows from others over the same song: plain JSON."""
        names = ("frame", "seq", "hop", "start", "stop", "normalise")
        return {name: getattr(self, name) for name in names}

    def first_sample(self, example: int) -> int:
        """Give the sample of the song that an example begins with.

        Raises
        ------
        WindowError
            There is no such example.
        """
        if self._count == 0:
            raise WindowError(
                f"example {example!r}: samples {self.start} to {self.stop} hold no example of {self.frame} x "
                f"{self.seq} samples and a frame more; take a longer song or a smaller shape"
            )
        number = whole("example", example, WindowError, at_least=0, at_most=self._count - 1)
        return self.start + number * self.hop

    def read(
        self, indices: Sequence[int] | npt.NDArray[np.integer]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Read examples, in the order given; one may be given twice.

        Parameters
        ----------
        indices : sequence of int, length batch
            Which examples.

        Returns
        -------
        inputs, targets : ndarray, shape (batch, seq, frame), float32
            Both views of one fresh array of shape (batch, seq + 1, frame).

        Raises
        ------
        WindowError
            There is no such example.
        DamagedShardError
            The samples asked for are not what the index says.
        """
        numbers = indices.tolist() if isinstance(indices, np.ndarray) else indices
        firsts = [self.first_sample(number) for number in numbers]
        buffer = np.empty((len(firsts), self.seq + 1, self.frame), dtype=np.float32)
        for row, first in zip(buffer.reshape(len(firsts), (self.seq + 1) * self.frame), firsts, strict=True):
            for at in range(0, len(row), _PIECE):
                out = row[at : at + _PIECE]
                self.normaliser.apply(self.song[first + at : first + at + len(out)], out)
        return buffer[:, :-1], buffer[:, 1:]
