"""Every byte of a set of shards, compared with its index."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from streams.errors import DamagedShardError, IndexFileError, StreamsError
from streams.index import Index
from streams.members import read_member
from streams.shard import Shard
from streams.shard_source import REMEDY, ShardSource
from streams.tally import Tally

__all__ = ["find_damage"]


def find_damage(
    index: Index, source: ShardSource, progress: Callable[[int], None] | None = None
) -> Iterator[StreamsError]:
    """Find all that is wrong, in the order of the song; nothing, where every byte is what the index says.

    Parameters
    ----------
    index : Index
        As it was read; whether `index.json` itself was altered showed then.
    source : ShardSource
        Where the shards are. They are read anew: nothing that was compared before is taken for granted.
    progress : callable, optional
        Called with the number of samples that were looked at so far.

    Yields
    ------
    DamagedShardError
        Names the shard; the member and its samples where they are what is altered.
    StorageError
        A shard cannot be had.
    IndexFileError
        Last, if all shards are whole: the digest or the statistics of the index are not those of the samples.
    """
    tally, whole = Tally(), True
    for shard in index.shards:
        try:
            mapped = source.open_as_it_is(shard)
        except StreamsError as error:
            yield error
            whole = False
            continue
        where = source.where(shard)
        try:
            members_whole = True
            for member in shard.members:
                try:
                    samples = read_member(mapped.data, source.where, shard, member)
                except DamagedShardError as error:
                    yield error
                    members_whole = False
                else:
                    tally.add(samples)
                if progress is not None:
                    progress(member.stop)
            if members_whole and hashlib.sha256(mapped.data).hexdigest() != shard.sha256:
                yield _between(where, shard)
                whole = False
            whole = whole and members_whole
        finally:
            mapped.close()
    if whole and (tally.digest, tally.statistics) != (index.digest, index.statistics):
        yield IndexFileError(
            f"{source.name}: the digest or the statistics of its index are not those of the samples; "
            "make the shards again"
        )


def _between(where: str, shard: Shard) -> DamagedShardError:
    return DamagedShardError(
        f"{where}: altered between its members (samples {shard.start} to {shard.start + shard.samples} themselves "
        f"are whole); {REMEDY}"
    )
