"""Examples of any shape as addresses in a song."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from streams.buffers import Buffers
from streams.checks import whole
from streams.errors import WindowError
from streams.normalise import Normaliser
from streams.statistics import Statistics

__all__ = ["Recording", "Windows", "train_samples"]

_INT64 = np.dtype(np.int64)

_MOST = 2**62
"""Samples: beyond it sums would not fit in 64 bits."""

Indices = Sequence[int] | npt.NDArray[np.integer[Any]]


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

    def gather(self, starts: npt.NDArray[np.int64], normaliser: Normaliser, out: npt.NDArray[np.float32]) -> None:
        """Read a run of samples for each row of `out`, shape (rows, length), normalised."""

    def read_into(self, starts: npt.NDArray[np.int64], out: npt.NDArray[np.int16]) -> None:
        """Read a run of samples for each row of `out`, shape (rows, length), as they are."""

    @property
    def fetches(self) -> bool:
        """Whether samples come from elsewhere, so that `fetch_ahead` is of use."""

    def fetch_ahead(self, runs: Sequence[tuple[int, int]]) -> None:
        """Say which runs of samples [start, stop) are wanted next."""


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
        if self.frame * (self.seq + 1) > _MOST:
            raise WindowError(f"{frame} x {seq} samples are more than any song has: give a smaller frame or sequence")
        self.hop = self.frame * self.seq if hop is None else whole("hop", hop, WindowError, at_least=1)
        if self.hop > _MOST:
            raise WindowError(f"hop is {hop}, more samples than any song has: give a smaller one")
        self.start = whole("start", start, WindowError, at_least=0, at_most=len(song))
        self.stop = len(song)
        if stop is not None:
            self.stop = whole("stop", stop, WindowError, at_least=self.start, at_most=len(song))
        self.normalise = normalise
        self.normaliser = Normaliser.of(normalise, song.statistics)
        inputs = self.frame * self.seq
        last = min(self.stop - inputs, len(song) - inputs - self.frame)
        self._count = max(0, (last - self.start) // self.hop + 1)
        self._buffers = Buffers()

    def __len__(self) -> int:
        return self._count

    @property
    def shape(self) -> dict[str, int | str]:
        """What tells these windows from others over the same song: plain JSON."""
        names = ("frame", "seq", "hop", "start", "stop", "normalise")
        return {name: getattr(self, name) for name in names}

    def samples_of(self, first: int, stop: int) -> tuple[int, int]:
        """Give the run of samples [first, stop) that examples [first, stop) lie in, gaps between them included.

        Raises
        ------
        WindowError
            There are no such examples.
        """
        last = self.first_sample(stop - 1)
        return self.first_sample(first), last + self.frame * (self.seq + 1)

    def first_sample(self, example: int) -> int:
        """Give the sample of the song that an example begins with.

        Raises
        ------
        WindowError
            There is no such example.
        """
        return int(self._starts([example])[0])

    def read(self, indices: Indices) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Read examples, in the order given; one may be given twice.

        Parameters
        ----------
        indices : sequence of int, length batch
            Which examples.

        Returns
        -------
        inputs, targets : ndarray, shape (batch, seq, frame), float32
            Both views of what `read_frames` gives.

        Raises
        ------
        WindowError
            There is no such example.
        DamagedShardError
            The samples asked for are not what the index says.
        StorageError, CacheError
            They cannot be had.
        """
        frames = self.read_frames(indices)
        return frames[:, :-1], frames[:, 1:]

    def read_frames(self, indices: Indices) -> npt.NDArray[np.float32]:
        """Read examples as one array, inputs and the frame after them; else as `read`.

        Returns
        -------
        ndarray, shape (batch, seq + 1, frame), float32
            In C order, from the beginning of a cache line on. It is the caller's own: its memory is used again
            once nothing refers to it any more.
        """
        starts = self._starts(indices)
        frames = self._buffers.take((len(starts), self.seq + 1, self.frame), np.float32)
        self.song.gather(starts, self.normaliser, frames.reshape(len(starts), (self.seq + 1) * self.frame))
        return frames

    def read_samples(self, indices: Indices, out: npt.NDArray[np.int16] | None = None) -> npt.NDArray[np.int16]:
        """Read examples as the samples that they are, shape (batch, seq + 1, frame), int16; else as `read`.

        Parameters
        ----------
        indices : sequence of int, length batch
            Which examples.
        out : ndarray, optional
            Where to, in C order; by default an array that is the caller's own.
        """
        starts = self._starts(indices)
        shape = (len(starts), self.seq + 1, self.frame)
        buffer = self._buffers.take(shape, np.int16) if out is None else out
        if buffer.shape != shape or buffer.dtype != np.int16 or not buffer.flags.c_contiguous:
            raise WindowError(
                f"out is {buffer.dtype} of shape {buffer.shape}: give int16 of shape {shape} in one piece"
            )
        self.song.read_into(starts, buffer.reshape(len(starts), (self.seq + 1) * self.frame))
        return buffer

    def _starts(self, indices: Indices) -> npt.NDArray[np.int64]:
        """Give the first sample of each example, shape (batch,), int64."""
        most = max(0, self._count - 1)
        numbers: npt.NDArray[np.int64]
        if isinstance(indices, np.ndarray) and indices.dtype is _INT64 and indices.ndim == 1:
            numbers = indices  # type: ignore[assignment]
        else:
            numbers = np.array(
                [whole("example", number, WindowError, at_least=0, at_most=most) for number in indices],
                dtype=np.int64,
            )
        # As unsigned, a negative number is larger than any other: one look at all of them is enough.
        if len(numbers) and np.maximum.reduce(numbers.view(np.uint64)) >= self._count:
            raise self._no_such(int(next(number for number in numbers if not 0 <= number < self._count)))
        starts = numbers * self.hop
        starts += self.start
        return starts

    def _no_such(self, example: int) -> WindowError:
        if self._count == 0:
            return WindowError(
                f"example {example}: samples {self.start} to {self.stop} hold no example of {self.frame} x "
                f"{self.seq} samples and a frame more; take a longer song or a smaller shape"
            )
        return WindowError(f"example is {example}: give a whole number, from 0 to {self._count - 1}")
