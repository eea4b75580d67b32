"""What ``grid.json`` says of the runs, and how much of that is believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from longsong.audit.run import Run
from longsong.errors import RunError
from longsong.fields import GRID, GRID_RUN, require
from longsong.files import read_json
from longsong.reported import CODE_CONFIGURATIONS, post_configurations

__all__ = ["believed_set", "checked_grid", "of_the_code_alone"]


def checked_grid(root: Path, problems: list[str]) -> dict[str, Any] | None:
    """Read ``grid.json`` of a folder of runs; None where there is none, or where it joins the `problems`."""
    path = root / "grid.json"
    if not path.exists():
        return None
    try:
        grid = read_json(path, "longsong.grid", 1)
        require(grid, GRID, str(path))
        for number, entry in enumerate(grid["runs"]):
            require(entry, GRID_RUN, f"{path}, run {number}")
    except RunError as error:
        problems.append(str(error))
        return None
    return grid


def believed_set(run: Run, planned: Any) -> str:
    """Give the set that a run is of: ``code`` where it is planned so and is a configuration of the code, else ``post``.

    Claims of the post are not held against runs of the code's own set, so that a plan could hide any run in it.
    """
    return "code" if planned == "code" and run.configuration in CODE_CONFIGURATIONS else "post"


def of_the_code_alone(run: Run) -> bool:
    """Tell whether a run is of the code's set, and of a configuration that the post does not have as well."""
    return run.set == "code" and run.configuration not in post_configurations()
