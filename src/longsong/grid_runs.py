"""The runs of one call of `longsong reproduce`, done: scheduled, shown while they run, and written down."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from longsong.errors import LongsongError
from longsong.files import os_errors_named, write_text
from longsong.grid import PlannedRun
from longsong.grid_file import write_grid
from longsong.grid_plan import GridPlan, covers
from longsong.grid_table import Table, format_run
from longsong.progress import print_line
from longsong.scheduling.live import Assignment, Live, Pace
from longsong.scheduling.pool import Pool
from longsong.scheduling.scheduler import Scheduler
from longsong.scheduling.tasks import RunTask
from longsong.training.record import LOG
from longsong.units import human_time

__all__ = ["GridRuns"]

_SECONDS_BETWEEN_WRITINGS = 2.0


class GridRuns:
    """What is left of a plan, run.

    Parameters
    ----------
    plan : GridPlan
        Estimated already; it is told what becomes of the runs.
    pool : Pool
        Where workers come from.
    command : sequence of str
        The words of the command that asks for it.
    say : callable
        Takes lines.
    """

    def __init__(
        self, plan: GridPlan, pool: Pool, *, command: Sequence[str] = (), say: Callable[[str], None] = print_line
    ) -> None:
        self.plan, self.pool, self.command, self._say = plan, pool, list(command), say
        self._scheduler: Scheduler | None = None
        self._written = -math.inf
        self._last: dict[str, Any] = {}
        self._unwritten = False

    def run(self, *, budget: float | None = None, quiet: bool = False) -> None:
        """Do all that is left; a run that fails stops no other.

        Parameters
        ----------
        budget : float or None
            Seconds that there are for it.
        quiet : bool
            Show no table while it runs.

        Raises
        ------
        KeyboardInterrupt
            Stopped by the user; started again, it goes on.
        """
        assignments = [self._assignment(run) for run in self.plan.left]
        with Table(f"{self.plan.song['name']}, {self.plan.sharing.slots} side by side", quiet=quiet) as table:
            self._scheduler = Scheduler(
                assignments,
                self.pool,
                self.plan.sharing.slots,
                on_change=lambda run: self._changed(run, table),
                on_lost=lambda run, log: self._lost(run, log, table),
                on_note=table.say,
                on_round=lambda: self._round(table),
                budget=budget,
                covered=self.plan.covered(),
                alone=self.plan.sharing.sizes()[-1],
                has_room=self.plan.has_room,
            )
            self._write("running")
            try:
                self._scheduler.run()
            except KeyboardInterrupt:
                self._settle()
                self._write("stopped")
                raise
        self._settle(budget)
        self._write("complete")

    def _assignment(self, run: PlannedRun) -> Assignment:
        threads = self.plan.sharing.threads(run.slots)
        share = replace(self.plan.chosen.execution, threads=threads, memory=self.plan.sharing.memory_of(run.slots))
        config = run.config(self.plan.song_folder, self.plan.out, share)
        return Assignment(
            run.name,
            RunTask(config, tuple(self.command), self.plan.keep_checkpoints).to_json(),
            (run.estimated_seconds or 0.0) - (run.estimated_sound_seconds or 0.0),
            run.estimated_sound_seconds or 0.0,
            run.configuration.epochs * run.updates_per_epoch,
            run.slots,
            threads,
            covers(run),
        )

    def _changed(self, live: Live, table: Table) -> None:
        self._settle()
        self._write("running")
        run = next(run for run in self._to_json("running")["runs"] if run["name"] == live.name)
        if live.state != "left":  # why it was lost is said already
            table.say(f"{format_run(run)}{self._in_numbers(live)}")

    def _in_numbers(self, live: Live) -> str:
        """Say what a run that ended took, and how long the rest will."""
        if live.state != "done" or self._scheduler is None:
            return ""
        left = self._scheduler.seconds_left()
        after = f"about {human_time(left)} left for all" if left else "none left"
        return f"  |  took {human_time(live.spent(time.monotonic()))}, {after}"

    def _lost(self, live: Live, log: str, table: Table) -> None:
        """Keep a failed run's log beside what it wrote, or show it where it cannot be kept."""
        path = self.plan.out / live.name / LOG
        try:
            with os_errors_named(path):
                path.parent.mkdir(exist_ok=True)
            write_text(path, log)
        except LongsongError as error:
            table.say(f"{log.rstrip()}\n{error}")
        else:
            live.reason += f" ({path})" if live.state == "failed" else ""
        if live.state == "left":
            table.say(f"{'again':<12}  {live.name:<24}  {live.reason}; it goes on from its last checkpoint")

    def _round(self, table: Table) -> None:
        now = time.monotonic()
        if now - self._written >= _SECONDS_BETWEEN_WRITINGS:
            self._write("running")
        table.show(self._last)

    def _settle(self, budget: float | None = None) -> None:
        self.plan.settle({live.name: (live.state, live.reason) for live in self._lives()}, budget)

    def _lives(self) -> list[Live]:
        return self._scheduler.runs if self._scheduler else []

    def _write(self, state: str) -> None:
        """Write ``grid.json``: these runs, and those of earlier calls that this one did not plan."""
        self._last, self._written = self._to_json(state), time.monotonic()
        try:
            write_grid(self.plan.out, self._last)
        except LongsongError as error:
            # What runs goes on: the disk may have room again before it ends.
            if not self._unwritten:
                self._say(f"{error}; the runs go on")
            self._unwritten = True
        else:
            self._unwritten = False

    def _to_json(self, state: str) -> dict[str, Any]:
        now, scheduler = time.monotonic(), self._scheduler
        pace = scheduler.pace if scheduler else Pace()
        left = self.plan.seconds() if scheduler is None else scheduler.seconds_left()
        return self.plan.to_json(
            state,
            command=self.command,
            progress={live.name: live.progress(pace, now) for live in self._lives() if live.attempts},
            seconds_left=left if state == "running" else None,
        )
