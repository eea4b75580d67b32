"""``cells.json``: how long an update takes with each cell, measured side by side (P08).

Seconds of runs that were made hours apart hold whatever else the machine did; here the cells took turns in one
process, on the same mini-batch. `longsong.experiments.cells` measures, and this reads.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from longsong.errors import RunError
from longsong.files import read_json, write_json
from longsong.version import __version__

__all__ = ["CELLS_FILE", "LEAST_ROUNDS", "Ratio", "SideBySide", "read_cells", "write_cells"]

CELLS_FILE = "cells.json"
"""In the folder of the runs."""
LEAST_ROUNDS = 15
"""Rounds that are made however long they take; a median over fewer is one update's luck."""

_FORMAT, _VERSION = "longsong.cells", 1


@dataclass(frozen=True)
class Ratio:
    """Seconds of one cell over those of another, round by round.

    Attributes
    ----------
    median : float
        Over the rounds.
    low, high : float
        The first and the third quartile.
    rounds : int
    slower_in : int
        Rounds in which it is above 1.
    """

    median: float
    low: float
    high: float
    rounds: int
    slower_in: int


@dataclass(frozen=True)
class SideBySide:
    """The cells in one configuration.

    Attributes
    ----------
    frame, seq, hidden, layers : int
    recurrence, precision : str
    examples : int
        In the mini-batch.
    device_name : str
        What it was measured on.
    threads : int
        Of the CPU.
    seconds : mapping of str to tuple of float
        Of an update with each cell, in the order of the rounds.
    """

    frame: int
    seq: int
    hidden: int
    layers: int
    recurrence: str
    precision: str
    examples: int
    device_name: str
    threads: int
    seconds: Mapping[str, tuple[float, ...]]

    @property
    def rounds(self) -> int:
        """Rounds that were counted."""
        return len(next(iter(self.seconds.values())))

    def median(self, cell: str) -> float:
        """Give the median seconds of an update."""
        return statistics.median(self.seconds[cell])

    def ratio(self, cell: str, other: str = "gru") -> Ratio:
        """Give the seconds of a cell over those of another in the same round."""
        found = [one / two for one, two in zip(self.seconds[cell], self.seconds[other], strict=True)]
        low, median, high = statistics.quantiles(found, n=4, method="inclusive")
        return Ratio(median, low, high, len(found), sum(one > 1 for one in found))

    def is_of(self, config: Mapping[str, Any]) -> bool:
        """Say whether a run of this ``config.json`` has this configuration."""
        data, model = config["data"], config["model"]
        execution = config["execution"]
        return (self.frame, self.seq, self.hidden, self.layers, self.recurrence, self.precision) == (
            data["frame"],
            data["seq"],
            model["hidden"],
            model["layers"],
            model["recurrence"],
            execution["precision"],
        ) and self.examples == min(data["batch"], data["train_examples"])


def write_cells(path: Path, found: list[SideBySide]) -> None:
    """Write ``cells.json``, whole or not at all; raises as `longsong.files.write_json`."""
    configurations = [
        asdict(one) | {"median_seconds": {cell: one.median(cell) for cell in one.seconds}} for one in found
    ]
    head = {"format": _FORMAT, "version": _VERSION, "made_by": {"longsong": __version__}}
    write_json(path, head | {"configurations": configurations}, sealed=True)


def read_cells(path: Path) -> list[SideBySide]:
    """Read ``cells.json``; medians are taken again from the seconds of all rounds.

    Raises
    ------
    RunError
        It is missing, cut short or altered, or has fewer rounds than are ever measured.
    UnreadableError, VersionError
        The system does not give it; it is of a newer version.
    """
    found = read_json(path, _FORMAT, _VERSION)
    try:
        measured = [_configuration(dict(entry)) for entry in found["configurations"]]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path} is altered ({error}); measure the cells again") from error
    for one in measured:
        if one.rounds < LEAST_ROUNDS:
            raise RunError(
                f"{path} has {one.rounds} rounds of {one.frame}x{one.seq}, where {LEAST_ROUNDS} or more are measured; "
                "measure the cells again"
            )
    return measured


def _configuration(entry: dict[str, Any]) -> SideBySide:
    medians = entry.pop("median_seconds")
    seconds = {str(cell): tuple(float(one) for one in times) for cell, times in entry.pop("seconds").items()}
    if len({len(times) for times in seconds.values()}) != 1 or not all(
        all(math.isfinite(one) and one > 0 for one in times) for times in seconds.values()
    ):
        raise ValueError("there are not as many rounds with the seconds of every cell")
    one = SideBySide(seconds=seconds, **entry)
    if medians != {cell: one.median(cell) for cell in seconds}:
        raise ValueError(f"medians of {medians} are not those of the rounds")
    return one
