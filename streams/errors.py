"""What can go wrong in the data layer, as one small tree.

::

    StreamsError
    ├── ShardError           a shard or its index cannot be used
    │   ├── IndexFileError     index.json: missing, cut short, altered, not of this kind
    │   ├── FormatVersionError written by a newer version
    │   └── DamagedShardError  a tar: missing, cut short, altered
    ├── WindowError          a frame, sequence, hop, range or example that cannot be
    ├── SchemeError          a batch size, seed or number of examples that cannot be
    ├── StateError           a state of another song, scheme or shape
    └── WriteError           shards cannot be written here

Every message names the value received and what to do next.
"""

from __future__ import annotations

__all__ = [
    "DamagedShardError",
    "FormatVersionError",
    "IndexFileError",
    "SchemeError",
    "ShardError",
    "StateError",
    "StreamsError",
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


class WindowError(StreamsError, ValueError):
    """A frame, sequence, hop, range of samples or example index that cannot be."""


class SchemeError(StreamsError, ValueError):
    """A batch size, seed or number of examples that cannot be."""


class StateError(StreamsError):
    """A saved position that belongs to another song, scheme or shape."""


class WriteError(StreamsError):
    """Shards cannot be written where they were asked for."""
