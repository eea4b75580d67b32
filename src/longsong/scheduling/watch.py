"""Whether a worker hangs: by its progress and its work, and not by time alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from longsong.units import human_time

__all__ = ["PATIENCE", "Watch"]

PATIENCE = 300.0
"""Seconds without progress and without work after which a worker hangs."""

_TIMES_LONGER = 20.0
"""How many times as long as it ever took between two steps of progress it may take, while it works."""

_SIGN_OF_WORK = 0.05
"""The share of a core below which a process does nothing."""


@dataclass
class Watch:
    """Watches one task. Times are those of a clock that stands still while the machine sleeps (`time.monotonic`).

    A worker hangs if it neither tells of progress nor takes processor time for `patience` seconds: it waits for what
    never comes, or was stopped. One that takes processor time is left alone for longer: for 20 times as long as one
    step of its progress is known or expected to take, and ten times the patience at least.

    Attributes
    ----------
    begun : float
        When the task was given.
    step : float
        Seconds that one step of progress is expected to take.
    patience : float
    """

    begun: float
    step: float = 0.0
    patience: float = PATIENCE
    _heard: float = field(init=False)
    _worked: float = field(init=False)
    _seen: tuple[float, float] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._heard = self._worked = self.begun

    def heard(self, now: float) -> None:
        """It told of progress."""
        self.step = max(self.step, now - self._heard)
        self._heard = self._worked = now

    def looked(self, now: float, seconds_of_work: float | None) -> None:
        """Its processor time was looked at; None is taken for work, so that only progress counts."""
        if seconds_of_work is None:
            self._worked = now
            return
        if self._seen is not None:
            then, before = self._seen
            if seconds_of_work - before > _SIGN_OF_WORK * (now - then):
                self._worked = now
        self._seen = (now, seconds_of_work)

    def verdict(self, now: float) -> str | None:
        """Say that it hangs, and why that is known; None while it does not."""
        idle = now - self._worked
        if idle > self.patience:
            return f"it hung: no progress and no processor time for {human_time(idle)}"
        silent = now - self._heard
        if silent > max(10 * self.patience, _TIMES_LONGER * self.step):
            return f"it hung: no progress for {human_time(silent)}, though it took processor time"
        return None
