"""What ``grid.json`` says of the runs, and how much of that is believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from longsong.audit.run import Run
from longsong.errors import RunError
from longsong.grid_file import GRID, read_grid
from longsong.reported import CODE_CONFIGURATIONS, post_configurations

__all__ = ["believed_set", "checked_grid", "of_the_code_alone"]


def checked_grid(root: Path, problems: list[str]) -> dict[str, Any] | None:
    """Read ``grid.json`` of a folder of runs; None where there is none, or where it joins the `problems`."""
    if not (root / GRID).exists():
        return None
    try:
        return read_grid(root)
    except RunError as error:
        problems.append(str(error))
        return None


def believed_set(run: Run, planned: Any) -> str:
    """Give the set that a run is of: ``code`` where it is planned so and is a configuration of the code, else ``post``.

    Claims of the post are not held against runs of the code's own set, so that a plan could hide any run in it.
    """
    return "code" if planned == "code" and run.configuration in CODE_CONFIGURATIONS else "post"


def of_the_code_alone(run: Run) -> bool:
    """Tell whether a run is of the code's set, and of a configuration that the post does not have as well."""
    return run.set == "code" and run.configuration not in post_configurations()
