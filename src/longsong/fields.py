"""What is needed of each file of a run (docs/formats.md), by dotted name and kind of value.

Read once and checked, so that a check never meets a missing key or a word where a number should be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from longsong.errors import RunError

__all__ = ["CONFIG", "DEV", "GENERATED", "GRID", "GRID_RUN", "STATE", "SUMMARY", "UPDATE", "Fields", "require"]


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _count(value: Any) -> bool:
    return _whole(value) and value >= 0


def _positive(value: Any) -> bool:
    return _whole(value) and value >= 1


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _above_zero(value: Any) -> bool:
    return _number(value) and value > 0


def _number_or_null(value: Any) -> bool:
    return value is None or _number(value)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _text_or_null(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _time(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _list(value: Any) -> bool:
    return isinstance(value, list)


Fields = Mapping[str, Callable[[Any], bool]]

CONFIG: Fields = {
    "song.name": _text,
    "song.shards": _text,
    "song.digest": _text,
    "song.samples": _positive,
    "song.sample_rate": _positive,
    "song.minimum": _whole,
    "song.maximum": _whole,
    "song.mean": _number,
    "song.standard_deviation": _number,
    "song.scale": _above_zero,
    "song.offset": _number,
    "data.frame": _positive,
    "data.seq": _positive,
    "data.hop": _positive,
    "data.batch": _positive,
    "data.normalise": _text,
    "data.train_samples": _positive,
    "data.train_examples": _count,
    "data.dev_examples": _count,
    "data.updates_per_epoch": _count,
    "model.cell": _text,
    "model.hidden": _positive,
    "model.layers": _positive,
    "model.recurrence": _text,
    "model.parameters": _positive,
    "training.epochs": _positive,
    "training.seed": _count,
    "training.learning_rate": _number,
    "training.lr_decay": _number,
    "training.start_from": _text_or_null,
    "execution.device": _text,
    "execution.device_name": _text,
    "execution.precision": _text,
    "made_by.longsong": _text,
    "made_by.command": _list,
}

UPDATE: Fields = {
    "update": _positive,
    "epoch": _positive,
    "examples": _positive,
    "indices_sha256": _text,
    "train_cost": _number,
    "clipped": _flag,
    "floor_share": _number,
    "learning_rate": _number,
    "seconds": _number,
}

DEV: Fields = {"epoch": _count, "update": _count, "dev_cost": _number_or_null, "dev_examples": _count}

SUMMARY: Fields = {
    "epochs": _positive,
    "updates": _positive,
    "parameters": _positive,
    "best.epoch": _positive,
    "best.dev_cost": _number_or_null,
    "best.sha256": _text,
    "last_train_cost": _number,
    "cost_of_zero": _number,
    "cost_of_mean": _number,
    "clipped_share": _number,
    "floor_share": _number,
    "training_seconds": _number,
    "seconds_per_update": _above_zero,
    "starts": _positive,
    "ended": _time,
    "parameters_sha256": _text,
    "metrics_sha256": _text,
}

GENERATED: Fields = {
    "mode": _text,
    "seconds": _number,
    "samples": _positive,
    "sample_rate": _positive,
    "sha256": _text,
    "frame": _positive,
    "seq": _positive,
    "iterations": _count,
    "parameters": _text,
    "seed.source": _text,
    "seed_in_output": _flag,
    "join": _text,
    "stretched": _flag,
    "rms": _number,
    "peak": _number,
    "minimum": _number,
    "maximum": _number,
    "notes": _list,
}

STATE: Fields = {"learning_rate": _number, "epoch": _count, "update": _count}

GRID: Fields = {"profile": _text, "set": _text, "runs": _list}

GRID_RUN: Fields = {
    "name": _text,
    "set": _text,
    "frame": _positive,
    "seq": _positive,
    "hidden": _positive,
    "cell": _text,
    "seed": _count,
    "group": _text,
    "state": _text,
    "train_examples": _count,
}


def require(found: Any, fields: Fields, where: str) -> None:
    """Check that `found` holds every field with a value of its kind.

    Raises
    ------
    RunError
        The first one that is missing or of another kind; the message names `where`, field and value.
    """
    for name, fits in fields.items():
        value = found
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                raise RunError(f"{where} has no {name}; it was altered or not written by longsong")
            value = value[part]
        if not fits(value):
            raise RunError(f"{where} has {name} = {value!r}, which cannot be; it was altered")
