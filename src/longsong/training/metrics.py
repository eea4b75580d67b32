"""Reading `metrics.jsonl`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from longsong.errors import RunError

__all__ = ["read_metrics"]


def read_metrics(run: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Read a run's metrics.

    Returns
    -------
    updates, evaluations : list of dict
        The lines of kind ``update`` and of kind ``dev``, in order.

    Raises
    ------
    RunError
        The file is missing, or a line is not one of its lines.
    """
    path = run / "metrics.jsonl"
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        kinds = [line["kind"] for line in lines]
    except FileNotFoundError:
        raise RunError(f"there is no {path}; train the run first") from None
    except (ValueError, TypeError, KeyError) as error:
        raise RunError(f"{path} is cut short or altered ({error}); train the run again") from error
    return (
        [line for line, kind in zip(lines, kinds, strict=True) if kind == "update"],
        [line for line, kind in zip(lines, kinds, strict=True) if kind == "dev"],
    )
