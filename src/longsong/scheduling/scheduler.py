"""Gives runs to workers until all are done, and does what is to be done when one is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from longsong.scheduling.live import Assignment, Live, Pace
from longsong.scheduling.order import Job, choose_within, first_fitting, makespan, next_job
from longsong.scheduling.pool import Pool
from longsong.scheduling.room import Room
from longsong.scheduling.watch import PATIENCE, Watch
from longsong.scheduling.watched import Watched
from longsong.training.interrupts import Interrupts

__all__ = ["Scheduler"]

_SECONDS_BEFORE_AGAIN = (2.0, 20.0)
"""Before each time that a run is begun again: what was in its way, such as a full disk, may be gone by then."""

_FOR_GOOD = frozenset({"AudioError", "CheckpointError", "ConfigError", "DeviceError", "NotFiniteError", "VersionError"})
"""Errors that come again however often a run is begun."""

_SECONDS_BETWEEN_ROUNDS = 0.1
_SECONDS_TO_STOP, _SECONDS_TO_STOP_AT_ONCE = 8.0, 8.0


@dataclass
class _Busy(Watched):
    """A worker and what it is at."""

    run: Live
    slots: int


class Scheduler:
    """Runs that are left, and the workers that do them.

    Parameters
    ----------
    assignments : sequence of Assignment
    pool : Pool
        Where workers come from.
    slots : int
        How many runs of one slot go side by side.
    on_change : callable
        Called when a run's state changes, with the run.
    on_lost : callable
        Called with a run that failed and the log of what went wrong, before it is begun again or given up.
    on_note : callable
        Called with a line that a worker has for the user.
    on_round : callable
        Called several times a second.
    budget : float or None
        Seconds after which nothing shall run any more: what does not fit is not begun.
    covered : frozenset of str
        What of the grid is done already.
    patience : float
        Seconds without progress and work after which a worker hangs (`longsong.scheduling.watch`).
    alone : int or None
        Slots of a run beside which nothing shall be on its machine; None for all.
    has_room : callable
        Says whether the disk has room for a run; asked after one could not write. While it has none, nothing is begun,
        and what failed of that is no attempt (`longsong.scheduling.room`).
    """

    def __init__(
        self,
        assignments: Sequence[Assignment],
        pool: Pool,
        slots: int,
        *,
        on_change: Callable[[Live], None],
        on_lost: Callable[[Live, str], None],
        on_note: Callable[[str], None],
        on_round: Callable[[], None],
        budget: float | None = None,
        covered: frozenset[str] = frozenset(),
        patience: float = PATIENCE,
        alone: int | None = None,
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        self.runs = [Live(assignment) for assignment in assignments]
        self._pool, self._slots, self._patience = pool, slots, patience
        self._alone = alone or slots
        self._on_change, self._on_lost, self._on_note, self._on_round = on_change, on_lost, on_note, on_round
        self._room = Room(has_room, on_note)
        self._ends = None if budget is None else time.monotonic() + budget
        self._covered = covered
        self._busy: list[_Busy] = []
        self._settled = False  # that nothing more can be begun before something ends

    @property
    def pace(self) -> Pace:
        """How long runs take, by what is done of them."""
        return Pace.of(self.runs, time.monotonic())

    def seconds_left(self) -> float:
        """Give the seconds until all is done that will be."""
        now, pace = time.monotonic(), self.pace
        running = self._jobs((one.run for one in self._busy), pace, now)
        waiting = self._jobs(self._chosen(pace, now, held_too=True), pace, now)
        return makespan(waiting, running, self._slots)

    def run(self) -> None:
        """Do all.

        Raises
        ------
        KeyboardInterrupt
            Stopped by the user, after every run's checkpoint, or at once where that was asked for.
        """
        try:
            with Interrupts() as interrupted:
                while self._begin_what_fits() or self._busy or self._held():
                    self._on_round()
                    time.sleep(_SECONDS_BETWEEN_ROUNDS)
                    for one in list(self._busy):
                        self._attend(one)
                    if interrupted.is_set():
                        self._stop()
                        raise KeyboardInterrupt("every run has stopped; the same command goes on from there")
        finally:
            self._end_all()

    def _chosen(self, pace: Pace, now: float, *, held_too: bool = False) -> list[Live]:
        """Give the runs that are left and are to be begun, those too that are held back for a while, or not.

        Within a budget what shows most for its seconds comes first.
        """
        left = [run for run in self.runs if run.state == "left" and (held_too or run.not_before <= now)]
        if self._ends is None:
            return left
        running = self._jobs((one.run for one in self._busy), pace, now)
        covers = {run.name: run.assignment.covers for run in left}
        shown = [run.assignment.covers for run in self.runs if run.state in ("running", "done")]
        jobs = self._jobs(left, pace, now)
        covered = self._covered.union(*shown)
        by_name = {run.name: run for run in left}
        chosen = choose_within(jobs, covers, self._ends - now, self._slots, covered, running)
        return [by_name[job.name] for job in chosen]

    def _jobs(self, runs: Iterable[Live], pace: Pace, now: float) -> list[Job]:
        return [run.job(pace, self._alone, now) for run in runs]

    def _held(self) -> bool:
        """Say whether a run waits for the time to be begun again."""
        now = time.monotonic()
        return any(run.state == "left" and run.not_before > now for run in self.runs)

    def _begin_what_fits(self) -> bool:
        """Begin runs as long as one fits beside the others; says whether any is left to be begun."""
        if self._room.awaited(time.monotonic()):
            return True
        while not self._settled:
            now, pace = time.monotonic(), self.pace
            running = self._jobs((one.run for one in self._busy), pace, now)
            waiting = {run.name: run for run in self._chosen(pace, now)}
            # Within a budget in the order of the choice: where estimates are too low, there is no time for its last.
            choose = next_job if self._ends is None else first_fitting
            job = choose(self._jobs(waiting.values(), pace, now), running, self._slots)
            if job is None:
                self._settled = bool(self._busy) and not self._held()
                return bool(waiting)
            self._begin(waiting[job.name], job.slots)
        return False

    def _begin(self, run: Live, slots: int) -> None:
        now = time.monotonic()
        threads = run.assignment.threads
        worker = self._pool.take(threads)
        step = run.assignment.training_seconds / run.assignment.updates
        run.begin(worker.where, now)
        self._busy.append(_Busy(worker, Watch(now, step, self._patience), run, slots))
        worker.give({**run.assignment.task, "threads": threads})
        self._on_change(run)

    def _attend(self, one: _Busy) -> None:
        """Hear what a worker says, and look whether it lives and works."""
        now = time.monotonic()
        ended = one.worker.ended()  # asked first: what it said before its end is then all there
        one.run.where = one.worker.where  # known once it has begun
        for said in one.messages(now):
            if said["say"] == "progress":
                one.run.hear(said, now)
            elif said["say"] == "note":
                self._on_note(said["text"])
            elif said["say"] == "done":
                return self._over(one, "")
            elif said["say"] == "failed":
                return self._over(one, said["reason"], said["log"], kind=said["kind"])
        ended = ended or one.hung(now)
        if ended is not None:
            self._over(one, ended, f"{ended}\n{one.worker.log()}", lost=True)
        return None

    def _over(self, one: _Busy, reason: str, log: str = "", *, kind: str = "", lost: bool = False) -> None:
        """End an attempt: done where there is no reason, else begun again if that may help, by the `kind` of error."""
        now, run = time.monotonic(), one.run
        self._busy.remove(one)
        self._settled = False
        if not reason:
            self._pool.give_back(one.worker, run.assignment.threads)
        else:
            # A process in which something failed may go on failing, as a device's context does, or hold its memory.
            if not lost:
                one.worker.kill()
            one.worker.close()
        if not reason:
            run.end("done", "", now)
        elif kind == "SpaceError" and self._room.ran_out(now):
            run.end("left", reason, now)
            run.attempts -= 1
        else:
            retry = kind not in _FOR_GOOD and run.attempts <= len(_SECONDS_BEFORE_AGAIN)
            run.end("left" if retry else "failed", reason, now)
            if retry:
                run.not_before = now + _SECONDS_BEFORE_AGAIN[run.attempts - 1]
                run.alone = True  # if it was memory that ran out, the others' is free then
            self._on_lost(run, log)
        self._on_change(run)

    def _stop(self) -> None:
        """Have all workers stop after a checkpoint, soon; one that is in a long update leaves it."""
        for seconds in _SECONDS_TO_STOP, _SECONDS_TO_STOP_AT_ONCE:
            for one in self._busy:
                one.worker.stop()
            until = time.monotonic() + seconds
            while self._busy and time.monotonic() < until:
                self._on_round()
                time.sleep(_SECONDS_BETWEEN_ROUNDS)
                for one in list(self._busy):
                    self._stopped(one)

    def _stopped(self, one: _Busy) -> None:
        ended = one.worker.ended()
        said: list[dict[str, Any]] = one.worker.messages()
        done = any(message["say"] == "done" for message in said)
        if ended is None and not done:
            return
        self._busy.remove(one)
        one.run.end("done" if done else "left", "", time.monotonic())
        one.worker.close()
        self._on_change(one.run)

    def _end_all(self) -> None:
        for one in self._busy:
            one.worker.kill()
            one.worker.close()
            one.run.end("left", "", time.monotonic())
        self._busy = []
