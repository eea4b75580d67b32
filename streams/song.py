"""A song in shards, addressed by sample."""

from __future__ import annotations

import os
import threading
import weakref
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from streams.checks import sample_range
from streams.cores import cores, on_all_cores
from streams.errors import IndexFileError
from streams.fetch_ahead import FetchAhead
from streams.index import Index
from streams.kernel import Runs
from streams.members import Members
from streams.normalise import Normaliser
from streams.rows import flat, whole_rows
from streams.shard import Shard
from streams.shard_source import CachedSource, FolderSource, ShardSource, check_size, open_shards
from streams.verify import find_damage

if TYPE_CHECKING:
    from streams.cache import ShardCache

__all__ = ["Song"]

Samples = npt.NDArray[np.int16]
Numbers = npt.NDArray[np.int64]

_WORTH_THREADS = 1 << 21
"""Samples to read from which on a second thread is worth its start."""


class Song:
    """The samples of a set of shards, as if they were one array; made by `Song.open`.

    ``song[start:stop]`` gives int16 samples, shape (stop - start,): a read-only view where the run lies in one
    member, and a fresh array where it does not. The ends of the slice count as those of any Python sequence;
    steps and single samples are refused with `WindowError`. Nothing is fetched, mapped or read that is not asked
    for. A member is compared with its checksum before its first sample is given, once for each `Song`; a shard in
    the cache is compared with its sha256 whenever it was out of this song's hands. What is altered raises
    `DamagedShardError`; but for a file that is made shorter while it is mapped, which ends the process (SIGBUS), as
    with any memory map. Threads may share a song, and read from it one after the other; a forked process begins
    with nothing at hand.

    Attributes
    ----------
    where : str
        The folder or URL that it was opened at; of a URL without what is secret in it.
    index : Index
        What `index.json` says.
    sample_rate : int
        In Hz.
    digest : str
        sha256 of all samples, the identity of the song.
    statistics : Statistics
        Exact, of all samples.
    """

    def __init__(self, index: Index, source: ShardSource) -> None:
        self.index, self.where = index, source.name
        self.sample_rate, self.digest, self.statistics = index.sample_rate, index.digest, index.statistics
        self._source = source
        self._begin()
        this = weakref.ref(self)
        # A thread of the parent may have been in the middle of something, with the lock in its hands.
        os.register_at_fork(after_in_child=lambda: None if (song := this()) is None else song._begin())

    def _begin(self) -> None:
        """Have nothing at hand."""
        self._members = Members(self.index, self._source)
        self._lock = threading.Lock()
        self.__dict__.pop("_ahead", None)  # its threads are of one process

    @classmethod
    def open(cls, where: str | Path, *, cache: ShardCache | None = None) -> Self:
        """Open a folder or URL of shards.

        Of a folder the index is read, and each shard's size is looked at; of a URL the index alone is read.

        Parameters
        ----------
        where : str or Path
            A folder, an ``http(s)://`` URL, or one of an object store (``s3://``, ``gs://``, ``az://``).
        cache : ShardCache, optional
            Where shards of a URL are kept; by default the user's own (`streams.cache.ShardCache`).

        Raises
        ------
        IndexFileError
            `index.json` is missing, cut short, altered, or says what cannot be.
        FormatVersionError
            It was written by a newer version.
        DamagedShardError
            A shard of a folder is missing or of the wrong size.
        StorageError
            The URL cannot be reached, or is of a kind that is refused.
        """
        index, source = open_shards(where, cache)
        if isinstance(source, FolderSource):
            for shard in index.shards:
                check_size(source.folder, shard)
        return cls(index, source)

    def __len__(self) -> int:
        return self.index.samples

    def __repr__(self) -> str:
        return f"<Song {self.where!r}: {len(self)} samples at {self.sample_rate} Hz, {self.digest[:12]}>"

    def __getitem__(self, key: slice) -> Samples:
        start, stop = sample_range(key, len(self))
        if start == stop:
            return np.empty(0, dtype=np.int16)
        number = bisect_right(self.index.starts, start) - 1
        first = start - int(self.index.starts[number])
        if stop <= int(self.index.starts[number + 1]):
            with self._lock:
                self._members.have([number])
                return self._members.view(number)[first : first + stop - start]
        run = np.empty(stop - start, dtype=np.int16)
        self.read_into(np.array([start], dtype=np.int64), run[None])
        return run

    def gather(self, starts: Numbers, normaliser: Normaliser, out: npt.NDArray[np.float32]) -> None:
        """Read a run of samples for each row, normalised.

        Parameters
        ----------
        starts : ndarray, shape (rows,), int64
            The first sample of each; the runs lie in the song.
        normaliser : Normaliser
        out : ndarray, shape (rows, length), float32, C-contiguous

        Raises
        ------
        DamagedShardError
            Samples asked for are not what the index says.
        StorageError, CacheError
            They cannot be had.
        """
        buffer, blocks = flat(out), self._members.blocks
        self._fill(starts, out.shape, lambda runs: blocks.gather(runs, normaliser, buffer))

    def read_into(self, starts: Numbers, out: Samples) -> None:
        """Read a run of samples for each row as they are, into `out`, int16; else as `gather`."""
        buffer, blocks = flat(out), self._members.blocks
        self._fill(starts, out.shape, lambda runs: blocks.copy(runs, buffer))

    @property
    def fetches(self) -> bool:
        """Whether shards come from elsewhere, so that `fetch_ahead` is of use."""
        return isinstance(self._source, CachedSource)

    def fetch_ahead(self, runs: Sequence[tuple[int, int]]) -> None:
        """Say which runs of samples [start, stop) are wanted next, nearest first; returns at once.

        Their shards are brought to the cache in the background, as many as fit in half of it. Nothing happens
        where shards are local.
        """
        if self.fetches:
            self._ahead.want(tuple(self._wanted(runs)))

    def verify(self, progress: Callable[[int], None] | None = None) -> None:
        """Compare every byte of the shards with the index, whatever was read before.

        Parameters
        ----------
        progress : callable, optional
            Called with the number of samples that were compared so far.

        Raises
        ------
        IndexFileError
            The index has changed since the song was opened.
        ShardError, StorageError
            The first that `streams.verify.find_damage` finds.
        """
        if self._source.read_index() != self.index:
            raise IndexFileError(f"{self.where}: its index has changed since it was opened; open the song again")
        for error in find_damage(self.index, self._source, progress):
            raise error

    def close(self) -> None:
        """Let all shards go; what is read afterwards is mapped again."""
        if (ahead := self.__dict__.pop("_ahead", None)) is not None:
            ahead.close()
        with self._lock:
            self._members.let_go()

    def __reduce__(self) -> tuple[Any, ...]:
        if isinstance(self._source, CachedSource):
            return _open, (type(self), self._source.storage.url, self._source.cache, self.digest)
        return _open, (type(self), os.path.abspath(self.where), None, self.digest)  # noqa: PTH100 - links stay links

    def _fill(self, starts: Numbers, shape: tuple[int, ...], read: Callable[[Runs], int]) -> None:
        """Have `read` fill all rows, with the members that they lie in at hand, as many at once as may be."""
        rows, length = shape
        counts, places = whole_rows(rows, length)
        with self._lock:
            if self._members.may_let_go:
                self._members.use(starts, length)
            if read((starts, counts, places)) == rows:
                return
            for group in self._members.groups(self._members.needed(starts, length)):
                self._members.have(group)
                low, high = self.index.starts[group[0]], self.index.starts[group[-1] + 1]
                first = np.maximum(starts, low)
                count = np.minimum(starts + length, high) - first
                here = np.flatnonzero(count > 0)
                runs = first[here], count[here], (places + first - starts)[here]
                if _read_on_all_cores(read, runs) < len(here):
                    raise RuntimeError(f"{self.where}: members {group} were let go while they were read")

    def _wanted(self, runs: Sequence[tuple[int, int]]) -> Iterator[Shard]:
        """Give the shards that these runs lie in and that are not mapped, as many as fit in half of the cache."""
        left = self._source.most_bytes
        given: set[int] = set()
        for number in (number for run in runs for number in self._members.shards_between(*run)):
            if number not in given and not self._members.is_mapped(number):
                left -= self.index.shards[number].bytes
                if left < 0:
                    return
                given.add(number)
                yield self.index.shards[number]

    @cached_property
    def _ahead(self) -> FetchAhead:
        source = self._source
        if not isinstance(source, CachedSource):
            raise TypeError("shards of a folder are not fetched")
        return FetchAhead(lambda shard: source.cache.fetch(source.storage, shard))


def _read_on_all_cores(read: Callable[[Runs], int], runs: Runs) -> int:
    """Read runs in as many parts as there are cores: the first mini-batches are read by the slower loop."""
    parts: list[Runs] = list(zip(*(np.array_split(numbers, cores()) for numbers in runs), strict=True))
    return sum(on_all_cores(read, parts, worth_it=int(runs[1].sum()) >= _WORTH_THREADS))


def _open(kind: type[Song], where: str, cache: ShardCache | None, digest: str) -> Song:
    """Open a song again, in another process."""
    song = kind.open(where, cache=cache)
    if song.digest != digest:
        raise IndexFileError(f"{where}: holds another song than it did ({song.digest[:12]}…, not {digest[:12]}…)")
    return song
