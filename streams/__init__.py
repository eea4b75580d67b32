"""The data layer: one long recording, addressed by sample, as mini-batches of windows.

::

    song = Song.open("shards/demo")
    windows = Windows(song, frame=1000, seq=100, stop=train_samples(len(song)))
    stream = DataStream(windows, ShuffledScheme(len(windows)))
    for inputs, targets in stream.get_epoch_iterator():
        ...

A song may also lie at a URL, and then goes through a local cache (`streams.cache`). Shards are written with
`streams.writer.ShardWriter`, tars of others are indexed by `streams.foreign`; checkers for streams are in
`streams.testing`. A user of Fuel or WebDataset finds his way by docs/from-fuel.md.
"""

from streams.array_song import ArraySong
from streams.cache import ShardCache
from streams.errors import (
    CacheError,
    DamagedShardError,
    ForeignShardError,
    FormatVersionError,
    IndexFileError,
    SchemeError,
    ShardError,
    StateError,
    StorageError,
    StreamsError,
    TransformerError,
    WindowError,
    WriteError,
)
from streams.index import Index
from streams.lanes import LaneScheme
from streams.normalise import NORMALISATIONS, Normaliser
from streams.schemes import Scheme, SequentialScheme, ShuffledScheme
from streams.shard import Member, Shard
from streams.shard_shuffle import ShardedExamples, ShardShuffledScheme
from streams.song import Song
from streams.statistics import Statistics
from streams.stream import DataStream
from streams.transformers import Cast, Mapping, Merge, Rename, ScaleAndShift, Transformer
from streams.windows import Recording, Windows, train_samples
from streams.writer import ShardWriter

__all__ = [
    "NORMALISATIONS",
    "ArraySong",
    "CacheError",
    "Cast",
    "DamagedShardError",
    "DataStream",
    "ForeignShardError",
    "FormatVersionError",
    "Index",
    "IndexFileError",
    "LaneScheme",
    "Mapping",
    "Member",
    "Merge",
    "Normaliser",
    "Recording",
    "Rename",
    "ScaleAndShift",
    "Scheme",
    "SchemeError",
    "SequentialScheme",
    "Shard",
    "ShardCache",
    "ShardError",
    "ShardShuffledScheme",
    "ShardWriter",
    "ShardedExamples",
    "ShuffledScheme",
    "Song",
    "StateError",
    "Statistics",
    "StorageError",
    "StreamsError",
    "Transformer",
    "TransformerError",
    "WindowError",
    "Windows",
    "WriteError",
    "train_samples",
]
