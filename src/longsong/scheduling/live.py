"""A run of the grid while it is waited for, done or lost: its state, its progress and the time that is left of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from longsong.scheduling.order import Job

__all__ = ["Assignment", "Live", "Pace"]

_TRAINING, _GENERATING = "training", "generating"
_BEFORE_TRAINING = ("", "verifying the song")
_TRUST = 0.01
"""The share of all that was expected, after which what it took counts as much as the estimates."""

_WARMING_UP = 0.02
"""The share of a run's updates that says little of the others: they bear what is done once, such as compiling."""


@dataclass(frozen=True)
class Assignment:
    """A run that is to be done.

    Attributes
    ----------
    name : str
    task : mapping
        For a worker (`longsong.scheduling.tasks`).
    training_seconds, sound_seconds : float
        That its updates, and its sound, are expected to take.
    updates : int
    slots, threads : int
        What it takes of the machine.
    covers : frozenset of str
        What of the grid it shows, for a budget.
    """

    name: str
    task: Mapping[str, Any]
    training_seconds: float
    sound_seconds: float
    updates: int
    slots: int
    threads: int
    covers: frozenset[str]


@dataclass
class Live:
    """What is known of it now. Times are those of `time.monotonic`.

    Attributes
    ----------
    assignment : Assignment
    state : {'left', 'running', 'done', 'failed'}
    attempts : int
        How often it was begun by this call.
    alone : bool
        Whether nothing else is run beside it, because an attempt was lost.
    reason : str
        Why it failed, or is begun anew.
    not_before : float
        When it may be begun again.
    cost : float or None
        Of the last mini-batch.
    """

    assignment: Assignment
    state: Literal["left", "running", "done", "failed"] = "left"
    attempts: int = 0
    alone: bool = False
    reason: str = ""
    not_before: float = 0.0
    cost: float | None = None
    phase: str = ""
    done: float = 0.0
    total: float | None = None
    unit: str = ""
    where: str = ""
    _phase_begun: float = 0.0
    _begun_at: float = 0.0
    _made: float = 0.0  # updates by this call
    _seconds: dict[str, float] = field(default_factory=dict)  # by phase, of those that are over

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self.assignment.name

    def begin(self, where: str, now: float) -> None:
        """A worker was given it."""
        self.state, self.where, self.attempts = "running", where, self.attempts + 1
        self.phase, self.done, self.total, self.unit = "", 0.0, None, ""
        self._phase_begun, self._begun_at = now, 0.0

    def hear(self, said: Mapping[str, Any], now: float) -> None:
        """Its worker told of progress."""
        if said["phase"] != self.phase:
            self._end_phase(now)
            self.phase, self.done = said["phase"], 0.0
        if said["begun_at"] != self._begun_at:
            self._begun_at = self.done = said["begun_at"]
        if self.phase == _TRAINING:
            self._made += max(0.0, said["done"] - self.done)
        self.done, self.total, self.unit = said["done"], said["total"], said["unit"]
        self.cost = self.cost if said["cost"] is None else said["cost"]

    def end(self, state: Literal["left", "done", "failed"], reason: str, now: float) -> None:
        """Its worker has done it, or has not."""
        self._end_phase(now)
        self.state, self.reason = state, reason

    def _end_phase(self, now: float) -> None:
        self._seconds[self.phase] = self._in_phase(self.phase, now)
        self._phase_begun = now

    def _in_phase(self, phase: str, now: float) -> float:
        open_now = self.state == "running" and self.phase == phase
        return self._seconds.get(phase, 0.0) + (now - self._phase_begun if open_now else 0.0)

    def spent(self, now: float) -> float:
        """Give the seconds that it has taken so far."""
        return sum(self._in_phase(phase, now) for phase in {*self._seconds, self.phase})

    def times(self, now: float) -> tuple[float, float, float]:
        """Give the seconds of its updates, of its sound, and of all else."""
        updates, sound = self._in_phase(_TRAINING, now), self._in_phase(_GENERATING, now)
        return updates, sound, self.spent(now) - updates - sound

    def expected(self) -> float:
        """Give the seconds that the updates which are made were expected to take."""
        return min(1.0, self._made / self.assignment.updates) * self.assignment.training_seconds

    def seconds_left(self, pace: Pace, now: float) -> float:
        """Give the seconds that are left of it, if it goes at the pace of the others."""
        if self.state in ("done", "failed"):
            return 0.0
        a = self.assignment
        updates, sound, rest = self.times(now)
        after = max(pace.sound * a.sound_seconds - sound, 0.0) + max(pace.rest - rest, 0.0)
        if self.state == "running" and self.phase == _TRAINING and self.total:
            made = self.done - self._begun_at
            weight = made / (made + _WARMING_UP * a.updates)
            expected = pace.training * a.training_seconds / a.updates
            seen = (now - self._phase_begun) / made if made else expected
            return (self.total - self.done) * (weight * seen + (1 - weight) * expected) + after
        trained = self.state == "running" and self.phase not in (*_BEFORE_TRAINING, _TRAINING)
        if trained or self._made >= a.updates:
            return after
        return max(pace.training * a.training_seconds - updates, 0.0) + after

    def job(self, pace: Pace, slots: int, now: float) -> Job:
        """Give what the order depends on, on a machine of so many slots."""
        return Job(self.name, self.seconds_left(pace, now), slots if self.alone else self.assignment.slots)

    def progress(self, pace: Pace, now: float) -> dict[str, Any]:
        """Give what ``grid.json`` says of it (``docs/formats.md``)."""
        return {
            "phase": self.phase,
            "done": self.done,
            "total": self.total,
            "unit": self.unit,
            "cost": self.cost,
            "seconds": round(self.spent(now), 1),
            "seconds_left": round(self.seconds_left(pace, now), 1),
            "attempts": self.attempts,
            "where": self.where,
        }


@dataclass(frozen=True)
class Pace:
    """How long runs take, by what is done of them.

    Attributes
    ----------
    training, sound : float
        Times as long as was estimated.
    rest : float
        Seconds of each run that no estimate has: to open the song, to judge, to write.
    """

    training: float = 1.0
    sound: float = 1.0
    rest: float = 0.0

    @classmethod
    def of(cls, runs: Sequence[Live], now: float) -> Pace:
        """Give the pace of runs, whatever state they are in."""
        updates = expected = sound = sound_expected = 0.0
        for run in runs:
            due, (took, sounding, _) = run.expected(), run.times(now)
            if due:
                updates, expected = updates + took, expected + due
            if run.state == "done":
                sound, sound_expected = sound + sounding, sound_expected + run.assignment.sound_seconds
        rests = [run.times(now)[2] / run.attempts for run in runs if run.state == "done"]
        trained = _TRUST * sum(run.assignment.training_seconds for run in runs)
        sounded = _TRUST * sum(run.assignment.sound_seconds for run in runs)
        return cls(
            _ratio(updates + trained, expected + trained),
            _ratio(sound + sounded, sound_expected + sounded),
            sum(rests) / len(rests) if rests else 0.0,
        )


def _ratio(took: float, expected: float) -> float:
    return took / expected if expected else 1.0
