"""A shuffle for songs too large for random reads over a network."""

from __future__ import annotations

import hashlib
import reprlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from streams.checks import whole
from streams.errors import SchemeError
from streams.permutation import LARGEST, Permutation, derive_key
from streams.schemes import LARGEST_SEED, Indices, Runs, Scheme
from streams.song import Song
from streams.windows import Windows

__all__ = ["ShardShuffledScheme", "ShardedExamples"]

_AT_ONCE = 8192
"""Positions turned into examples together at most, so that a mini-batch costs microseconds."""

_SHARDS, _EXAMPLES = 0, 1
"""What a permutation is of; a part of its key."""


@dataclass(frozen=True)
class ShardedExamples:
    """Which examples begin in which shard, as plain numbers.

    Parameters
    ----------
    examples : int
        How many there are.
    hop, start : int
        Example i begins at sample ``start + i * hop`` of the song.
    shard_starts : sequence of int
        The first sample of each shard: 0, and upwards.

    Raises
    ------
    SchemeError
        Numbers that are not whole or out of their range, or shards that do not go upwards from 0.
    """

    examples: int
    hop: int
    start: int = 0
    shard_starts: Sequence[int] = (0,)

    def __post_init__(self) -> None:
        whole("examples", self.examples, SchemeError, at_least=0, at_most=LARGEST)
        whole("hop", self.hop, SchemeError, at_least=1, at_most=LARGEST)
        whole("start", self.start, SchemeError, at_least=0, at_most=LARGEST)
        if not isinstance(self.shard_starts, Sequence):
            raise SchemeError(f"shard_starts is {reprlib.repr(self.shard_starts)}: give the first sample of each shard")
        least = 0
        for number, first in enumerate(self.shard_starts):
            most = 0 if number == 0 else LARGEST
            least = 1 + whole(f"start of shard {number}", first, SchemeError, at_least=least, at_most=most)
        if least == 0:
            raise SchemeError("there are no shards: give the first sample of each, 0 and upwards")

    @classmethod
    def of(cls, windows: Windows) -> Self:
        """Take them from windows: the shards of a `Song`; any other recording is one shard."""
        if not isinstance(windows, Windows):
            raise SchemeError(f"examples are {reprlib.repr(windows)}: give Windows, or ShardedExamples of your own")
        song = windows.song
        starts = [shard.start for shard in song.index.shards] if isinstance(song, Song) else [0]
        return cls(len(windows), windows.hop, windows.start, starts)

    def borders(self) -> Indices:
        """Give the first example of each shard in which one begins, and then the number of examples.

        Returns
        -------
        ndarray, shape (shards with examples + 1,), int64
        """
        starts = np.array(self.shard_starts, dtype=np.int64)
        firsts = -(-np.maximum(starts - self.start, 0) // self.hop)
        # A shard without an example has the first one of the shard after it.
        return np.unique(np.append(np.minimum(firsts, self.examples), self.examples))


class _Plan:
    """The shards of one epoch in their order, and where the groups begin; of as many numbers as shards."""

    def __init__(self, borders: Indices, groups: int, seed: int, epoch: int) -> None:
        shards = len(borders) - 1
        order = Permutation(shards, derive_key(seed, epoch, _SHARDS))(np.arange(shards, dtype=np.int64))
        self._seed, self._epoch = seed, epoch
        self._firsts, self._stops = borders[order], borders[order + 1]
        # In the order of the shards, each of them whole: the position of its first example, and the end of all.
        self._at = np.append(0, np.cumsum(self._stops - self._firsts))
        self._edges = np.arange(groups + 1, dtype=np.int64) * shards // max(groups, 1)
        self._group_at = self._at[self._edges]

    def group(self, position: int) -> int:
        """Give the group that a position lies in."""
        return int(np.searchsorted(self._group_at, position, side="right")) - 1

    def runs(self, group: int) -> Runs:
        """Give the runs of examples that begin in the shards of a group."""
        shards = slice(*self._edges[group : group + 2].tolist())
        return list(zip(self._firsts[shards].tolist(), self._stops[shards].tolist(), strict=True))

    def examples(self, first: int, stop: int) -> Indices:
        """Give the examples at the positions from `first` to `stop`."""
        examples = np.empty(stop - first, dtype=np.int64)
        for group in range(self.group(first), self.group(stop - 1) + 1):
            begin, end = self._group_at[group : group + 2].tolist()
            low, high = max(begin, first), min(end, stop)
            shuffle = Permutation(end - begin, derive_key(self._seed, self._epoch, _EXAMPLES, group))
            at = begin + shuffle(np.arange(low - begin, high - begin, dtype=np.int64))
            shards = slice(*self._edges[group : group + 2].tolist())
            shard = np.searchsorted(self._at[shards], at, side="right") - 1
            examples[low - first : high - first] = at + (self._firsts[shards] - self._at[shards])[shard]
        return examples


class ShardShuffledScheme(Scheme):
    """A shuffle that needs few shards at a time and no list of the examples.

    The shards are put in an order shuffled by (seed, epoch) and cut into groups of up to `open_shards`, as
    equal as can be. The examples that begin in the shards of a group are shuffled together; one group follows
    another, and a mini-batch may begin in one and end in the next. Each example comes once in an epoch. An
    example belongs to the shard that it begins in, and may reach into those after it: a reader needs these too.
    Shards in which no example begins are left out.

    The example at a position is computed (`streams.permutation.Permutation`). So any mini-batch of any epoch is
    had at once, of any number of examples up to 2**62, and what is kept are a few numbers a shard.

    It is less than a uniform shuffle. With S shards alike, groups of h of them, N examples and mini-batches
    of B:

    - Two examples of different groups never share a mini-batch, but where one group ends. Two of the same shard
      share one S / h times as often as in a uniform shuffle; two of different shards
      ``(h - 1) / h * S / (S - 1)`` times, in the mean over epochs.
    - Mini-batches of one group are alike. Where the song drifts slowly along its length, the mean over a
      mini-batch has, between mini-batches, a variance of some ``1 + (B - 1) / h * (S - h) / (S - 1)`` times
      that of a uniform shuffle: with mini-batches of 128 from 8 open shards of many, 17 times, a standard error
      4 times as large. It is 1 where all shards are open. Take as many as the cache holds twice, since the next
      group is fetched while this one is read.
    - Within a group nothing is seen that tells it from a uniform shuffle.

    `python -m benchmarks.shuffle_quality` measures all three.

    Parameters
    ----------
    windows : Windows or ShardedExamples
        The examples, and which shards they begin in.
    batch_size : int
        As for `Scheme`.
    seed : int
        From 0 to 2**32 - 1.
    open_shards : int
        Shards of a group at most.

    Raises
    ------
    SchemeError
        A number that is not whole, or out of its range.
    """

    def __init__(
        self, windows: Windows | ShardedExamples, batch_size: int = 128, seed: int = 1, open_shards: int = 8
    ) -> None:
        sharded = windows if isinstance(windows, ShardedExamples) else ShardedExamples.of(windows)
        super().__init__(sharded.examples, batch_size)
        self.seed = whole("seed", seed, SchemeError, at_least=0, at_most=LARGEST_SEED)
        self.open_shards = whole("open_shards", open_shards, SchemeError, at_least=1)
        self._borders = sharded.borders()
        self._groups = -(-(len(self._borders) - 1) // self.open_shards)
        # Of the epoch asked for last and the one before it: `ahead` looks over the end of an epoch.
        self._plans: dict[int, _Plan] = {}
        self._ahead: tuple[tuple[int, int], Runs] = ((-1, -1), [])

    @property
    def identity(self) -> dict[str, Any]:
        """What tells the order from others: plain JSON; `shards` is a digest of the examples that each has."""
        return {
            **super().identity,
            "seed": self.seed,
            "open_shards": self.open_shards,
            "shards": hashlib.sha256(self._borders.astype("<i8").tobytes()).hexdigest(),
        }

    def _mini_batches(self, epoch: int, first: int) -> Iterator[Indices]:
        plan = self._plan(epoch)
        begin, step = first * self.batch_size, self.batch_size
        while begin < self.examples:
            stop = min(begin + step, self.examples)
            examples = plan.examples(begin, stop)
            for at in range(0, len(examples), self.batch_size):
                yield examples[at : at + self.batch_size]
            # The first mini-batch at once; those after it, more and more together.
            begin, step = stop, max(step, min(2 * step, _AT_ONCE // self.batch_size * self.batch_size))

    def ahead(self, epoch: int, number: int) -> Runs:
        """Give the runs of the group that is being read, then those of the next; see `Scheme.ahead`.

        The same list is given until the next group begins.
        """
        given = self._given(epoch, number)
        if self.examples == 0:
            return []
        if given == self.examples:
            epoch, given = epoch + 1, 0
        group = self._plan(epoch).group(given)
        known, runs = self._ahead
        if known != (epoch, group):
            after = (epoch, group + 1) if group + 1 < self._groups else (epoch + 1, 0)
            runs = self._plan(epoch).runs(group) + self._plan(after[0]).runs(after[1])
            self._ahead = ((epoch, group), runs)
        return runs

    def _plan(self, epoch: int) -> _Plan:
        plan = self._plans.get(epoch)
        if plan is None:
            plan = _Plan(self._borders, self._groups, self.seed, epoch)
            self._plans = {**dict(list(self._plans.items())[-1:]), epoch: plan}
        return plan
