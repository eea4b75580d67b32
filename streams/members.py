"""The members of a song's shards: mapped, compared with their checksums, decoded, and let go again."""

from __future__ import annotations

import mmap
from collections import OrderedDict
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from streams.blocks import Blocks
from streams.checksum import checksum
from streams.cores import on_all_cores
from streams.errors import CacheError, DamagedShardError
from streams.flac import decode
from streams.index import Index
from streams.shard import Member, Shard
from streams.shard_source import REMEDY, MappedShard, NoDescriptorError, ShardSource

__all__ = ["Members", "read_member"]

Samples = npt.NDArray[np.int16]
Numbers = npt.NDArray[np.int64]

_DECODED_BYTES = 1 << 26
"""Decoded FLAC blocks that are kept: 256 of 2**17 samples, two for each example of a mini-batch of 128."""

_WORTH_THREADS = 8
"""Members to check from which on a second thread is worth its start: of 2**17 samples they have 2 MiB."""


def read_member(
    data: mmap.mmap, where: Callable[[Shard], str], shard: Shard, member: Member, *, check: bool = True
) -> Samples:
    """Give a member's samples: a view of the map where it stores them as they are, else decoded.

    Parameters
    ----------
    data : mmap
        The whole shard.
    where : callable
        Gives its path or URL, for messages.
    shard, member
        What the index says of them.
    check : bool
        Compare the stored bytes with the member's checksum first.

    Raises
    ------
    DamagedShardError
        They are other bytes, or cannot be decoded to that many samples.
    """
    stored = memoryview(data)[member.offset : member.offset + member.bytes]
    if check and checksum(stored, shard.check_kind) != member.check:
        raise DamagedShardError(
            f"{where(shard)}: member {member.name} (samples {member.start} to {member.stop}) is altered; {REMEDY}"
        )
    if shard.encoding == "flac":
        return decode(stored, member.samples, f"{where(shard)}: member {member.name}")
    view: Samples = np.frombuffer(stored, "<i2")
    return view


