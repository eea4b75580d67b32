"""Candidates in processes of their own: pinned to one thread, their memory watched from outside."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

__all__ = ["BenchmarkError", "MemoryWatch", "Worker", "anonymous_bytes", "child_environment"]

ROOT = Path(__file__).resolve().parents[1]

_ONE_THREAD = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")


class BenchmarkError(Exception):
    """A candidate failed, or did not give the numbers that it has to."""


def child_environment() -> dict[str, str]:
    """Give the environment of a candidate: one thread for each library, and our code on the path."""
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH")]))
    threads = {f"{name}_NUM_THREADS": "1" for name in _ONE_THREAD}
    return {**os.environ, **threads, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}


def anonymous_bytes(process: int) -> int:
    """Give the resident memory of a process that no file backs (RssAnon of proc(5)), in bytes."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise BenchmarkError(f"process {process} has no RssAnon: it has ended, or this is not Linux")


class MemoryWatch:
    """Looks at the anonymous memory of another process every few milliseconds.

    Use it in a ``with`` statement.

    Parameters
    ----------
    process : int
        Its number.
    pause : float
        Seconds from one look to the next.

    Attributes
    ----------
    before : int
        What it had at the start, in bytes.
    """

    pause: ClassVar[float] = 0.002

    def __init__(self, process: int, pause: float = pause) -> None:
        self._process, self._pause = process, pause
        self._seen: list[tuple[float, int]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self.before = anonymous_bytes(self._process)
        self._seen.append((time.monotonic(), self.before))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    def peak(self, start: float = 0.0, stop: float = float("inf")) -> int:
        """Give the most that it had from `start` to `stop` (time.monotonic), in bytes above `before`.

        What was seen last before `start` counts as had at `start`.
        """
        times = [at for at, _ in self._seen]
        first = max(bisect_right(times, start) - 1, 0)
        return max(found for _, found in self._seen[first : max(bisect_right(times, stop), first + 1)]) - self.before

    def _watch(self) -> None:
        while not self._stop.wait(self._pause):
            self._look()

    def _look(self) -> None:
        with contextlib.suppress(OSError, BenchmarkError):  # it has ended
            self._seen.append((time.monotonic(), anonymous_bytes(self._process)))


class Worker:
    """A process that has imported one candidate, and forks a fresh child for each task (`benchmarks.worker`).

    Parameters
    ----------
    candidate : str
        Its name in `benchmarks.candidates.CANDIDATES`.
    """

    def __init__(self, candidate: str) -> None:
        self.candidate = candidate
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", candidate],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=child_environment(),
        )
        self._words: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def wait_until_ready(self) -> None:
        """Return when the candidate is imported; BenchmarkError where it cannot be."""
        self._reply()

    @contextlib.contextmanager
    def task(self, task: Mapping[str, Any]) -> Iterator[int]:
        """Fork a child for a task, give its process number, and end it afterwards."""
        process = self.ask("start", task=dict(task))["process"]
        try:
            yield process
        except BaseException:
            with contextlib.suppress(BenchmarkError):
                self.ask("end")
            raise
        self.ask("end")

    def ask(self, do: str, **details: Any) -> dict[str, Any]:
        """Have something done (`benchmarks.worker`), and give what it says.

        Raises
        ------
        BenchmarkError
            It failed; with its own words.
        """
        try:
            self._process.stdin.write(json.dumps({"do": do, **details}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._failed("has ended") from error
        return self._reply()

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _reply(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            raise self._failed(f"ended with status {self._process.returncode}")
        reply = json.loads(line)
        if "error" in reply:
            raise self._failed(reply["error"])
        return reply

    def _failed(self, what: str) -> BenchmarkError:
        return BenchmarkError(f"{self.candidate}: {what}\n{''.join(self._words[-30:])}")

    def _listen(self) -> None:
        """Keep what the candidate prints, so that no pipe fills up, for when it fails."""
        with self._process.stderr as words:
            for line in words:
                self._words.append(line)
                del self._words[:-200]
