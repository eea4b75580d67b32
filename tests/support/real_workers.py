"""Tasks for workers that really train, and waiting for what they tell."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training_runs import config

from longsong.scheduling.tasks import RunTask

_SECONDS = 90.0


def until(happens: Callable[[], object]) -> Any:
    """Wait until something is true, and give that."""
    ends = time.monotonic() + _SECONDS
    while not (found := happens()):
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.02)
    return found


def task(shards: Path, out: Path, **changes: Any) -> dict[str, Any]:
    return RunTask(config(shards, out, **changes), ("longsong",)).to_json() | {"threads": 1}


def has_made(worker: Any, updates: int) -> bool:
    """Tell whether it has just told of more updates than so many."""
    return any(said.get("unit") == "updates" and said["done"] > updates for said in worker.messages())
