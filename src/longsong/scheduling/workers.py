"""Workers: processes that do runs, wherever they are; here those of this machine."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Protocol

import longsong
import streams

__all__ = ["LocalWorker", "LocalWorkers", "Worker", "Workers"]

_BYTES_OF_LOG = 20_000
_PACKAGES = [str(Path(package.__file__ or "").resolve().parents[1]) for package in (longsong, streams)]


class Worker(Protocol):
    """One process that does one task after another."""

    where: str
    """The machine and the process, such as ``host:1234``."""

    def give(self, task: Mapping[str, Any]) -> None:
        """Ask for a task, as the JSON values of `longsong.scheduling.tasks` with ``threads``."""

    def messages(self) -> list[dict[str, Any]]:
        """Give what it has told since it was last asked, without waiting."""

    def ended(self) -> str | None:
        """Say how its process ended, or None while it lives."""

    def seconds_of_work(self) -> float | None:
        """Give the processor time that it has taken; None where that cannot be known."""

    def stop(self) -> None:
        """Ask it to stop after a checkpoint; asked a second time, it stops at once."""

    def kill(self) -> None:
        """End it now, whatever it is at."""

    def log(self) -> str:
        """Give the end of what it wrote to standard error."""

    def close(self) -> None:
        """Let go of it: an idle one ends by itself."""


class Workers(Protocol):
    """Where workers come from."""

    def start(self, threads: int) -> Worker:
        """Start one, whose libraries take so many threads by default."""


class LocalWorkers:
    """Processes of this machine.

    Parameters
    ----------
    on_start : callable, optional
        Called with the pid of each.
    environment : mapping of str to str, optional
        What they need in theirs.
    """

    def __init__(
        self, on_start: Callable[[int], None] | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self._on_start, self._environment = on_start, environment or {}

    def start(self, threads: int) -> LocalWorker:
        """Start a process."""
        worker = LocalWorker(threads, self._environment)
        if self._on_start is not None:
            self._on_start(worker.pid)
        return worker


class LocalWorker:
    """A process of this machine; it does not outlive its scheduler (`longsong.scheduling.worker`).

    Parameters
    ----------
    threads : int
        What libraries take by default.
    more : mapping of str to str, optional
        What it needs in its environment.
    """

    def __init__(self, threads: int, more: Mapping[str, str] | None = None) -> None:
        # Libraries read these when they are first imported; the scheduler's own reading has passed.
        environment = os.environ | {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        environment |= more or {}
        # The same code, wherever it was found.
        environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(_PACKAGES + [path for path in sys.path if path]))
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        self._process = subprocess.Popen(
            [sys.executable, "-m", "longsong.scheduling.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            # Ctrl-C on the terminal is for the scheduler, which asks its workers to stop.
            start_new_session=True,
        )
        self.pid = self._process.pid
        self.where = f"{socket.gethostname()}:{self.pid}"
        self._said: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        if self._process.stdout is not None:
            for line in self._process.stdout:
                with contextlib.suppress(ValueError):  # cut short, where it was killed
                    self._said.put(json.loads(line))

    def give(self, task: Mapping[str, Any]) -> None:
        """Ask for a task."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it has ended, and `ended` says how
                self._process.stdin.write(json.dumps(task).encode() + b"\n")
                self._process.stdin.flush()

    def messages(self) -> list[dict[str, Any]]:
        """Give what it has told since it was last asked."""
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._said.get_nowait())
        return found

    def ended(self) -> str | None:
        """Say how its process ended, or None while it lives."""
        status = self._process.poll()
        if status is None:
            return None
        self._reader.join()
        if status == -signal.SIGKILL:
            return "its process was killed (SIGKILL: by somebody, or because memory ran out)"
        if status < 0:
            return f"its process was ended by {signal.Signals(-status).name}"
        return f"its process ended with exit status {status}"

    def seconds_of_work(self) -> float | None:
        """Give the processor time that it has taken."""
        import psutil

        try:
            times = psutil.Process(self.pid).cpu_times()
        except psutil.Error:
            return None
        return float(times.user + times.system)

    def stop(self) -> None:
        """Ask it to stop after a checkpoint; asked a second time, it stops at once."""
        self._process.terminate()

    def kill(self) -> None:
        """End it now."""
        self._process.kill()
        self._process.wait()

    def log(self) -> str:
        """Give the end of what it wrote to standard error."""
        # Its position in the file is the worker's own too, and stays where that writes.
        file = self._errors.fileno()
        start = max(0, os.fstat(file).st_size - _BYTES_OF_LOG)
        return os.pread(file, _BYTES_OF_LOG, start).decode("utf-8", errors="replace")

    def close(self) -> None:
        """Let go of it: an idle one ends by itself."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()
