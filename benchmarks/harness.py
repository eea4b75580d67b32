"""What all benchmarks share: the machine in words, rounds in turns, a table, and a JSON file that scripts can watch."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from longsong.files import write_json

__all__ = ["arguments", "available_cores", "interleaved", "machine", "render_table", "report"]

Row = Mapping[str, Any]


def arguments(description: str) -> argparse.ArgumentParser:
    """Give a parser with what each benchmark takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="end within a minute; the figures are rougher")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write machine, rows and ratios there too")
    return parser


def available_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine(packages: Iterable[str] = ()) -> dict[str, Any]:
    """Describe what the figures were taken on.

    Parameters
    ----------
    packages : iterable of str
        Distributions to name with their versions; those that are not installed are None.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": available_cores(),
        "memory_bytes": memory,
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
        "packages": {name: _version(name) for name in packages},
    }


def interleaved(measures: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Take each measure once a round, so that what slows the machine down for a while slows all of them.

    Who begins moves on by one from round to round.

    Returns
    -------
    dict of str to list of float
        For each name, what its measure gave in each round.
    """
    names = list(measures)
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % max(1, len(names))
        for name in names[first:] + names[:first]:
            found[name].append(measures[name]())
    return found


def render_table(rows: Sequence[Row], columns: Mapping[str, tuple[str, Callable[[Any], str]]]) -> str:
    """Lay rows out as text.

    Parameters
    ----------
    rows : sequence of mappings
    columns : mapping of str to (heading, form)
        Which values, in which order, and how each is written; what a row has not, or has as None, is "-".
    """
    headings = [heading for heading, _ in columns.values()]
    cells = [["-" if row.get(key) is None else form(row[key]) for key, (_, form) in columns.items()] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    lines = [headings, ["-" * width for width in widths], *cells]
    return "\n".join(_line(line, widths) for line in lines)


def report(path: Path | None, described: Mapping[str, Any], rows: Sequence[Row], ratios: Mapping[str, float]) -> None:
    """Print the ratios, and write everything to `path` where one was given, whole or not at all.

    Parameters
    ----------
    path : Path or None
        A file; JSON with the keys ``machine``, ``rows`` and ``ratios``.
    described : mapping
        What `machine` gave, with whatever else is to be known of the run.
    rows : sequence of mappings
        One for each candidate and shape, with all figures.
    ratios : mapping of str to float
        By name, such as ``ours_over_floor:40x50``.
    """
    width = max(map(len, ratios), default=0)
    for name, value in ratios.items():
        print(f"{name.ljust(width)}  {value:.3f}")
    sys.stdout.flush()
    if path is not None:
        write_json(path, {"machine": dict(described), "rows": list(map(dict, rows)), "ratios": dict(ratios)})


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Put words to the left, which the first column has, and figures to the right."""
    placed = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join([cells[0].ljust(widths[0]), *placed[1:]]).rstrip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
