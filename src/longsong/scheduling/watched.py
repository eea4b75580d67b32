"""A worker at a task: heard, looked at now and then, and killed where it hangs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from longsong.scheduling.watch import Watch
from longsong.scheduling.workers import Worker

__all__ = ["Watched"]

_SECONDS_BETWEEN_LOOKS = 2.0


@dataclass
class Watched:
    """A worker that was given a task. Times are those of `time.monotonic`.

    Attributes
    ----------
    worker : Worker
    watch : Watch
        Begun when the task was given.
    """

    worker: Worker
    watch: Watch
    _looked: float = field(init=False)

    def __post_init__(self) -> None:
        self._looked = self.watch.begun

    def messages(self, now: float) -> list[dict[str, Any]]:
        """Give what it has told since it was last asked."""
        told = self.worker.messages()
        if any(said["say"] in ("ready", "progress") for said in told):
            self.watch.heard(now)
        return told

    def hung(self, now: float) -> str | None:
        """Look at it, if it is time for that; where it hangs, kill it and say why."""
        if now - self._looked < _SECONDS_BETWEEN_LOOKS:
            return None
        self._looked = now
        self.watch.looked(now, self.worker.seconds_of_work())
        verdict = self.watch.verdict(now)
        if verdict is not None:
            self.worker.kill()
        return verdict
