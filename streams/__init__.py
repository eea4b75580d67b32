"""The data layer: one long recording, addressed by sample, as mini-batches of windows.

::

    song = Song.open("shards/demo")
    windows = Windows(song, frame=1000, seq=100, stop=train_samples(len(song)))
    stream = DataStream(windows, ShuffledScheme(len(windows)))
    for inputs, targets in stream.get_epoch_iterator():
        ...

Shards are written with `streams.writer.ShardWriter`; checkers for streams are in `streams.testing`.
"""

from streams.array_song import ArraySong
from streams.errors import (
    DamagedShardError,
    FormatVersionError,
    IndexFileError,
    SchemeError,
    ShardError,
    StateError,
    StreamsError,
    WindowError,
    WriteError,
)
from streams.index import Index, Member, Shard
from streams.normalise import NORMALISATIONS, Normaliser
from streams.schemes import Scheme, SequentialScheme, ShuffledScheme
from streams.song import Song
from streams.statistics import Statistics
from streams.stream import DataStream
from streams.windows import Recording, Windows, train_samples
from streams.writer import ShardWriter

__all__ = [
    "NORMALISATIONS",
    "ArraySong",
    "DamagedShardError",
    "DataStream",
    "FormatVersionError",
    "Index",
    "IndexFileError",
    "Member",
    "Normaliser",
    "Recording",
    "Scheme",
    "SchemeError",
    "SequentialScheme",
    "Shard",
    "ShardError",
    "ShardWriter",
    "ShuffledScheme",
    "Song",
    "StateError",
    "Statistics",
    "StreamsError",
    "WindowError",
    "Windows",
    "WriteError",
    "train_samples",
]
