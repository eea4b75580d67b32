"""The metrics of a run as an audit holds them: numbers in columns of 8 bytes each, and no line as text or dict.

The lines of a run of a hundred hours would take gigabytes as Python objects, and an audit looks at all runs at once.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from math import nan
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from longsong.metrics import metric_lines

__all__ = ["Lines", "RunMetrics"]

_AT_ONCE = 4096
"""Lines that are Python objects at a time."""
_NO_DIGEST = bytes(32)

Columns = Mapping[str, type]

_UPDATE: Columns = {
    "update": np.int64, "epoch": np.int64, "examples": np.int64, "train_cost": np.float64, "clipped": np.bool_,
    "floor_share": np.float64, "learning_rate": np.float64, "seconds": np.float64,
}  # fmt: skip
_NORMS: Columns = dict.fromkeys(("gradient_norm", "step_norm", "step_norm_unclipped"), np.float64)
"""Of an update, if it has them."""
_DEV: Columns = {"epoch": np.int64, "update": np.int64, "dev_examples": np.int64}
_COST: Columns = {"dev_cost": np.float64}
"""Of an evaluation, if it has one."""


@dataclass(frozen=True)
class Lines:
    """Lines of one kind, in order.

    ``lines[3]``, and iteration, give single lines as dicts of Python's own numbers; None for a number that a line
    does not have.

    Attributes
    ----------
    columns : dict of str to ndarray, shape (lines,)
        By name; NaN where a line has no such number.
    """

    columns: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, at: int) -> dict[str, Any]:
        return {name: _known(column[at].item()) for name, column in self.columns.items()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for values in self.rows(*self.columns):
            yield dict(zip(self.columns, map(_known, values), strict=True))

    def column(self, name: str) -> NDArray[Any]:
        """Give a column, shape (lines,): int64, float64 or bool."""
        return self.columns[name]

    def rows(self, *names: str) -> Iterator[tuple[Any, ...]]:
        """Give the values of some columns, line by line, as Python's own numbers (NaN where there is none)."""
        for start in range(0, len(self), _AT_ONCE):
            parts = (self.columns[name][start : start + _AT_ONCE].tolist() for name in names)
            yield from zip(*parts, strict=True)


@dataclass(frozen=True)
class RunMetrics:
    """What ``metrics.jsonl`` holds.

    Attributes
    ----------
    updates : Lines
        ``update``, ``epoch``, ``examples``, ``train_cost``, ``clipped``, ``floor_share``, ``learning_rate`` and
        ``seconds`` of each; ``gradient_norm``, ``step_norm`` and ``step_norm_unclipped``, if it has them.
    indices : ndarray, shape (updates, 32), uint8
        The digest of each update's examples (``indices_sha256``); zeros where that is none.
    evaluations : Lines
        ``epoch``, ``update``, ``dev_examples`` and, if it has one, ``dev_cost`` of each.
    """

    updates: Lines
    indices: NDArray[np.uint8]
    evaluations: Lines

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check all lines, one after the other; raises as `longsong.metrics.metric_lines`."""
        tables = {"update": _Table(_UPDATE, _NORMS), "dev": _Table(_DEV, _COST)}
        digests = bytearray()
        for line in metric_lines(path):
            tables[line["kind"]].add(line)
            if line["kind"] == "update":
                digests += _digest(line["indices_sha256"])
        return cls(tables["update"].lines(), np.frombuffer(digests, np.uint8).reshape(-1, 32), tables["dev"].lines())


class _Table:
    """Numbers of lines, one behind the other: whole ones are below 2^53 (`longsong.fields`), and float64 holds them."""

    def __init__(self, due: Columns, may_lack: Columns) -> None:
        self._due, self._may_lack = due, may_lack
        self._values = itemgetter(*due)
        self._numbers = array("d")

    def add(self, line: Mapping[str, Any]) -> None:
        self._numbers.extend(chain(self._values(line), [_number(line.get(name)) for name in self._may_lack]))

    def lines(self) -> Lines:
        columns = {**self._due, **self._may_lack}
        table = np.frombuffer(self._numbers, np.float64).reshape(-1, len(columns))
        return Lines({name: table[:, at].astype(kind) for at, (name, kind) in enumerate(columns.items())})


def _number(value: Any) -> float:
    """Give a number, or NaN where it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return nan
    try:
        return float(value)
    except OverflowError:  # a whole number beyond every float
        return nan


def _known(value: Any) -> Any:
    return None if value != value else value  # NaN alone is not itself


def _digest(text: str) -> bytes:
    """Give the bytes of a digest as it is written; zeros where it is none."""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        return _NO_DIGEST
    return found if len(found) == len(_NO_DIGEST) and found.hex() == text else _NO_DIGEST
