"""A `grid.json` as it is read, with as much of it as must be there."""

from __future__ import annotations

from typing import Any


def planned_run(name: str = "40x50-gru-199-s1", state: str = "done", **more: Any) -> dict[str, Any]:
    return {
        "name": name, "set": "post", "frame": 40, "seq": 50, "hidden": 199, "cell": "gru", "seed": 1, "group": "grid",
        "state": state, "reason": "", "train_examples": 1000, "estimated_seconds": 90.0, **more,
    }  # fmt: skip


def planned_grid(*runs: dict[str, Any], **more: Any) -> dict[str, Any]:
    song = {"name": "a song", "digest": "0" * 64}
    return {"song": song, "profile": "demo", "set": "post", "runs": list(runs), **more}
