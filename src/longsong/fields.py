"""What is needed of each file of a run (docs/formats.md), by dotted name and kind of value.

Read once and checked, so that a check never meets a missing key or a word where a number should be.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from longsong.config import LARGEST_SEED, MOST, MOST_LAYERS, MOST_UNITS
from longsong.errors import RunError

__all__ = [
    "CHECKPOINT",
    "CONFIG",
    "DEV",
    "GENERATED",
    "GRID",
    "GRID_RUN",
    "STATE",
    "SUMMARY",
    "UPDATE",
    "Fields",
    "require",
]


_LARGEST = 1e100
"""Of any number: a cost beyond it is none, and what is computed from it would not be finite."""
_LARGEST_SCALE = 1e30
"""What samples are multiplied by, or divided: beyond it float32 has no such number."""
_MOST_COUNTED = 10**15
"""Of samples, examples, updates: sixty thousand years of sound at any rate that is recorded."""
_LONGEST_TEXT = 4096
"""Letters: no file system takes a longer path."""


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _within(least: int, most: int) -> Callable[[Any], bool]:
    """Give a test for a whole number from `least` to `most`."""
    return lambda value: _whole(value) and least <= value <= most


_count, _positive = _within(0, _MOST_COUNTED), _within(1, _MOST_COUNTED)
_units, _layers, _epochs = _within(1, MOST_UNITS), _within(1, MOST_LAYERS), _within(1, MOST)
_seed, _sample = _within(0, LARGEST_SEED), _within(-(2**15), 2**15 - 1)


def _number(value: Any) -> bool:
    # Compared before it is turned into a float: a whole number may be too large for one.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -_LARGEST <= value <= _LARGEST


def _above_zero(value: Any) -> bool:
    return _number(value) and value >= 1 / _LARGEST


def _at_least_zero(value: Any) -> bool:
    return _number(value) and value >= 0


def _at_least_zero_or_null(value: Any) -> bool:
    return value is None or _at_least_zero(value)


def _scale(value: Any) -> bool:
    return _number(value) and 1 / _LARGEST_SCALE <= value <= _LARGEST_SCALE


def _offset(value: Any) -> bool:
    return _number(value) and abs(value) <= _LARGEST_SCALE


def _number_or_null(value: Any) -> bool:
    return value is None or _number(value)


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT


def _folder_name(value: Any) -> bool:
    """Tell whether a text names a folder in another one, and no other place."""
    return _text(value) and value not in ("", "..") and Path(value).name == value and "\0" not in value


def _text_or_null(value: Any) -> bool:
    return value is None or _text(value)


def _time(value: Any) -> bool:
    try:
        at = datetime.fromisoformat(value)
        return at.tzinfo is not None and at.astimezone(UTC).year > 0
    except (TypeError, ValueError, OverflowError):  # the last of a year that is none in UTC
        return False


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _list(value: Any) -> bool:
    return isinstance(value, list)


def _object(value: Any) -> bool:
    return isinstance(value, dict)


Fields = Mapping[str, Callable[[Any], bool]]

CONFIG: Fields = {
    "song.name": _text,
    "song.shards": _text,
    "song.digest": _text,
    "song.samples": _positive,
    "song.sample_rate": _positive,
    "song.minimum": _sample,
    "song.maximum": _sample,
    "song.mean": _number,
    "song.standard_deviation": _at_least_zero,
    "song.scale": _scale,
    "song.offset": _offset,
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
    "model.hidden": _units,
    "model.layers": _layers,
    "model.recurrence": _text,
    "model.parameters": _positive,
    "training.epochs": _epochs,
    "training.seed": _seed,
    "training.learning_rate": _above_zero,
    "training.lr_decay": _above_zero,
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
    "seconds": _at_least_zero,
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
    "cost_of_zero": _at_least_zero,
    "cost_of_mean": _at_least_zero,
    "clipped_share": _number,
    "floor_share": _number,
    "training_seconds": _at_least_zero,
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

CHECKPOINT: Fields = {
    **STATE,
    "state_sha256": _text,
    "song_digest": _text,
    "train_stream": _object,
    "dev_stream": _object,
    "metrics_bytes": _count,
    "training_seconds": _number,
    "starts": _count,
    "best.epoch": _count,
    "best.dev_cost": _number_or_null,
    "best.sha256": _text,
    "sha256": _object,
}
"""What going on from a checkpoint needs of its ``state.json``, beyond what an audit does."""

GRID: Fields = {"song.name": _text, "song.digest": _text, "profile": _text, "set": _text, "runs": _list}

GRID_RUN: Fields = {
    "name": _folder_name,
    "set": _text,
    "frame": _positive,
    "seq": _positive,
    "hidden": _units,
    "cell": _text,
    "seed": _seed,
    "group": _text,
    "state": _text,
    "reason": _text,
    "train_examples": _count,
    "estimated_seconds": _at_least_zero_or_null,
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
            raise RunError(f"{where} has {name} = {reprlib.repr(value)}, which cannot be; it was altered")
