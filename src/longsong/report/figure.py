"""A figure as a page shows it: its name, its number, what the song itself has, and what it means."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from longsong.errors import RunError
from longsong.report.ticks import minus

__all__ = ["Figure", "inside", "made_figure", "number", "require_version"]


@dataclass(frozen=True)
class Figure:
    """A figure, ready to be read.

    Attributes
    ----------
    name, value : str
    song : str
        The song's own value; empty where there is none.
    means : str
        One plain sentence.
    """

    name: str
    value: str
    song: str
    means: str


def made_figure(
    name: str, describe: Callable[[Mapping[str, Any]], str], of: Mapping[str, Any], song: Mapping[str, Any], means: str
) -> list[Figure]:
    """Give a figure as a list of one; of none, where `describe` has nothing to say of it.

    Parameters
    ----------
    name, means : str
    describe : callable
        Gives the value of figures, such as those of a sound, in words; empty where they have it not.
    of, song : mapping
        The figures, and those of the song itself, which may be empty.
    """
    value = describe(of)
    return [Figure(name, minus(value), minus(describe(song)), means)] if value else []


def inside(figures: Mapping[str, Any], path: str) -> Any:
    """Give what is at a dotted path in nested figures; None where there is nothing."""
    found: Any = figures
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def number(figures: Mapping[str, Any], path: str) -> float | None:
    """Give the number at a dotted path; None where there is none, or none that is finite."""
    found = inside(figures, path)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    # Compared, and not asked whether it is finite: a whole number may be too large for a float.
    if not -sys.float_info.max <= found <= sys.float_info.max:
        return None
    return float(found)


def require_version(figures: Any, format: str, version: int) -> None:
    """Raise unless figures are of a format, and of a version that is known.

    Raises
    ------
    RunError
        They are not; the message says what they are.
    """
    kind, held = inside(figures, "format"), inside(figures, "version")
    if kind != format or isinstance(held, bool) or not isinstance(held, int) or held < 1:
        raise RunError(f"figures are of format {kind!r}, version {held!r}, not {format!r}; generate the sound again")
    if held > version:
        raise RunError(
            f"figures are of a newer version ({format} {held}; this one reads up to {version}); update longsong"
        )
