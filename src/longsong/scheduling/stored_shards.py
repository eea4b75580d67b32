"""A song's shards in the storage of a cluster, for nodes that do not see their folder."""

from __future__ import annotations

from pathlib import Path

import streams
from longsong.scheduling.storage_writing import WritableStorage
from streams.errors import StorageError
from streams.index import LARGEST_INDEX
from streams.shard import is_file_name

__all__ = ["shards_in"]


def shards_in(storage: WritableStorage, song_folder: Path) -> str:
    """Give the place of a song's shards in storage, after putting them there if they are not.

    Raises
    ------
    StorageError
        It cannot be written to, or holds another song under that name.
    """
    index = (song_folder / "index.json").read_bytes()
    name = song_folder.resolve().name
    place = storage.within("shards").within(name if is_file_name(name) else streams.Song.open(song_folder).digest)
    there = place.names()
    if "index.json" in there:
        if place.read("index.json", LARGEST_INDEX) != index:
            raise StorageError(f"{place.name} holds the shards of another song; give another --storage")
        return place.url
    for path in sorted(song_folder.iterdir()):
        if path.is_file() and is_file_name(path.name) and path.name != "index.json":
            place.write_file(path.name, path)
    place.write("index.json", index)  # last: what it names is there then
    return place.url
