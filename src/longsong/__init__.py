"""longsong: teach a recurrent network one long song, frame by frame, and make 30 seconds of new sound.

From Python::

    import longsong
    from longsong import DataConfig, RunConfig

    folder = longsong.train(RunConfig(shards=Path("shards/demo"), data=DataConfig(frame=1000, seq=100)))
    run = longsong.load_run(folder)
    run.generate(seconds=30).samples
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from longsong.config import DataConfig, ExecutionConfig, ModelConfig, RunConfig, TrainingConfig
from longsong.errors import LongsongError
from longsong.version import __version__

if TYPE_CHECKING:
    from longsong.runs import Run, load_run
    from longsong.training import train

__all__ = [
    "DataConfig",
    "ExecutionConfig",
    "LongsongError",
    "ModelConfig",
    "Run",
    "RunConfig",
    "TrainingConfig",
    "__version__",
    "load_run",
    "train",
]

_LATE = {"Run": "longsong.runs", "load_run": "longsong.runs", "train": "longsong.training"}


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is first asked for, so that the command line starts at once."""
    if name not in _LATE:
        raise AttributeError(f"module 'longsong' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATE[name]), name)
