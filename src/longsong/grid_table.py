"""The table of a grid's runs: on a terminal while it changes, as plain lines in a log, and from `grid.json`."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from longsong.progress import print_line, shown_or_not
from longsong.units import human_count, human_time

if TYPE_CHECKING:
    from rich.console import ConsoleDimensions

__all__ = ["Table", "format_run", "format_table", "headline"]

_SECONDS_BETWEEN_LINES = 30.0
_SECONDS_BETWEEN_DRAWINGS = 0.5
_WIDTH = 24  # of most names
_COLUMNS = {"state": 0, "run": 0, "progress": 0, "time": 76, "cost": 120}
"""The width of a terminal from which on each is shown: in a narrower one nothing could be read of them all."""
_ORDER = ("failed", "running", "left", "done", "left out", "not chosen", "does not fit")
_STYLES = {"failed": "bold red", "running": "bold cyan", "done": "green", "left": "", "left out": "yellow"}


def headline(grid: Mapping[str, Any]) -> str:
    """Give the whole in a line: how many runs are in which state, and the time left.

    Parameters
    ----------
    grid : mapping
        As ``grid.json`` has it.
    """
    if not grid["runs"]:
        return "no run has begun"
    counts = Counter(run["state"] for run in grid["runs"])
    parts = [f"{counts['done']} of {sum(counts[state] for state in _ORDER[:4])} runs done"]
    parts += [f"{counts[state]} {state}" for state in ("running", "failed", "left", *_ORDER[4:]) if counts[state]]
    left = grid.get("seconds_left")
    if left and (counts["running"] or counts["left"]):
        parts.append(f"about {human_time(left)} left")
    return ", ".join(parts)


def format_table(grid: Mapping[str, Any]) -> str:
    """Give a line for each run: its state, its name, and what came of it, or how far it is."""
    return "\n".join(format_run(run) for run in grid["runs"])


def format_run(run: Mapping[str, Any]) -> str:
    """Give the line of one run of ``grid.json``."""
    return f"{run['state']:<12}  {run['name']:<{_WIDTH}}  {_said(run)}".rstrip()


def _said(run: Mapping[str, Any]) -> str:
    if run["state"] == "running":
        return ", ".join(filter(None, [_progress(run), _cost(run), _left(run)]))
    parts = [_cost(run) if run["state"] == "done" else "", run["reason"]]
    if run["state"] in ("left", "left out", "not chosen"):
        parts.append(_expected(run))
    return "; ".join(filter(None, parts))


def _progress(run: Mapping[str, Any]) -> str:
    now = run.get("progress") or {}
    if not now.get("phase"):
        return "starting"
    total = now.get("total")
    if not total:
        return str(now["phase"])
    share = 100 * now["done"] / total
    return f"{now['phase']} {share:.0f} % ({human_count(now['done'])} of {human_count(total)} {now['unit']})"


def _cost(run: Mapping[str, Any]) -> str:
    outcome, now = run.get("outcome"), run.get("progress") or {}
    if outcome:
        return f"{outcome['split']} cost {outcome['cost']:.5f}, {outcome['over_mean']:.3f} of predicting the mean"
    return f"cost {now['cost']:.5f}" if now.get("cost") is not None else ""


def _left(run: Mapping[str, Any]) -> str:
    seconds = (run.get("progress") or {}).get("seconds_left")
    return "" if seconds is None else f"about {human_time(seconds)} left"


def _expected(run: Mapping[str, Any]) -> str:
    seconds = run.get("estimated_seconds")
    return "" if seconds is None else f"about {human_time(seconds)} here"


class Table:
    """Shows a grid while it is run; a context.

    On a terminal, where `rich` is installed, a table that is drawn anew; else lines: what is said, and twice a minute
    how far all is.

    Parameters
    ----------
    title : str
    quiet : bool
        Show nothing but what is said.
    """

    def __init__(self, title: str, *, quiet: bool = False) -> None:
        self._title, self._quiet = title, quiet
        self._live: Any = None
        self._shown = time.monotonic()

    def __enter__(self) -> Self:
        if not self._quiet and sys.stdout.isatty():
            self._live = _live()
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.update("")  # what stays on the screen is the plain table, printed at the end
            self._live.stop()
            self._live = None

    def say(self, line: str) -> None:
        """Print a line, above the table where there is one."""
        if self._live is None:
            print_line(line)
            return
        with shown_or_not():
            self._live.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def show(self, grid: Mapping[str, Any]) -> None:
        """Show how things are, if it is time for it."""
        now = time.monotonic()
        if self._live is not None:
            if now - self._shown >= _SECONDS_BETWEEN_DRAWINGS:
                self._shown = now
                with shown_or_not():
                    self._live.update(_drawn(grid, self._title, self._live.console.size), refresh=True)
        elif not self._quiet and now - self._shown >= _SECONDS_BETWEEN_LINES:
            self._shown = now
            running = [f"{run['name']} {_progress(run)}" for run in grid["runs"] if run["state"] == "running"]
            print_line("; ".join([headline(grid), *running]))


def _live() -> Any:
    """Make what draws on the terminal; None where `rich` is not installed."""
    try:
        from rich.console import Console
        from rich.live import Live
    except ImportError:
        return None
    return Live(console=Console(), auto_refresh=False, transient=True)


def _drawn(grid: Mapping[str, Any], title: str, size: ConsoleDimensions) -> Any:
    """Draw the table into a terminal: what fails and runs first, then what is next, then what is done."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as Drawing
    from rich.text import Text

    caption = headline(grid)
    drawing = Drawing(title=Text(title), caption=Text(caption), expand=True, box=SIMPLE_HEAD, pad_edge=False)
    columns = [name for name, width in _COLUMNS.items() if size.width >= width]
    for name in columns:
        justify: Literal["left", "right"] = "right" if name == "time" else "left"
        # These two take what the others leave.
        ratio = 1 if name in ("progress", "cost") else None
        drawing.add_column(name, justify=justify, no_wrap=True, overflow="ellipsis", ratio=ratio)
    # Words break at borders, so that a long line takes one more than its letters do.
    wrapped = [len(text) // size.width + (len(text) > size.width) for text in (title, caption)]
    shown, hidden = _that_fit(grid["runs"], max(3, size.height - 8 - sum(wrapped)))
    for run in shown:
        running = run["state"] == "running"
        progress = _progress(run) if running else run["reason"]
        spent = (run.get("progress") or {}).get("seconds")
        took = "" if spent is None else human_time(spent)
        when = _left(run) if running else took if run["state"] == "done" else _expected(run)
        cells = {
            "state": Text(run["state"], style=_STYLES.get(run["state"], "dim")),
            "run": Text(run["name"]),
            "progress": Text(progress),
            "time": Text(when),
            "cost": Text(_cost(run)),
        }
        drawing.add_row(*(cells[name] for name in columns))
    if hidden:
        drawing.add_row("", Text(f"and {hidden} more", style="dim"))
    return drawing


def _that_fit(runs: Sequence[Mapping[str, Any]], lines: int) -> tuple[list[Mapping[str, Any]], int]:
    """Give the runs that are shown, in the grid's order, and how many are not: what fails and runs, what is next, and
    what was done last."""
    by_state = {state: [run for run in runs if run["state"] == state] for state in _ORDER}
    first = [*by_state["failed"], *by_state["running"]]
    done = by_state["done"][-max(0, lines - len(first)) // 3 :]
    rest = [run for state in _ORDER[2:] if state != "done" for run in by_state[state]]
    names = {run["name"] for run in [*first, *done, *rest][:lines]}
    return [run for run in runs if run["name"] in names], len(runs) - len(names)
