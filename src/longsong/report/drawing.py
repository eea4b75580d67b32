"""Axes and curves as an ``<svg>`` element of a page, in the page's own colours."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

__all__ = ["CODED", "DEV", "INK", "LINE", "TEXT", "TRAIN", "draw"]

# Colours that matplotlib is given, and the page's own that take their place.
_COLOURS = {
    "#010203": "var(--ink-soft)",
    "#010204": "var(--line)",
    "#010205": "var(--train)",
    "#010206": "var(--dev)",
    "#010207": "var(--ink)",
    "#010208": "var(--coded, var(--cannot-be))",
}
INK, LINE, TRAIN, DEV, TEXT, CODED = _COLOURS
"""Soft ink, lines of a grid, train costs, dev costs, ink, and what is as coded in 2016."""


def draw(name: str, inches: tuple[float, float], plot: Callable[[Any], None]) -> str:
    """Draw one pair of axes.

    Parameters
    ----------
    name : str
        Tells the drawing's inner names from those of others on the page.
    inches : (float, float)
        Width and height.
    plot : callable
        Is given matplotlib's axes, with a grid and in the page's colours, and draws on them.

    Returns
    -------
    str
        An ``<svg>`` element without a date, the same one for the same drawing; its text is text.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 8.5, "axes.linewidth": 0.6}
    settings |= {"axes.labelcolor": INK}
    with mpl.rc_context(settings):
        figure = Figure(figsize=inches, layout="constrained")
        axes = figure.subplots()
        plot(axes)
        axes.grid(axis="y", color=LINE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(colors=INK, length=2.5, width=0.6)
        axes.locator_params(nbins=5)
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(LINE)
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
