"""Cost curves as inline SVG that takes its colours from the page, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_POINTS", "cost_curves", "thin"]

MOST_POINTS = 400
"""Points of a curve at most, so that a page of 62 runs stays light."""

# Colours that matplotlib is given, and the page's own that take their place.
_COLOURS = {
    "#010203": "var(--ink-soft)",
    "#010204": "var(--line)",
    "#010205": "var(--train)",
    "#010206": "var(--dev)",
    "#010207": "var(--ink-soft)",
}
_INK, _LINE, _TRAIN, _DEV, _BASELINE = _COLOURS
_INCHES = (4.8, 2.3)


def thin(values: Sequence[float], most: int = MOST_POINTS) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bring a curve down to at most `most` points: means over equal runs of it.

    Parameters
    ----------
    values : sequence of float
        The curve; the first value is that of position 1.
    most : int
        Points to keep at most.

    Returns
    -------
    positions, means : ndarray, shape (points,)
        The middle of each run, and the mean over it.
    """
    array = np.asarray(values, dtype=np.float64)
    pieces = [piece for piece in np.array_split(np.arange(len(array)), min(most, max(1, len(array)))) if len(piece)]
    positions = np.array([piece.mean() + 1 for piece in pieces])
    return positions, np.array([array[piece].mean() for piece in pieces])


def cost_curves(
    name: str,
    train: Sequence[float],
    dev: Sequence[tuple[int, float]],
    baseline: float,
) -> str:
    """Draw the costs of a run over its updates.

    Parameters
    ----------
    name : str
        The run's name; tells the drawing's inner names from those of others on the page.
    train : sequence of float
        Train cost of each update.
    dev : sequence of (update, cost)
        Dev costs; may be empty.
    baseline : float
        Cost of predicting the mean, drawn dashed.

    Returns
    -------
    str
        An ``<svg>`` element without a date, the same one for the same numbers; its text is text.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 8.5, "axes.linewidth": 0.6}
    with mpl.rc_context(settings):
        figure = Figure(figsize=_INCHES, layout="constrained")
        axes = figure.subplots()
        axes.axhline(baseline, color=_BASELINE, linewidth=1, linestyle=(0, (4, 3)))
        axes.plot(*thin(train), color=_TRAIN, linewidth=1.1)
        if dev:
            axes.plot(*zip(*dev, strict=True), color=_DEV, linewidth=1.6)
        axes.set_xlim(0, max(len(train), 1))
        axes.set_xlabel("update", color=_INK)
        axes.set_ylabel("cost", color=_INK)
        axes.grid(axis="y", color=_LINE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(colors=_INK, length=2.5, width=0.6)
        axes.locator_params(nbins=5)
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(_LINE)
        drawn = io.StringIO()
        none = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(drawn, format="svg", transparent=True, metadata=none)
    return _inline(drawn.getvalue())


def _inline(drawn: str) -> str:
    """Make a whole SVG file an element of a page: no prologue, no names that clash, the page's colours."""
    svg = drawn[drawn.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    named = set(re.findall(r"(?:url\(#|xlink:href=\"#)([^)\"]+)", svg))
    svg = re.sub(r' id="([^"]+)"', lambda match: match[0] if match[1] in named else "", svg)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]+", r"font-size: \1px", svg)
    for given, own in _COLOURS.items():
        svg = svg.replace(given, own)
    svg = re.sub(r'<svg ([^>]*?)height="[^"]+" ', r"<svg \1", svg, count=1)
    svg = re.sub(r'<svg ([^>]*?)width="[^"]+" ', r"<svg \1", svg, count=1)
    svg = svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
    return re.sub(r"\n\s*", "\n", svg)
