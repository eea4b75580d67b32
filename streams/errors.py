"""What can go wrong in the data layer, as one small tree.

::

    StreamsError
    ├── ShardError           a shard or its index cannot be used
    │   ├── IndexFileError     index.json: missing, cut short, altered, not of this kind
    │   ├── FormatVersionError written by a newer version
    │   ├── DamagedShardError  a tar: missing, cut short, altered
    │   └── ForeignShardError  a tar of someone else's that cannot be indexed as a part of a song
    ├── StorageError         a place that cannot be reached, or is refused
    │   └── RetryableError     one attempt failed in a way that may pass (streams.retries)
    ├── CacheError           the local cache: too small, full of shards that are read, not to be written
    │   └── NoRoomError        full at this moment, for one that does not wait (streams.cache)
    ├── WindowError          a frame, sequence, hop, range or example that cannot be
    ├── SchemeError          a batch size, seed or number of examples that cannot be
    ├── TransformerError     a transformer that cannot be, or that makes no mini-batch of what it is given
    ├── StateError           a state of another song, scheme or shape
    └── WriteError           shards cannot be written here

Every message names the value received and what to do next.
"""

from __future__ import annotations

__all__ = [
    "CacheError",
    "DamagedShardError",
    "ForeignShardError",
    "FormatVersionError",
    "IndexFileError",
    "SchemeError",
    "ShardError",
    "StateError",
    "StorageError",
    "StreamsError",
    "TransformerError",
    "WindowError",
    "WriteError",
]


class StreamsError(Exception):
    """Root of all errors that `streams` raises on purpose."""


class ShardError(StreamsError):
    """A shard or its index cannot be used."""


class IndexFileError(ShardError):
    """`index.json` is missing, cut short, altered, or not an index of shards."""


class FormatVersionError(ShardError):
    """A file was written by a newer version than this one can read."""


class DamagedShardError(ShardError):
    """A shard is missing, cut short or altered."""


class ForeignShardError(ShardError):
    """A tar that someone else wrote and that cannot be indexed as a part of a song."""


class StorageError(StreamsError):
    """A place that cannot be reached, or that is refused."""


class CacheError(StreamsError):
    """The local cache is too small, full of shards that are being read, or cannot be written."""


class WindowError(StreamsError, ValueError):
    """A frame, sequence, hop, range of samples or example index that cannot be."""


class SchemeError(StreamsError, ValueError):
    """A batch size, seed or number of examples that cannot be."""


class TransformerError(StreamsError, ValueError):
    """A transformer that cannot be, or that cannot make a mini-batch of what it is given."""


class StateError(StreamsError):
    """A saved position that belongs to another song, scheme or shape."""


class WriteError(StreamsError):
    """Shards cannot be written where they were asked for."""
