"""Workers that act a script, for tests of what a scheduler does: no processes, and no time that passes by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class Clock:
    """A clock that goes on when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Acted:
    """One worker. Its script gives, for a run and its attempt, what it does: (seconds, word), in order.

    Words: ``update`` (one of ten), ``done``, ``failed KIND reason``, ``killed``, ``note TEXT``,
    ``hang`` (no work from then).
    """

    def __init__(self, stage: Stage, threads: int) -> None:
        self.stage, self.threads = stage, threads
        self.where = f"acted:{len(stage.started)}"
        self.lines: list[tuple[float, str]] = []
        self.task: Mapping[str, Any] = {}
        self.end: str | None = None
        self.hangs = self.closed = False
        self.stops = self.updates = 0
        self.given_at = 0.0

    def give(self, task: Mapping[str, Any]) -> None:
        assert not self.lines, "it is at something"
        assert task["threads"] == self.threads
        name = task["name"]
        self.stage.given.append(name)
        self.task, self.given_at, self.updates, self.stops = task, self.stage.clock.now, 0, 0
        self.lines = list(self.stage.script(name, self.stage.given.count(name)))

    def messages(self) -> list[dict[str, Any]]:
        found = []
        while self.lines and self.stage.clock.now - self.given_at >= self.lines[0][0]:
            _, word = self.lines.pop(0)
            if word == "update":
                self.updates += 1
                found.append(
                    {"say": "progress", "phase": "training", "done": self.updates, "begun_at": 0.0, "total": 10,
                     "unit": "updates", "cost": 0.5}
                )  # fmt: skip
            elif word == "done":
                found.append({"say": "done"})
            elif word.startswith("note "):
                found.append({"say": "note", "text": word.removeprefix("note ")})
            elif word == "hang":
                self.hangs = True
            elif word.startswith("failed"):
                _, kind, reason = word.split(" ", 2)
                found.append({"say": "failed", "kind": kind, "reason": reason, "log": f"Traceback of {reason}"})
        return found

    def ended(self) -> str | None:
        if self.lines and self.lines[0][1] == "killed" and self.stage.clock.now - self.given_at >= self.lines[0][0]:
            self.lines, self.end = [], "its process was killed"
        return self.end

    def seconds_of_work(self) -> float | None:
        return 0.0 if self.hangs else self.stage.clock.now

    def stop(self) -> None:
        self.stops += 1
        if self.stops >= self.stage.stops_needed:
            self.lines, self.end = [], "its process ended with exit status 130"

    def kill(self) -> None:
        self.lines, self.end = [], "its process was killed"
        self.stage.killed.append(self.where)

    def log(self) -> str:
        return "what it wrote to standard error"

    def close(self) -> None:
        self.closed = True


class Stage:
    """Where acted workers come from.

    Parameters
    ----------
    clock : Clock
    script : callable
        From a run's name and the number of the attempt to what is done.
    """

    def __init__(self, clock: Clock, script: Callable[[str, int], list[tuple[float, str]]]) -> None:
        self.clock, self.script = clock, script
        self.started: list[Acted] = []
        self.given: list[str] = []
        self.killed: list[str] = []
        self.stops_needed = 1

    def start(self, threads: int) -> Acted:
        worker = Acted(self, threads)
        self.started.append(worker)
        return worker
