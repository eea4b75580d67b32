"""Progress of anything long, with the time left: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from longsong.units import human_count, human_time

__all__ = ["Progress", "listened_to", "print_line", "shown_or_not"]

_SECONDS_BETWEEN_LINES = 10.0

_LISTENER: ContextVar[Callable[[Progress], None] | None] = ContextVar("listener of progress", default=None)


@contextmanager
def shown_or_not() -> Iterator[None]:
    """Let work go on where what is shown of it in this block goes nowhere: the log's disk is full, its reader gone."""
    try:
        yield
    except BrokenPipeError:
        # Nobody reads on; what is still in the buffer would raise again at the end.
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
                continue
            with suppress(OSError, ValueError), Path(os.devnull).open("w") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())
    except OSError:
        pass


def print_line(line: str, *, error: bool = False) -> None:
    """Print a line at once, of work that goes on whether it can be shown or not.

    Parameters
    ----------
    line : str
    error : bool
        To standard error, and not to standard output.
    """
    with shown_or_not():
        print(line, file=sys.stderr if error else sys.stdout, flush=True)


@contextmanager
def listened_to(listener: Callable[[Progress], None]) -> Iterator[None]:
    """Have all progress that begins in this block, quiet or not, call `listener` at each step."""
    before = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(before)


class Progress:
    """One long piece of work, reported to standard error.

    Parameters
    ----------
    label : str
        What is being done ("sharding", "training 40x50").
    total : float or None
        Units in all; None where unknown (then no time left is given).
    unit : str
        Name of the unit, in the plural ("samples", "updates").
    quiet : bool
        Report nothing at all.

    Attributes
    ----------
    done : float
        Units that are done.
    resumed_at : float
        Units that were done by an earlier start.
    cost : float or None
        The last that was told.
    """

    def __init__(self, label: str, total: float | None, unit: str, *, quiet: bool = False) -> None:
        self.label, self.total, self.unit, self.quiet = label, total, unit, quiet
        self.done = self.resumed_at = 0.0
        self.cost: float | None = None
        self._listener = _LISTENER.get()
        self._note = ""
        self._bar: Any = None
        self._started = self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        self._started = self._last_line = time.monotonic()
        if not self.quiet and sys.stderr.isatty():
            self._bar = _bar()
        if self._bar is not None:
            self._task = self._bar.add_task(self.label, total=self.total, count=self._count(), note="")
            self._bar.start()
        self._show(self.done)
        return self

    def begin_at(self, done: float) -> None:
        """Say that `done` units were done by an earlier start, so that they do not count as speed."""
        self.resumed_at = done
        self._show(done)

    def advance(self, units: float, note: str = "") -> None:
        """Count `units` more as done; `note` is shown behind the bar."""
        self.update(self.done + units, note)

    def update(self, done: float, note: str = "", *, cost: float | None = None) -> None:
        """Set the units done so far; `note` is shown behind the bar, and the cost told to who listens."""
        self._note, self.cost = note, self.cost if cost is None else cost
        self._show(done)
        now = time.monotonic()
        if self._bar is None and not self.quiet and now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            print_line(self._line(now), error=True)

    def say(self, line: str) -> None:
        """Print a line of its own above the bar."""
        if self.quiet:
            return
        if self._bar is None:
            print_line(line, error=True)
            return
        with shown_or_not():
            self._bar.console.print(line, highlight=False, markup=False)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _show(self, done: float) -> None:
        self.done = done
        if self._bar is not None:
            self._bar.update(self._task, completed=done, count=self._count(), note=self._note)
        if self._listener is not None:
            self._listener(self)

    def _count(self) -> str:
        of = f" of {human_count(self.total)}" if self.total else ""
        return f"{human_count(self.done)}{of} {self.unit}"

    def _line(self, now: float) -> str:
        speed = (self.done - self.resumed_at) / max(now - self._started, 1e-9)
        parts = [f"{self.label}: {self._count()}"]
        if self.total:
            parts[0] += f" ({100 * self.done / self.total:.0f} %)"
            if speed > 0:
                parts.append(f"{human_time((self.total - self.done) / speed)} left")
        if self._note:
            parts.append(self._note)
        return ", ".join(parts)


def _bar() -> Any:
    """Make the bar of the terminal; None where `rich` is not installed."""
    try:
        from rich import progress
        from rich.console import Console
    except ImportError:
        return None
    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TextColumn("{task.fields[count]}"),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
    )
