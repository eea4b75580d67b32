"""How a grid stands, by what is on the disk: while it runs, from elsewhere, or after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from longsong.folder_lock import Owner, owner_of
from longsong.grid_file import GRID, read_grid

__all__ = ["read_status"]


def read_status(out: Path) -> dict[str, Any]:
    """Give ``grid.json`` of a folder of runs as things are.

    Returns
    -------
    dict
        With ``state``: ``running``, ``stopped``, ``complete``, or ``lost`` where the process that ran it is dead; what
        was running is left then. A run that was done and has no folder any more is left, too. ``said`` has that in
        words, and ``owner`` the process, or None. While a process works on the folder and there is no ``grid.json``
        yet, because it measures the machine first, there are only these, ``seconds_left`` (None) and ``runs`` (empty).

    Raises
    ------
    RunError
        There is no grid in the folder, and nobody works on it; or the grid is cut short or altered.
    """
    if not (out / GRID).exists() and (first := owner_of(out)) is not None:
        said = f"{first} works on it: it measures how fast runs are here, and has begun none yet"
        return {"state": "running", "said": said, "owner": _shown(first), "seconds_left": None, "runs": []}
    found, owner = read_grid(out), owner_of(out)
    found["runs"] = [_as_it_stands(out, run) for run in found["runs"]]
    state, updated = found.get("state"), found.get("updated") or "a time that is not known"
    again = "the command that began it goes on"
    if owner is not None:
        state, said = "running", f"{owner} works on it; as of {updated}"
    elif state == "running":
        state, said = "lost", f"the process that ran it has ended without a word, after {updated}; {again}"
        runs = found["runs"]
        found["runs"] = [run | {"state": "left"} if run["state"] == "running" else run for run in runs]
        found["seconds_left"] = None
    elif state == "stopped":
        said = f"stopped at {updated}; {again}"
    else:
        state, said = "complete", f"nothing runs; as of {updated}"
    return found | {"state": state, "said": said, "owner": None if owner is None else _shown(owner)}


def _as_it_stands(out: Path, run: dict[str, Any]) -> dict[str, Any]:
    """Give a run as it was written down, unless what was done of it is gone."""
    gone = run["state"] == "done" and not (out / run["name"]).exists()
    return run | {"state": "left", "reason": "its folder is gone", "outcome": None} if gone else run


def _shown(owner: Owner) -> dict[str, Any]:
    return {"pid": owner.pid, "host": owner.host, "since": owner.since}
