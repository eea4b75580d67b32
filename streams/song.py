"""A song on disk, addressed by sample."""

from __future__ import annotations

import hashlib
import mmap
import stat
import threading
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from streams.checks import sample_range
from streams.errors import DamagedShardError, IndexFileError
from streams.index import INDEX_NAME, Index, Member, Shard, read_index
from streams.statistics import Statistics

__all__ = ["Song"]

_MOST_MAPS = 256
"""Shards mapped at once; each holds a file descriptor, of which a process has some 1000."""

_REMEDY = "copy it anew or make the shards again"


class Song:
    """The samples of a folder of shards, as if they were one array; made by `Song.open`.

    ``song[start:stop]`` gives int16 samples, shape (stop - start,): a read-only view of the memory map where
    the run lies in one member, and a fresh array where it does not. The ends of the slice count as those of
    any Python sequence; steps and single samples are refused with `WindowError`. Nothing is copied, read or
    mapped that is not asked for. A member is compared with its sha256 before its first sample is given (once
    for each `Song`); what is altered raises `DamagedShardError`. Threads may share a song.

    Attributes
    ----------
    folder : Path
        Where the shards lie.
    index : Index
        What `index.json` says.
    sample_rate : int
        In Hz.
    digest : str
        sha256 of all samples, the identity of the song.
    statistics : Statistics
        Exact, of all samples.
    """

    def __init__(self, folder: Path, index: Index) -> None:
        self.folder, self.index = folder, index
        self.sample_rate, self.digest, self.statistics = index.sample_rate, index.digest, index.statistics
        self._members = [(shard, member) for shard in index.shards for member in shard.members]
        self._starts = [member.start for _, member in self._members]
        self._views: list[npt.NDArray[np.int16] | None] = [None] * len(self._members)
        self._verified = bytearray(len(self._members))
        self._maps: dict[str, mmap.mmap] = {}
        self._lock = threading.Lock()

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Open a folder of shards: reads its index, and looks at the size of each shard.

        Raises
        ------
        IndexFileError
            `index.json` is missing, cut short, altered, or says what cannot be.
        FormatVersionError
            It was written by a newer version.
        DamagedShardError
            A shard is missing or of the wrong size.
        """
        folder = Path(folder)
        index = read_index(folder)
        for shard in index.shards:
            _check_size(folder, shard)
        return cls(folder, index)

    def __len__(self) -> int:
        return self.index.samples

    def __repr__(self) -> str:
        return f"<Song {str(self.folder)!r}: {len(self)} samples at {self.sample_rate} Hz, {self.digest[:12]}>"

    def __getitem__(self, key: slice) -> npt.NDArray[np.int16]:
        start, stop = sample_range(key, len(self))
        number = bisect_right(self._starts, start) - 1
        view = self._view(number)
        first = start - self._starts[number]
        if first + stop - start <= len(view):
            return view[first : first + stop - start]
        run = np.empty(stop - start, dtype=np.int16)
        filled = 0
        while filled < len(run):
            view = self._view(number)[first : first + len(run) - filled]
            run[filled : filled + len(view)] = view
            filled += len(view)
            number, first = number + 1, 0
        return run

    def verify(self, progress: Callable[[int], None] | None = None) -> None:
        """Compare every byte on disk with the index, whatever was read before.

        Parameters
        ----------
        progress : callable, optional
            Called with the number of samples that were compared so far.

        Raises
        ------
        DamagedShardError
            Names the shard, and the member and its samples where they are what is altered.
        IndexFileError
            The index has changed since the song was opened, or its digest or statistics are not those of the
            samples.
        """
        if read_index(self.folder) != self.index:
            raise IndexFileError(f"{self.folder / INDEX_NAME}: changed since it was opened; open the song again")
        digest = hashlib.sha256()
        found: Statistics | None = None
        for shard in self.index.shards:
            # A map of its own, of what bears the name now; it goes when the last view of it does.
            mapping = _map(self.folder, shard)
            for member in shard.members:
                samples = _samples(mapping, member)
                _check_samples(samples, self.folder, shard, member)
                digest.update(samples.data)
                statistics = Statistics.of(samples)
                found = statistics if found is None else found + statistics
                if progress is not None:
                    progress(member.stop)
            if hashlib.sha256(mapping).hexdigest() != shard.sha256:
                raise DamagedShardError(
                    f"{self.folder / shard.name}: altered between its members (samples {shard.start} to "
                    f"{shard.start + shard.samples} themselves are whole); {_REMEDY}"
                )
        if digest.hexdigest() != self.digest or found != self.statistics:
            raise IndexFileError(
                f"{self.folder / INDEX_NAME}: its digest or statistics are not those of the samples; "
                "make the shards again"
            )

    def _view(self, number: int) -> npt.NDArray[np.int16]:
        """Give the samples of member `number`, known to be whole."""
        view = self._views[number]
        return self._open_view(number) if view is None else view

    def _open_view(self, number: int) -> npt.NDArray[np.int16]:
        shard, member = self._members[number]
        with self._lock:
            mapping = self._maps.get(shard.name)
            if mapping is None:
                if len(self._maps) >= _MOST_MAPS:
                    # What a caller holds stays mapped for as long as it is held.
                    self._maps.clear()
                    self._views = [None] * len(self._members)
                mapping = self._maps[shard.name] = _map(self.folder, shard)
            view = _samples(mapping, member)
            if not self._verified[number]:
                _check_samples(view, self.folder, shard, member)
                self._verified[number] = 1
            self._views[number] = view
            return view


def _samples(mapping: mmap.mmap, member: Member) -> npt.NDArray[np.int16]:
    view: npt.NDArray[np.int16] = np.frombuffer(mapping, "<i2", count=member.samples, offset=member.offset)
    return view


def _check_samples(samples: npt.NDArray[np.int16], folder: Path, shard: Shard, member: Member) -> None:
    if hashlib.sha256(samples.data).hexdigest() != member.sha256:
        raise DamagedShardError(
            f"{folder / shard.name}: member {member.name} (samples {member.start} to {member.stop}) "
            f"is altered; {_REMEDY}"
        )


def _check_size(folder: Path, shard: Shard) -> None:
    path = folder / shard.name
    try:
        found = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(found.st_mode) or found.st_size != shard.bytes:
        raise DamagedShardError(
            f"{path}: has {found.st_size} bytes where the index says {shard.bytes} "
            f"(samples {shard.start} to {shard.start + shard.samples}); {_REMEDY}"
        )


def _map(folder: Path, shard: Shard) -> mmap.mmap:
    _check_size(folder, shard)
    path = folder / shard.name
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), shard.bytes, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DamagedShardError:
    if isinstance(error, FileNotFoundError):
        return DamagedShardError(f"{path}: missing; {_REMEDY}")
    return DamagedShardError(f"{path}: cannot be read ({error}); look at its permissions, or {_REMEDY}")