class Members:
    """What of a song is at hand. Not for several threads at once: `Song` sees to that.

    Parameters
    ----------
    index : Index
    source : ShardSource

    Attributes
    ----------
    blocks : Blocks
        The members at hand, to read from.
    """

    def __init__(self, index: Index, source: ShardSource) -> None:
        self._index, self._source = index, source
        self.blocks = Blocks(index.starts, self.view)
        self._verified = bytearray(len(index.starts) - 1)
        self._mapped: OrderedDict[int, MappedShard] = OrderedDict()  # the one used longest ago comes first
        self._mapped_bytes = 0
        self._decoded: OrderedDict[int, Samples] = OrderedDict()  # in the same order
        self._decoded_bytes = 0
        shards = index.shards
        self._all_bytes = sum(shard.bytes for shard in shards)
        self._shard_starts = np.array([shard.start for shard in shards], dtype=np.int64)
        self._shard_of = np.repeat(np.arange(len(shards), dtype=np.int32), [len(shard) for shard in shards])

    @property
    def may_let_go(self) -> bool:
        """Whether not all shards may be mapped at once, so that it counts which are used."""
        return len(self._index.shards) > self._source.most_shards or self._all_bytes > self._source.most_bytes

    def needed(self, starts: Numbers, length: int) -> Numbers:
        """Give the members that runs of `length` samples lie in, each once, in the order of the song."""
        first = np.searchsorted(self._index.starts, starts, side="right") - 1
        last = np.searchsorted(self._index.starts, starts + length, side="left")
        members = np.concatenate([np.arange(*ends) for ends in zip(first, last, strict=True)])
        members.sort()  # np.unique would import half of numpy, in the time of the first mini-batch
        return members[np.diff(members, prepend=-1) > 0]

    def groups(self, needed: Numbers) -> Iterator[list[int]]:
        """Cut members into groups that may be at hand together."""
        group: list[int] = []
        shards: set[int] = set()
        decoded = 0
        for number, shard in zip(needed.tolist(), self._shard_of[needed].tolist(), strict=True):
            size = self._size_decoded(number)
            full = shard not in shards and len(shards) == self._source.shards_at_once
            if group and (full or decoded + size > _DECODED_BYTES):
                yield group
                group, shards, decoded = [], set(), 0
            group.append(number)
            shards.add(shard)
            decoded += size
        if group:
            yield group

    def have(self, group: list[int]) -> None:
        """Have the members of a group at hand, each compared with its checksum when it is first read.

        Raises
        ------
        DamagedShardError, StorageError, CacheError
            One of them is altered, or cannot be had.
        """
        for number in group:
            if number in self._decoded:
                self._decoded.move_to_end(number)
        missing = [number for number in group if number not in self.blocks]
        if not missing:
            return
        for shard in dict.fromkeys(self._shard_of[group].tolist()):
            if shard in self._mapped:  # so that none of the group is let go for another one of it
                self._mapped.move_to_end(shard)
        shards = self._shard_of[missing].tolist()
        for shard in dict.fromkeys(shards):
            self._map(shard)
        for number, samples in zip(missing, self._read(missing, shards), strict=True):
            self._verified[number] = 1
            self.blocks.put(number, samples)
            if self._index.encoding == "flac":
                self._decoded[number] = samples
                self._decoded_bytes += samples.nbytes
        while self._decoded_bytes > _DECODED_BYTES and len(self._decoded) > len(group):
            number, samples = self._decoded.popitem(last=False)
            self._decoded_bytes -= samples.nbytes
            self.blocks.drop(number)

    def view(self, number: int) -> Samples:
        """Give the samples of a member at hand."""
        if self._index.encoding == "flac":
            return self._decoded[number]
        shard = self._index.shards[self._shard_of[number]]
        data, member = self._mapped[int(self._shard_of[number])].data, number - shard.first
        view: Samples = np.frombuffer(data, "<i2", count=shard.lengths[member], offset=shard.offsets[member])
        return view

    def is_mapped(self, shard: int) -> bool:
        """Say whether shard number `shard` is mapped."""
        return shard in self._mapped

    def shards_between(self, start: int, stop: int) -> range:
        """Give the numbers of the shards that samples [start, stop) lie in; of none, where there are none."""
        first, last = np.searchsorted(self._shard_starts, [start, max(start, stop - 1)], side="right") - 1
        return range(int(first), int(last) + 1)

    def use(self, starts: Numbers, length: int) -> None:
        """Note that the shards of these runs are used now, so that others are let go before them."""
        for start in starts.tolist():
            for number in self.shards_between(start, start + length):
                if number in self._mapped:
                    self._mapped.move_to_end(number)

    def let_go(self) -> None:
        """Let all shards go."""
        for number in list(self._mapped):
            self._let_go(number)

    def _read(self, numbers: list[int], shards: list[int]) -> list[Samples]:
        """Give the samples of members of mapped shards; read on all cores, where that is worth it."""
        work = list(zip(numbers, shards, self._index.starts[numbers].tolist(), strict=True))
        return on_all_cores(lambda member: self._samples(*member), work, worth_it=len(work) >= _WORTH_THREADS)

    def _samples(self, number: int, shard: int, start: int) -> Samples:
        entry = self._index.shards[shard]
        member = entry.member(number - entry.first, start)
        return read_member(
            self._mapped[shard].data, self._source.where, entry, member, check=not self._verified[number]
        )

    def _size_decoded(self, number: int) -> int:
        if self._index.encoding != "flac":
            return 0
        return 2 * int(self._index.starts[number + 1] - self._index.starts[number])

    def _map(self, number: int) -> None:
        """Have a shard mapped, and let those go that were used longest ago, if there are too many."""
        if number in self._mapped:
            self._mapped.move_to_end(number)
            return
        shard = self._index.shards[number]
        while self._mapped and (
            len(self._mapped) >= self._source.most_shards or self._mapped_bytes + shard.bytes > self._source.most_bytes
        ):
            self._let_go(next(iter(self._mapped)))
        while True:
            try:
                # Waiting for room with shards in hand, two readers of one cache could wait for each other.
                self._mapped[number] = self._source.open(shard, wait=not self._mapped)
                self._mapped_bytes += shard.bytes
                return
            except (CacheError, NoDescriptorError):
                if not self._mapped:
                    raise
                self._let_go(next(iter(self._mapped)))

    def _let_go(self, number: int) -> None:
        shard = self._index.shards[number]
        for member in range(shard.first, shard.first + len(shard)):
            if member not in self._decoded:
                self.blocks.drop(member)
        self._mapped_bytes -= shard.bytes
        self._mapped.pop(number).close()
