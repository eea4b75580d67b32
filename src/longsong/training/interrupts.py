"""Ctrl-C while a run trains: an update is never cut in two, and what only waits is."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Interrupts", "StoppedWaiting"]


class StoppedWaiting(KeyboardInterrupt):
    """The first interrupt came while nothing but data was waited for."""


class Interrupts:
    """Turns the first Ctrl-C (or SIGTERM) into a flag, and the second into KeyboardInterrupt.

    A context; outside of the main thread it leaves signals alone.

    Parameters
    ----------
    quiet : bool
        Say nothing of the first.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._flag = threading.Event()
        self._waiting = False
        self._before: dict[int, Any] = {}

    def is_set(self) -> bool:
        """Say whether there was one."""
        return self._flag.is_set()

    @contextmanager
    def while_waiting(self) -> Iterator[None]:
        """Have the first interrupt raise StoppedWaiting at once, in this block or, if it came before, at its begin."""
        self._waiting = True
        try:
            if self._flag.is_set():
                raise StoppedWaiting("stopped before data were waited for; the same command goes on from there")
            yield
        finally:
            self._waiting = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in signal.SIGINT, signal.SIGTERM:
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._flag.is_set():
            raise KeyboardInterrupt("stopped at once; the same command goes on from the last checkpoint")
        self._flag.set()
        if self._waiting:
            raise StoppedWaiting("stopped while data were waited for; the same command goes on from there")
        # Not through the progress bar: a signal may come while that is writing.
        if not self._quiet:
            os.write(2, b"\nstopping after this update, with a checkpoint (once more: at once)\n")
