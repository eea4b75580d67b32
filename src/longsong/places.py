"""Where things lie that a run's files name."""

from __future__ import annotations

from pathlib import Path

__all__ = ["find_shards"]


def find_shards(shards: str, runs: Path) -> Path | None:
    """Find the shards that a run names; None where they are in none of the places.

    Parameters
    ----------
    shards : str
        The folder as ``config.json`` has it: absolute, or relative to where longsong was called. It is looked for
        from here, from beside `runs`, from inside of it, and under its own name in a folder ``shards`` beside `runs`
        or beside the folder that `runs` is in.
    runs : Path
        The folder of runs.
    """
    given, beside = Path(shards), runs.resolve().parent
    places = [
        given,
        beside / given,
        runs / given,
        beside / "shards" / given.name,
        beside.parent / given,
        beside.parent / "shards" / given.name,
    ]
    return next((place for place in places if (place / "index.json").exists()), None)
