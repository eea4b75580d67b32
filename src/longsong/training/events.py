"""TensorBoard's events of a run, written when they are given."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from longsong.files import os_errors_named

__all__ = ["EventFile"]


class EventFile:
    """A file of events beside those of earlier starts.

    TensorBoard's own writer is a thread, which keeps Python from the updates, and whose failures come up late.

    Parameters
    ----------
    folder : Path
        The run's.
    first_step : int or None
        Steps from here on in older files are not to be shown; None where there are none.

    Raises
    ------
    SpaceError
        The disk is full, or may not be written to; so for every method.
    """

    def __init__(self, folder: Path, first_step: int | None) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event: Any = Event
        name = f"events.out.tfevents.{time.time():017.6f}.{socket.gethostname()}.{os.getpid()}"
        self._path = folder / name
        with os_errors_named(self._path):
            self._file = self._path.open("xb")
        self._records: Any = RecordWriter(self._file)
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        if first_step is not None:
            start = SessionLog(status=SessionLog.START)
            self._write(Event(wall_time=time.time(), step=first_step, session_log=start))
        self.flush()

    def scalars(self, step: int, when: float, values: Mapping[str, float]) -> None:
        """Add numbers by name, of a step at a time (seconds since 1970)."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        self.values(step, when, [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])

    def values(self, step: int, when: float, values: Sequence[Any]) -> None:
        """Add what has a message of its own, each a ``Summary.Value`` of TensorBoard, of a step at a time."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._write(self._event(wall_time=when, step=step, summary=Summary(value=values)))

    def flush(self) -> None:
        """Let readers see what was added."""
        with os_errors_named(self._path):
            self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with os_errors_named(self._path):
            self._file.close()

    def _write(self, event: Any) -> None:
        with os_errors_named(self._path):
            self._records.write(event.SerializeToString())
