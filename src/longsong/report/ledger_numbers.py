"""The numbers behind a claim's verdict, one a line, with names and signs for people."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from longsong.report.ticks import minus
from longsong.report.words import NONE

__all__ = ["NumberLines", "number_lines"]

_MOST_LINES = 40
"""Of one claim; all of them are in ``audit.json``."""
_MOST_LISTED = 12
"""Numbers of a list that are written out."""
_LEAST, _LARGEST = 1e-3, 1e6
"""Numbers between them are written without an exponent."""


@dataclass(frozen=True)
class NumberLines:
    """What is shown of the numbers of a row.

    Attributes
    ----------
    lines : list of (str, str)
        Name and value.
    more : int
        Lines that are left out.
    """

    lines: list[tuple[str, str]]
    more: int


def number_lines(numbers: Mapping[str, Any]) -> NumberLines:
    """Give the numbers of a row of the ledger as lines.

    Parameters
    ----------
    numbers : mapping
        Values that JSON holds, by name: numbers, words, lists, and mappings of them, however deep.
    """
    every = list(_lines("", numbers))
    return NumberLines(every[:_MOST_LINES], max(0, len(every) - _MOST_LINES))


def _lines(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _lines(_inner(name, str(key).replace("_", " ")), one)
    elif isinstance(value, (list, tuple)) and any(isinstance(one, (Mapping, list, tuple)) for one in value):
        for place, one in enumerate(value, 1):
            yield from _lines(_inner(name, str(place)), one)
    elif isinstance(value, (list, tuple)):
        more = len(value) - _MOST_LISTED
        listed = ", ".join(map(_said, value[:_MOST_LISTED]))
        yield name, (f"{listed} and {more:,} more" if more > 0 else listed) or NONE
    else:
        yield name, _said(value)


def _inner(name: str, key: str) -> str:
    return f"{name}, {key}" if name else key


def _said(value: Any) -> str:
    """Write a value: whole numbers with signs for the thousands, others with four digits."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return minus(f"{value:,}")
    if not isinstance(value, float):
        return str(value)
    if not math.isfinite(value):
        return "not finite"
    size = abs(value)
    if value == 0:
        return "0"
    if size < _LEAST or size >= _LARGEST:
        digits, _, exponent = f"{value:.3e}".partition("e")
        return minus(f"{digits.rstrip('0').rstrip('.')} \N{MULTIPLICATION SIGN} 10^{int(exponent)}")
    return minus(f"{value:,.0f}" if size >= 1000 else f"{value:.4g}")
