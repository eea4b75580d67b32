"""Where things lie that a run's files name."""

from __future__ import annotations

from pathlib import Path

__all__ = ["find_shards"]

_FOLDERS_UP = 4
"""Where it is looked for: runs of an experiment lie two folders deeper than those of the grid."""


def find_shards(shards: str, runs: Path) -> Path | None:
    """Find the shards that a run names; None where they are in none of the places.

    Parameters
    ----------
    shards : str
        The folder as ``config.json`` has it: absolute, or relative to where longsong was called. It is looked for
        from here, from inside of `runs`, and from beside it and the folders that it is in, as it is and under its own
        name in a folder ``shards``.
    runs : Path
        The folder of runs.
    """
    given = Path(shards)
    places = [given, runs / given]
    for beside in list(runs.resolve().parents)[:_FOLDERS_UP]:
        places += [beside / given, beside / "shards" / given.name]
    return next((place for place in places if _has_index(place)), None)


def _has_index(place: Path) -> bool:
    try:
        return (place / "index.json").exists()
    except OSError:  # a name that is too long for this file system
        return False
