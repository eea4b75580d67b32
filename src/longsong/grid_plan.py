"""The runs of one call of `longsong reproduce`, planned: what is done of them, what is left, and what that takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import streams
from longsong.cost_model import SongSize, Workload
from longsong.errors import ConfigError, LongsongError, RunError
from longsong.estimate import Estimate
from longsong.generating import GENERATED_SECONDS
from longsong.grid import Choice, PlannedRun, State, plan_grid
from longsong.grid_done import is_done, outcome_of
from longsong.grid_file import GRID, read_grid
from longsong.progress import print_line
from longsong.scheduling.calibration import Calibration
from longsong.scheduling.order import Job, choose_within, makespan
from longsong.scheduling.pool import Pool
from longsong.scheduling.sharing import Sharing, choose_sharing
from longsong.space import bytes_of, fits, require_space
from longsong.training.checkpoint_files import remove_older
from longsong.training.record import read_record
from longsong.units import human_bytes, human_time

__all__ = ["GridPlan", "covers"]

_ALONE = Sharing("", "cpu", 1, 1, 1)  # until it is known how a machine is shared


class GridPlan:
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
        Whose workers measure what is not known.
    keep_checkpoints : int
        How many of the newest stay of a run while it trains.
    say : callable
        Takes lines.

    Attributes
    ----------
    runs : list of PlannedRun
        What this call plans, with the state that each is in.
    sharing : Sharing
        How the machine is divided.
    song : dict
        Of the song: name, shards, digest, samples, sample_rate.

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
        keep_checkpoints: int = 1,
        say: Callable[[str], None] = print_line,
    ) -> None:
        self.song_folder, self.chosen, self.out = song_folder, chosen, out
        self.keep_checkpoints = keep_checkpoints
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
        self._pool, self._calibration = pool, Calibration(pool, chosen.execution, say)
        self._done: dict[str, bool] = {}
        self._precisions: dict[str, str] = {}  # of runs that have begun
        self._outcomes: dict[str, dict[str, Any] | None] = {}
        self._before = self._read_before()
        self.runs = self._plan(lambda run: Estimate(0.0, 0.0))
        self.sharing = _ALONE

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
        # Those that measured other ways of sharing would keep their memory to the end.
        self._pool.keep_only({self.sharing.threads(slots) for slots in self.sharing.sizes()})
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
        if isinstance(self._before.get("sharing"), dict):
            kept = type(machine).from_json(self._before["sharing"])
            # What a run began with it keeps; on another machine all is measured anew.
            as_before = replace(kept, memory=0, slots=0) == replace(machine, memory=0, slots=0)
            if as_before and side_by_side in (None, kept.slots):
                return kept
        if side_by_side is not None:
            return replace(machine, slots=side_by_side)

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
                self._precisions[run.name] = read_record(self.out / run.name).execution.precision
                config = run.config(self.song_folder, self.out, self.chosen.execution)
                self._done[run.name] = is_done(self.out / run.name, config, self.song)
        return replace(run, state="done", reason="") if self._done.get(run.name) else run

    @property
    def left(self) -> list[PlannedRun]:
        """The runs that are to be done."""
        return [run for run in self.runs if run.state == "left"]

    def seconds(self) -> float:
        """Give how long what is left is expected to take."""
        return makespan([self._job(run) for run in self.left], [], self.sharing.slots)

    def leave_out(self, budget: float) -> None:
        """Leave out what a budget, in seconds, is not enough for."""
        chosen = self._within(budget)
        for index, run in enumerate(self.runs):
            if run.state == "left" and run not in chosen:
                self.runs[index] = replace(run, state="left out", reason=_not_within(budget))

    def _within(self, budget: float | None) -> list[PlannedRun]:
        """Give the runs that are left and that a budget, in seconds, is enough for; all of them without one."""
        if budget is None:
            return self.left
        jobs = [self._job(run) for run in self.left]
        shown = {run.name: covers(run) for run in self.left}
        chosen = {job.name for job in choose_within(jobs, shown, budget, self.sharing.slots, self.covered())}
        return [run for run in self.left if run.name in chosen]

    def outlook(self, budget: float | None = None) -> list[str]:
        """Say what is to be done, on what, and how long that will take; its space, of what a budget is enough for."""
        s, left = self.sharing, self.left
        done = sum(run.state == "done" for run in self.runs)
        about = f"; about {human_time(self.seconds())} for what is left" if left else ""
        lines = [f"{len(left)} runs left, {done} done{about}"]
        asked = self.chosen.execution.precision
        if others := sorted({kept for kept in self._precisions.values() if kept != asked}):
            count = sum(kept != asked for kept in self._precisions.values())
            lines.append(
                f"{count} of the runs were begun in {' and '.join(others)}, and keep that; for {asked} give another "
                "--out"
            )
        if left:
            threads = f"{s.threads(1)} of {s.cores} cores" if s.slots > 1 else f"{s.cores} cores"
            lines.append(
                f"{s.slots} side by side, each with {threads} and {human_bytes(s.memory_of(1))} of memory; "
                f"{human_bytes(self.bytes_needed(budget))} on the disk"
            )
        return lines

    def covered(self) -> frozenset[str]:
        """Give what of the grid the runs that are done show."""
        return frozenset[str]().union(*(covers(run) for run in self.runs if run.state == "done"))

    @staticmethod
    def _job(run: PlannedRun) -> Job:
        return Job(run.name, run.estimated_seconds or 0.0, run.slots)

    def bytes_needed(self, budget: float | None = None) -> int:
        """Give the bytes that what is left takes on the disk, beside what it has there already.

        Parameters
        ----------
        budget : float or None
            Seconds that there are for it: what they are not enough for takes nothing.
        """
        return sum(self._bytes_needed(run) for run in self._within(budget))

    def _bytes_needed(self, run: PlannedRun) -> int:
        song = SongSize(self.song["samples"], self.song["sample_rate"])
        examples = (run.train_examples, run.dev_examples)
        load = Workload.of(song, run.data, run.model, run.configuration.epochs, *examples)
        there = bytes_of(self.out / run.name)
        return max(0, load.disk_bytes(self.chosen.execution, self.keep_checkpoints) - there)

    def has_room(self) -> bool:
        """Say whether the disk has room for one of the runs that are not done."""
        needed = [self._bytes_needed(run) for run in self.runs if run.state in ("left", "running")]
        return not needed or fits(self.out, min(needed))

    def require_space(self, budget: float | None = None) -> None:
        """Raise SpaceError where the disk is too small for what is left, and a budget in seconds is enough for."""
        require_space(self.out, self.bytes_needed(budget))

    def remove_older_checkpoints(self) -> None:
        """Remove those that a run that is done has left, because they could not be removed when it ended."""
        for run in self.runs:
            if run.state == "done":
                remove_older(self.out / run.name / "checkpoints", 1)

    def settle(self, states: Mapping[str, tuple[State, str]], budget: float | None = None) -> None:
        """Take over what became of the runs.

        Parameters
        ----------
        states : mapping of str to tuple of str
            The state and its reason, by the run's name; others stay as they are.
        budget : float or None
            Seconds that there were; what is left after them was left out.
        """
        for index, run in enumerate(self.runs):
            if run.name not in states:
                continue
            state, reason = states[run.name]
            if budget is not None and state == "left":
                state, reason = "left out", _not_within(budget)
            self.runs[index] = replace(run, state=state, reason=reason)

    def to_json(
        self,
        state: str,
        *,
        command: Sequence[str] = (),
        progress: Mapping[str, Any] | None = None,
        seconds_left: float | None = None,
    ) -> dict[str, Any]:
        """Give the grid as plain JSON values, as ``grid.json`` has it.

        Parameters
        ----------
        state : str
            ``planned``, ``running``, ``stopped`` or ``complete``.
        command : sequence of str
            The words of the command that asked for it.
        progress : mapping of str to dict, optional
            Of the runs that were begun, by name.
        seconds_left : float, optional
            Until all is done.
        """
        execution, progress = self.chosen.execution.to_json(), progress or {}
        runs = [
            run.to_json(self.chosen.reported)
            | {
                "execution": execution | {"precision": self._precisions.get(run.name, execution["precision"])},
                "progress": progress.get(run.name),
                "outcome": self._outcome(run) if run.state == "done" else None,
            }
            for run in self.runs
        ]
        planned = {run.name for run in self.runs}
        # Of earlier calls; once each, whatever that call had written.
        before = {run["name"]: run for run in self._before.get("runs", [])}
        others = [run for name, run in before.items() if name not in planned]
        return {
            "song": self.song,
            "profile": self.chosen.profile,
            "set": self.chosen.reported,
            "widths": list(dict.fromkeys(run.configuration.hidden for run in self.runs)),
            "command": list(command),
            "state": state,
            "updated": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds_left": None if seconds_left is None else round(seconds_left, 1),
            "sharing": self.sharing.to_json(),
            "runs": runs + others,
        }

    def _outcome(self, run: PlannedRun) -> dict[str, Any] | None:
        if run.name not in self._outcomes:
            self._outcomes[run.name] = outcome_of(self.out / run.name)
        return self._outcomes[run.name]


def covers(run: PlannedRun) -> frozenset[str]:
    """Give what of the grid a run shows: itself, and its frame, length, width and cell."""
    c = run.configuration
    return frozenset({run.name, f"frame {c.frame}", f"seq {c.seq}", f"hidden {c.hidden}", run.cell})


def _not_within(budget: float) -> str:
    return f"not within the budget of {human_time(budget)}"
