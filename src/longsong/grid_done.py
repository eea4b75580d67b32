"""Whether a planned run is done, and what came of it, as its folder tells."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import streams
from longsong.config import RunConfig
from longsong.errors import LongsongError
from longsong.generated import is_generated
from longsong.integrity import damages
from longsong.training.record import read_record, read_summary

__all__ = ["is_done", "outcome_of"]


def is_done(folder: Path, config: RunConfig, song: Mapping[str, Any]) -> bool:
    """Say whether a run's folder holds the run that is planned: trained, generated from, and whole.

    Parameters
    ----------
    folder : Path
        The run's.
    config : RunConfig
        The planned run; where and on how many threads it is computed may differ.
    song : mapping
        With the song's ``digest`` and ``samples``.

    Raises
    ------
    RunError
        A file of the folder is altered or of another version.
    """
    summary = read_summary(folder)
    if summary is None:
        return False
    record = read_record(folder)
    same = (record.song["digest"], record.model, record.training) == (song["digest"], config.model, config.training)
    data = replace(config.data, train_samples=streams.train_samples(song["samples"]))
    whole = same and record.data == data and is_generated(folder, summary["best"]["epoch"])
    return whole and not damages(folder)


def outcome_of(folder: Path) -> dict[str, Any] | None:
    """Give the cost of a run that is done, and of which split; None where its summary cannot be read."""
    with suppress(LongsongError, KeyError, TypeError, ZeroDivisionError):
        summary = read_summary(folder)
        if summary is not None:
            dev = summary["best"]["dev_cost"]
            cost = summary["last_train_cost"] if dev is None else dev
            split = "train" if dev is None else "dev"
            return {"split": split, "cost": cost, "over_mean": cost / summary["cost_of_mean"]}
    return None
