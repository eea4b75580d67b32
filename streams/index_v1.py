"""Version 1 of `index.json`, which had an object for each member."""

from __future__ import annotations

from collections.abc import Sequence

from streams.errors import IndexFileError
from streams.index_fields import Fields
from streams.shard import member_name

__all__ = ["as_version_2"]


def as_version_2(shards: Sequence[Fields], block_samples: int) -> list[Fields]:
    """Give the shards of version 1 in the form of version 2, for the one reader of both.

    What version 1 says more often than needed has to agree: each member's first sample with the members before
    it, and no name may stand twice in the song, be it of a shard or of a member.

    Raises
    ------
    IndexFileError
        It does not agree, or is not what it has to be.
    """
    at = number = 0
    seen: set[str] = set()
    columns = []
    for shard in shards:
        members = shard.items("members")
        names, lengths, offsets, digests = [], [], [], []
        for member in members:
            names.append(member.name("name"))
            lengths.append(member.whole("samples", at_least=1))
            offsets.append(member.whole("offset", at_least=0))
            digests.append(member.digest("sha256"))
            start = member.whole("start", at_least=0)
            if start != at or lengths[-1] > block_samples:
                raise IndexFileError(
                    f"{member.where}: {names[-1]} holds samples {start} to {start + lengths[-1]}, "
                    f"where up to {block_samples} from {at} on are due"
                )
            at += lengths[-1]
        here = {shard.name("name"), *names}
        if len(here) <= len(names) or not seen.isdisjoint(here):
            raise IndexFileError(f"{shard.where}: a name stands twice")
        seen |= here
        mapping = {"offsets": offsets, "lengths": lengths, "digests": "".join(digests)}
        if names != [member_name(number + i, "npy") for i in range(len(names))]:
            mapping["names"] = names
        number += len(names)
        columns.append(Fields({**shard.mapping, **mapping}, shard.where))
    return columns
