"""`grid.json`: what is planned, running and done in a folder of runs (``docs/formats.md``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from longsong.errors import RunError
from longsong.files import read_json, write_json

__all__ = ["GRID", "read_grid", "write_grid"]

GRID = "grid.json"
_FORMAT, _VERSION = "longsong.grid", 1
_TEXTS = ("name", "state", "reason")


def read_grid(out: Path) -> dict[str, Any]:
    """Read the grid of a folder of runs.

    Returns
    -------
    dict
        With ``song``, ``runs`` and what else is there. Each run is known to have a name that is no path, a state, a
        reason and an estimate.

    Raises
    ------
    RunError
        There is none, or it is cut short or altered.
    """
    path = out / GRID
    if not path.exists():
        raise RunError(f"{out} has no {GRID}: it is no folder of runs of `longsong reproduce`; name one that is")
    found = read_json(path, _FORMAT, _VERSION)
    try:
        if not isinstance(found["song"]["name"], str) or not isinstance(found["song"]["digest"], str):
            raise TypeError(f"the song is {found['song']!r}")
        for run in found["runs"]:
            _check(run)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path} is altered ({error!r}); `longsong reproduce` makes it anew") from error
    return found


def _check(run: Mapping[str, Any]) -> None:
    for name in _TEXTS:
        if not isinstance(run[name], str):
            raise TypeError(f"{name} is {run[name]!r}")
    # It is the name of a folder in this one, and of no other place.
    if run["name"] in ("", "..") or Path(run["name"]).name != run["name"] or "\0" in run["name"]:
        raise ValueError(f"the name {run['name']!r} is a path")
    seconds = run["estimated_seconds"]
    if seconds is not None and not (isinstance(seconds, (int, float)) and 0 <= seconds < 1e12):
        raise ValueError(f"{run['name']} is estimated at {seconds!r} s")


def write_grid(out: Path, grid: Mapping[str, Any]) -> None:
    """Write the grid of a folder of runs, whole or not at all."""
    write_json(out / GRID, {"format": _FORMAT, "version": _VERSION, **grid}, sealed=True)
