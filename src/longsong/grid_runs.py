"""The runs of one call of `longsong reproduce`: what is done of them, what is left, and how that is run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import streams
from longsong.errors import ConfigError, LongsongError, RunError
from longsong.estimate import Estimate
from longsong.files import write_text
from longsong.generated import is_generated
from longsong.generating import GENERATED_SECONDS
from longsong.grid import Choice, PlannedRun, plan_grid
from longsong.grid_file import GRID, read_grid, write_grid
from longsong.grid_table import Table, format_run
from longsong.integrity import damages
from longsong.model import Network
from longsong.scheduling.calibration import Calibration
from longsong.scheduling.live import Assignment, Live, Pace
from longsong.scheduling.order import Job, choose_within, makespan
from longsong.scheduling.pool import Pool
from longsong.scheduling.scheduler import Scheduler
from longsong.scheduling.sharing import Sharing, choose_sharing
from longsong.scheduling.tasks import RunTask
from longsong.space import require_space
from longsong.training.device import DTYPES
from longsong.training.plan import bytes_on_disk
from longsong.training.record import LOG, read_record, read_summary
from longsong.units import human_bytes, human_time

__all__ = ["GridRuns"]

_SECONDS_BETWEEN_WRITINGS = 2.0
_ALONE = Sharing("", "cpu", 1, 1, 1)  # until it is known how a machine is shared


class GridRuns:
    """The grid of one song in one folder.

    Parameters
    ----------
    song_folder : Path
        The song's shards.
    chosen : Choice
        What to run.
    out : Path
        The folder of all runs.
    pool : Pool
        Where workers come from.
    command : sequence of str
        The words of the command that asks for it.
    keep_checkpoints : int
        How many of the newest stay of a run while it trains.
    say : callable
        Takes lines.

    Raises
    ------
    RunError
        `out` holds runs of another song.
    """

    def __init__(
        self,
        song_folder: Path,
        chosen: Choice,
        out: Path,
        pool: Pool,
        *,
        command: Sequence[str] = (),
        keep_checkpoints: int = 1,
        say: Callable[[str], None] = print,
    ) -> None:
        self._keep_checkpoints = keep_checkpoints
        self.song_folder, self.chosen, self.out, self.pool = song_folder, chosen, out, pool
        self.command, self._say = list(command), say
        self._opened = streams.Song.open(song_folder)
        self.song: dict[str, Any] = {
            "name": song_folder.resolve().name,
            "shards": str(song_folder),
            "digest": self._opened.digest,
            "samples": len(self._opened),
            "sample_rate": self._opened.sample_rate,
        }
        say(
            f"{song_folder}: {human_time(len(self._opened) / self._opened.sample_rate)} of song at "
            f"{self._opened.sample_rate:,} Hz"
        )
        self._calibration = Calibration(pool, chosen.execution, say)
        self._done: dict[str, bool] = {}
        self._outcomes: dict[str, dict[str, Any] | None] = {}
        self._before = self._read_before()
        self.runs = self._plan(lambda run: Estimate(0.0, 0.0))
        planned = {run.name for run in self.runs}
        self.others = [run for run in self._before.get("runs", []) if run["name"] not in planned]
        self.sharing = _ALONE
        self._scheduler: Scheduler | None = None
        self._written = -math.inf
        self._last: dict[str, Any] = {}
        self._unwritten = False

    def estimate(self, machine: Sharing, side_by_side: int | None = None) -> None:
        """Choose how the machine is shared, and estimate all runs, by measurements where nothing is known yet.

        Parameters
        ----------
        machine : Sharing
            What there is to run on, in however many slots.
        side_by_side : int or None
            How many runs go at once; None for as many as make all of them end sooner.

        Raises
        ------
        ConfigError
            There are fewer cores than runs that are to go at once.
        RunError
            The speed of this machine could not be measured.
        """
        if side_by_side is not None and side_by_side > machine.cores:
            raise ConfigError(
                f"{side_by_side} runs side by side on {machine.cores} cores would wait for each other; "
                f"give --side-by-side {machine.cores} or less"
            )
        self.sharing = self._choose_sharing(machine, side_by_side)
        known = self._known()
        self.runs = self._plan(lambda run: known.get(run.name) or self._estimated(run, self.sharing))

    def _read_before(self) -> dict[str, Any]:
        """Give an earlier ``grid.json``, if there is one, after a look at its song."""
        if not (self.out / GRID).exists():
            return {}
        found = read_grid(self.out)
        song = found["song"]
        if song["digest"] != self.song["digest"]:
            raise RunError(
                f"{self.out} holds runs of another song ({song['name']}); give another --out, or remove that folder"
            )
        return found

    def _choose_sharing(self, machine: Sharing, side_by_side: int | None) -> Sharing:
        """Divide the machine: as asked for, as before, or as makes all end soonest."""
        if side_by_side is not None:
            return replace(machine, slots=side_by_side)
        if isinstance(self._before.get("sharing"), dict):
            kept = type(machine).from_json(self._before["sharing"])
            # What a run began with it keeps; on another machine all is measured anew.
            if replace(kept, memory=0, slots=0) == replace(machine, memory=0, slots=0):
                return kept

        def seconds(slots: int) -> float:
            sharing = replace(machine, slots=slots)
            runs = [run for run in self._plan(lambda run: self._alike(run, sharing)) if run.state == "left"]
            return makespan([self._job(run) for run in runs], [], slots)

        most = min(machine.cores, len(self.left))
        return replace(machine, slots=choose_sharing(most, seconds) if most > 1 else 1)

    def _plan(self, estimate: Callable[[PlannedRun], Estimate]) -> list[PlannedRun]:
        return [self._as_it_stands(run) for run in plan_grid(self._opened, self.chosen, estimate)]

    def _alike(self, run: PlannedRun, sharing: Sharing) -> Estimate:
        """Estimate a run as if all had the GRU and the width of the first: enough to compare ways of sharing."""
        width = self.chosen.configurations()[0].hidden
        alike = replace(run, cell="gru", configuration=replace(run.configuration, hidden=width))
        return self._estimated(alike, sharing)

    def _estimated(self, run: PlannedRun, sharing: Sharing) -> Estimate:
        return self._calibration.estimate(
            sharing,
            run.model,
            run.data,
            (run.train_examples, run.dev_examples),
            run.configuration.epochs,
            round(GENERATED_SECONDS * int(self.song["sample_rate"])),
        )

    def _known(self) -> dict[str, Estimate]:
        """Give what was estimated before for this machine, shared like this, and this way of computing."""
        if self._before.get("sharing") != self.sharing.to_json():
            return {}
        return {
            run["name"]: Estimate(run["estimated_seconds"], run["estimated_sound_seconds"], run["slots"])
            for run in self._before["runs"]
            if run.get("execution") == self.chosen.execution.to_json()
            and isinstance(run["estimated_seconds"], float)
            and isinstance(run.get("estimated_sound_seconds"), float)
            and run.get("slots") in self.sharing.sizes()
        }

    def _as_it_stands(self, run: PlannedRun) -> PlannedRun:
        """Say of a run whether it is done; what is damaged or another's is left, and is named when it is its turn."""
        if run.state in ("left", "not chosen") and run.name not in self._done:
            self._done[run.name] = False
            with suppress(LongsongError):
                self._done[run.name] = self._is_done(run)
        return replace(run, state="done", reason="") if self._done.get(run.name) else run

    def _is_done(self, run: PlannedRun) -> bool:
        folder = self.out / run.name
        summary = read_summary(folder)
        if summary is None:
            return False
        config = run.config(self.song_folder, self.out, self.chosen.execution)
        record = read_record(folder)
        same = (record.song["digest"], record.model, record.training) == (
            self.song["digest"],
            config.model,
            config.training,
        )
        data = replace(config.data, train_samples=streams.train_samples(self.song["samples"]))
        whole = same and record.data == data and is_generated(folder, summary["best"]["epoch"])
        return whole and not damages(folder)

    @property
    def left(self) -> list[PlannedRun]:
        """The runs that are to be done."""
        return [run for run in self.runs if run.state == "left"]

    def seconds(self) -> float:
        """Give how long what is left is expected to take."""
        return makespan([self._job(run) for run in self.left], [], self.sharing.slots)

    def leave_out(self, budget: float) -> None:
        """Leave out what a budget, in seconds, is not enough for."""
        jobs = [self._job(run) for run in self.left]
        covers = {run.name: _covers(run) for run in self.left}
        chosen = {job.name for job in choose_within(jobs, covers, budget, self.sharing.slots, self._covered())}
        for index, run in enumerate(self.runs):
            if run.state == "left" and run.name not in chosen:
                self.runs[index] = replace(run, state="left out", reason=_not_within(budget))

    def outlook(self) -> list[str]:
        """Say what is to be done, on what, and how long that will take."""
        s, left = self.sharing, self.left
        done = sum(run.state == "done" for run in self.runs)
        about = f"; about {human_time(self.seconds())} for what is left" if left else ""
        lines = [f"{len(left)} runs left, {done} done{about}"]
        if left:
            threads = f"{s.threads(1)} of {s.cores} cores" if s.slots > 1 else f"{s.cores} cores"
            lines.append(
                f"{s.slots} side by side, each with {threads} and {human_bytes(s.memory_of(1))} of memory; "
                f"{human_bytes(self.bytes_needed())} on the disk"
            )
        return lines

    def _covered(self) -> frozenset[str]:
        return frozenset[str]().union(*(_covers(run) for run in self.runs if run.state == "done"))

    @staticmethod
    def _job(run: PlannedRun) -> Job:
        return Job(run.name, run.estimated_seconds or 0.0, run.slots)

    def bytes_needed(self) -> int:
        """Give the bytes that what is left takes on the disk."""
        return sum(self._bytes_needed(run) for run in self.left)

    def _bytes_needed(self, run: PlannedRun) -> int:
        parameters = Network(run.model, run.data.frame).size
        sound = 4 * round(GENERATED_SECONDS * int(self.song["sample_rate"]))  # as a wav, and in TensorBoard
        itemsize = DTYPES[self.chosen.execution.precision].itemsize
        return bytes_on_disk(parameters, itemsize, self._keep_checkpoints) + sound

    def require_space(self) -> None:
        """Raise SpaceError where the disk is too small for what is left."""
        require_space(self.out, self.bytes_needed())

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
        assignments = [self._assignment(run) for run in self.left]
        with Table(f"{self.song['name']}, {self.sharing.slots} side by side", quiet=quiet) as table:
            self._scheduler = Scheduler(
                assignments,
                self.pool,
                self.sharing.slots,
                on_change=lambda run: self._changed(run, table),
                on_lost=lambda run, log: self._lost(run, log, table),
                on_note=table.say,
                on_round=lambda: self._round(table),
                budget=budget,
                covered=self._covered(),
                alone=self.sharing.sizes()[-1],
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

    def _outcome(self, run: PlannedRun) -> dict[str, Any] | None:
        if run.name not in self._outcomes:
            self._outcomes[run.name] = _outcome(self.out / run.name)
        return self._outcomes[run.name]

    def _assignment(self, run: PlannedRun) -> Assignment:
        threads = self.sharing.threads(run.slots)
        share = replace(self.chosen.execution, threads=threads, memory=self.sharing.memory_of(run.slots))
        config = run.config(self.song_folder, self.out, share)
        return Assignment(
            run.name,
            RunTask(config, tuple(self.command), self._keep_checkpoints).to_json(),
            (run.estimated_seconds or 0.0) - (run.estimated_sound_seconds or 0.0),
            run.estimated_sound_seconds or 0.0,
            run.configuration.epochs * run.updates_per_epoch,
            run.slots,
            threads,
            _covers(run),
        )

    def _changed(self, live: Live, table: Table) -> None:
        self._settle()
        self._write("running")
        run = next(run for run in self.to_json("running")["runs"] if run["name"] == live.name)
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
        """Keep a failed run's log beside what it wrote."""
        path = self.out / live.name / LOG
        with suppress(LongsongError, OSError):
            path.parent.mkdir(exist_ok=True)
            write_text(path, log)
            live.reason += f" ({path})" if live.state == "failed" else ""
        if live.state == "left":
            table.say(f"{'again':<12}  {live.name:<24}  {live.reason}; it goes on from its last checkpoint")

    def _round(self, table: Table) -> None:
        now = time.monotonic()
        if now - self._written >= _SECONDS_BETWEEN_WRITINGS:
            self._write("running")
        table.show(self._last)

    def _settle(self, budget: float | None = None) -> None:
        """Take over what became of the runs; after a budget, what is left was left out."""
        lives = {live.name: live for live in (self._scheduler.runs if self._scheduler else [])}
        for index, run in enumerate(self.runs):
            live = lives.get(run.name)
            if live is None:
                continue
            if budget is not None and live.state == "left":
                self.runs[index] = replace(run, state="left out", reason=_not_within(budget))
            else:
                self.runs[index] = replace(run, state=live.state, reason=live.reason)

    def _write(self, state: str) -> None:
        """Write ``grid.json``: these runs, and those of earlier calls that this one did not plan."""
        self._last, self._written = self.to_json(state), time.monotonic()
        try:
            write_grid(self.out, self._last)
        except LongsongError as error:
            # What runs goes on: the disk may have room again before it ends.
            if not self._unwritten:
                self._say(f"{error}; the runs go on")
            self._unwritten = True
        else:
            self._unwritten = False

    def to_json(self, state: str) -> dict[str, Any]:
        """Give the grid as plain JSON values, as ``grid.json`` has it."""
        execution = self.chosen.execution.to_json()
        now, scheduler = time.monotonic(), self._scheduler
        lives = {live.name: live for live in (scheduler.runs if scheduler else [])}
        pace = scheduler.pace if scheduler else Pace()
        runs = []
        for run in self.runs:
            live = lives.get(run.name)
            more = {
                "execution": execution,
                "progress": None if live is None or not live.attempts else live.progress(pace, now),
                "outcome": self._outcome(run) if run.state == "done" else None,
            }
            runs.append(run.to_json(self.chosen.reported) | more)
        left = self.seconds() if scheduler is None else scheduler.seconds_left()
        return {
            "song": self.song,
            "profile": self.chosen.profile,
            "set": self.chosen.reported,
            "widths": list(dict.fromkeys(run.configuration.hidden for run in self.runs)),
            "command": self.command,
            "state": state,
            "updated": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds_left": round(left, 1) if state == "running" else None,
            "sharing": self.sharing.to_json(),
            "runs": runs + self.others,
        }


def _covers(run: PlannedRun) -> frozenset[str]:
    """Give what of the grid a run shows: itself, and its frame, length, width and cell."""
    c = run.configuration
    return frozenset({run.name, f"frame {c.frame}", f"seq {c.seq}", f"hidden {c.hidden}", run.cell})


def _not_within(budget: float) -> str:
    return f"not within the budget of {human_time(budget)}"


def _outcome(folder: Path) -> dict[str, Any] | None:
    """Give the cost of a run that is done, and of which split."""
    with suppress(LongsongError, KeyError, TypeError, ZeroDivisionError):
        summary = read_summary(folder)
        if summary is not None:
            dev = summary["best"]["dev_cost"]
            cost = summary["last_train_cost"] if dev is None else dev
            split = "train" if dev is None else "dev"
            return {"split": split, "cost": cost, "over_mean": cost / summary["cost_of_mean"]}
    return None
