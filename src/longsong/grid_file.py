"""`grid.json`: what is planned, running and done in a folder of runs (``docs/formats.md``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from longsong.errors import RunError
from longsong.fields import GRID as GRID_FIELDS
from longsong.fields import GRID_RUN, require
from longsong.files import read_json, write_json

__all__ = ["GRID", "read_grid", "write_grid"]

GRID = "grid.json"
_FORMAT, _VERSION = "longsong.grid", 1


def read_grid(out: Path) -> dict[str, Any]:
    """Read the grid of a folder of runs.

    Returns
    -------
    dict
        With what `longsong.fields` asks of it and of each of its runs, and what else is there. A run's name is no path.

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
        require(found, GRID_FIELDS, str(path))
        for number, run in enumerate(found["runs"]):
            require(run, GRID_RUN, f"{path}, run {number}")
    except RunError as error:
        raise RunError(f"{error}; `longsong reproduce` makes it anew") from error
    return found


def write_grid(out: Path, grid: Mapping[str, Any]) -> None:
    """Write the grid of a folder of runs, whole or not at all."""
    write_json(out / GRID, {"format": _FORMAT, "version": _VERSION, **grid}, sealed=True)
