"""Plots of `benchmarks.train`: time per step over length, and time of an update over hidden size, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from longsong.files import write_bytes

__all__ = ["draw_lengths", "draw_widths"]

Row = Mapping[str, Any]

_INCHES = (6.4, 3.6)
_COLOURS = {"ours": "#1f5fbf", "peer": "#b5472f", "floor": "#6b6b6b"}
_DASHES = {"ours": "solid", "peer": "solid", "floor": (0, (4, 3))}


def draw_lengths(path: Path, rows: Sequence[Row]) -> None:
    """Draw the time per step over the steps of the sequence, of `benchmarks.train_lengths`."""
    _draw(
        path,
        rows,
        "seq",
        "steps of the sequence",
        lambda row: row["step_seconds"] * 1e3,
        "milliseconds a step",
        flat=True,
    )


def draw_widths(path: Path, rows: Sequence[Row]) -> None:
    """Draw the time of an update over the hidden units, of `benchmarks.train_compare`."""
    _draw(path, rows, "hidden", "hidden units of a layer", lambda row: row["seconds"], "seconds an update")


def _draw(path: Path, rows: Sequence[Row], key: str, across: str, up: Any, upwards: str, *, flat: bool = False) -> None:
    """Draw a line for each candidate, on logarithmic axes; the same bytes for the same numbers.

    Of what is to be `flat` the upward axis is even and begins at 0.
    """
    import io

    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": path.name, "font.size": 9.0}):
        figure = Figure(figsize=_INCHES, layout="constrained")
        axes = figure.subplots()
        for title in dict.fromkeys(row["title"] for row in rows):
            here = sorted((r for r in rows if r["title"] == title and r["seconds"]), key=lambda row: row[key])
            if here:
                kind = here[0]["kind"]
                points = [row[key] for row in here], [up(row) for row in here]
                axes.plot(*points, marker="o", color=_COLOURS[kind], linestyle=_DASHES[kind], label=title)
        axes.set_xscale("log")
        if flat:
            axes.set_ylim(0, 1.25 * axes.get_ylim()[1])  # room for the legend
        else:
            axes.set_yscale("log")
        axes.set_xticks(sorted({row[key] for row in rows}))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(across)
        axes.set_ylabel(upwards)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        drawn = io.BytesIO()
        none = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(drawn, format="svg", metadata=none)
    write_bytes(path, drawn.getvalue())
