"""What can go wrong, as one small tree; the command line turns each into one line and exit status 2.

::

    LongsongError
    ├── AudioError       no such file, not audio, empty, cut short, not finite
    ├── ConfigError      an option or configuration value that cannot be
    ├── DeviceError      a device that is unknown or not there
    ├── SpaceError       a disk that is full, or will be
    ├── RunError         a run folder that is missing, unfinished or of another kind
    │   ├── BusyError        one that another process is at work on
    │   ├── UnreadableError  a file that may be whole, and cannot be read: the system refuses it
    │   │   └── VersionError     ... or a newer version wrote it
    │   └── CheckpointError  a checkpoint cut short, altered, or of another song or configuration
    ├── RanksError       processes that train one run together, and are not together any more
    └── NotFiniteError   a cost or a sample that is not finite

The data layer has a tree of its own: `streams.errors.StreamsError`.
Every message names the value received and what to do next.
"""

from __future__ import annotations

__all__ = [
    "AudioError",
    "BusyError",
    "CheckpointError",
    "ConfigError",
    "DeviceError",
    "LongsongError",
    "NotFiniteError",
    "RanksError",
    "RunError",
    "SpaceError",
    "UnreadableError",
    "VersionError",
]


class LongsongError(Exception):
    """Root of all errors that longsong raises on purpose."""


class AudioError(LongsongError):
    """An audio file that is missing, not audio, empty, cut short or not finite."""


class ConfigError(LongsongError, ValueError):
    """An option or configuration value that cannot be."""


class DeviceError(LongsongError):
    """A device that is unknown or not there."""


class SpaceError(LongsongError):
    """A disk that is full, or will be before the work is done."""


class RunError(LongsongError):
    """A run folder that is missing, unfinished or of another kind."""


class BusyError(RunError):
    """A folder that another process is at work on."""


class UnreadableError(RunError):
    """A file that may be whole and that the system does not give: no permission, or an error of the disk."""


class VersionError(UnreadableError):
    """A file that a newer version wrote."""


class CheckpointError(RunError):
    """A checkpoint that is cut short, altered, or of another song or configuration."""


class RanksError(LongsongError):
    """Processes that train one run together, of which one has gone, or the first refused.

    Parameters
    ----------
    message : str
    said : bool
        Whether the first process says why by itself.
    """

    def __init__(self, message: str, *, said: bool = False) -> None:
        super().__init__(message)
        self.said = said


class NotFiniteError(LongsongError):
    """A cost or a sample that is not finite."""
