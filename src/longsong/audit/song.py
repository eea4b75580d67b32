"""The song behind the runs, read from its shards where they still are, and recomputed sample by sample."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from longsong.errors import RunError, UnreadableError
from longsong.places import find_shards

if TYPE_CHECKING:
    from streams import Song

__all__ = ["NotHereError", "SeenSong", "examples_that_fit", "see_song"]

_PIECE = 1 << 22


class NotHereError(RunError):
    """The shards are not on this machine, so that nothing can be said of them: no fault of the runs."""


def examples_that_fit(frame: int, seq: int, start: int, stop: int, samples: int, hop: int | None = None) -> int:
    """Count the examples whose inputs lie in [start, stop) and whose last target frame lies in the song.

    Written apart from `streams.Windows`, which it checks (FACTS section 5).

    Parameters
    ----------
    frame, seq : int
        Samples in a frame, frames in a sequence.
    start, stop : int
        The split, in samples of the song.
    samples : int
        Length of the song.
    hop : int, optional
        Samples from one example to the next; frame * seq (no overlap) if not given.
    """
    inputs = frame * seq
    room = min(stop - start - inputs, samples - start - inputs - frame)
    return room // (hop or inputs) + 1 if room >= 0 else 0


@dataclass(frozen=True)
class SeenSong:
    """A song that was found and read.

    Attributes
    ----------
    folder : Path
        Its shards.
    song : streams.Song
        To read samples from.
    index_digest : str
        The digest that `index.json` has.
    digest : str
        The digest computed from the samples: sha256 of all as little-endian int16.
    samples, sample_rate : int
        Length, and rate in Hz.
    minimum, maximum : int
        Of all samples, computed.
    mean, standard_deviation : float
        Of all samples, computed.
    sample_type : str
        The type in which the shards give samples, such as ``int16``.
    disk_bytes : int
        What index and shards take on the disk.
    """

    folder: Path
    song: Song
    index_digest: str
    digest: str
    samples: int
    sample_rate: int
    minimum: int
    maximum: int
    mean: float
    standard_deviation: float
    sample_type: str
    disk_bytes: int

    @property
    def index(self) -> Path:
        """Its ``index.json``."""
        return self.folder / "index.json"

    def mean_of(self, stop: int) -> float:
        """Give the mean of samples [0, `stop`), such as the train split's."""
        total = sum(int(self.song[at : min(at + _PIECE, stop)].sum(dtype=np.int64)) for at in range(0, stop, _PIECE))
        return total / stop

    def normalised(self, start: int, stop: int, scale: float, offset: float) -> NDArray[np.float32]:
        """Give samples [start, stop) as a network sees them: float32 times scale, then plus offset."""
        samples = self.song[start:stop].astype(np.float32)
        samples *= np.float32(scale)
        samples += np.float32(offset)
        return samples


def see_song(shards: str, runs: Path) -> SeenSong:
    """Find the shards that a run names and read all of their samples once.

    Parameters
    ----------
    shards : str
        The folder as ``config.json`` has it; `longsong.places.find_shards` says where it is looked for.
    runs : Path
        The folder of runs.

    Raises
    ------
    NotHereError
        There is no such folder (any more).
    RunError
        Its shards are altered; the message says which.
    UnreadableError
        The system does not give them, or a newer version wrote them.
    """
    from streams import Song
    from streams.errors import FormatVersionError, StreamsError

    folder = find_shards(shards, runs)
    if folder is None:
        far = " (an audit reads no network)" if "://" in shards else ""
        raise NotHereError(
            f"the shards {shards} are not here{far}; put a copy of the folder beside the runs, or shard the song again"
        )
    try:
        song = Song.open(folder)
        return SeenSong(folder, song, song.digest, **_read_all(song), disk_bytes=_disk_bytes(folder))
    except StreamsError as error:
        refused = isinstance(error.__cause__, OSError) and not isinstance(error.__cause__, FileNotFoundError)
        kind = UnreadableError if refused or isinstance(error, FormatVersionError) else RunError
        raise kind(str(error)) from error


def _read_all(song: Song) -> dict[str, Any]:
    """Compute digest and statistics from the samples themselves."""
    digest, total, squares = hashlib.sha256(), 0, 0
    lowest, highest, sample_type = 32767, -32768, ""
    for start in range(0, len(song), _PIECE):
        piece = song[start : min(start + _PIECE, len(song))]
        sample_type = piece.dtype.name
        digest.update(piece.astype("<i2").tobytes())
        lowest, highest = min(lowest, int(piece.min())), max(highest, int(piece.max()))
        total += int(piece.sum(dtype=np.int64))
        squares += int(np.square(piece, dtype=np.int64).sum())
    return {
        "digest": digest.hexdigest(),
        "samples": len(song),
        "sample_rate": song.sample_rate,
        "minimum": lowest,
        "maximum": highest,
        "mean": total / len(song),
        # In whole numbers: the difference of two large ones would lose its digits.
        "standard_deviation": sqrt(squares * len(song) - total * total) / len(song),
        "sample_type": sample_type,
    }


def _disk_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
