"""Every byte of a song's shards, compared with its index, wherever they are."""

from __future__ import annotations

from pathlib import Path

import streams
from longsong.progress import Progress
from longsong.units import human_count, human_time
from streams.shard_source import open_shards
from streams.verify import find_damage

__all__ = ["verify"]


def verify(shards: Path | str, *, quiet: bool = False) -> list[streams.StreamsError]:
    """Find all that is damaged in a folder or URL of shards.

    Parameters
    ----------
    shards : Path or str
        Folder or URL.
    quiet : bool
        Report no progress.

    Returns
    -------
    list of StreamsError
        Each names the shard, and the member and its samples where they are what is altered; none, where every
        byte is what the index says.

    Raises
    ------
    streams.StreamsError
        There is no index, or it cannot be used.
    """
    index, source = open_shards(shards)
    with Progress(f"verifying {source.name}", index.samples, "samples", quiet=quiet) as progress:
        damages = list(find_damage(index, source, progress.update))
        if not damages:
            progress.say(
                f"{source.name}: all {len(index.shards)} shards are whole, {human_count(index.samples)} samples, "
                f"{human_time(index.samples / index.sample_rate)}; digest {index.digest}"
            )
    return damages
