"""Reading `metrics.jsonl`, for whoever summarises, audits or reports a run."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from longsong.errors import RunError
from longsong.fields import DEV, UPDATE, require
from longsong.files import reading_named

__all__ = ["LONGEST_LINE", "metric_lines"]

LONGEST_LINE = 1 << 16
"""Bytes; those of an update take about 500."""


_FIELDS = {"update": UPDATE, "dev": DEV}


def metric_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Give the lines of a run's metrics in order, each checked, and no two of them in memory at once.

    Raises
    ------
    RunError
        The file is missing, cut short, or a line is not one of its lines.
    UnreadableError
        The system does not give it.
    """
    try:
        with reading_named(path), path.open("rb") as file:
            for number, text in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), 1):
                if len(text) > LONGEST_LINE:
                    raise RunError(f"{path}, line {number} has more than {LONGEST_LINE} bytes; train again")
                line = json.loads(text)
                kind = line.get("kind") if isinstance(line, dict) else None
                if not isinstance(kind, str) or kind not in _FIELDS:
                    raise RunError(f"{path}, line {number}: {reprlib.repr(kind)} is no kind of line; train again")
                require(line, _FIELDS[kind], f"{path}, line {number}")
                yield line
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path} is cut short or altered ({error}); train again") from error
