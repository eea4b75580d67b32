"""The main job: a song in; every configuration that fits trained, generated from, audited and reported."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streams
from longsong.audit.side_by_side import CELLS_FILE
from longsong.errors import LongsongError, RunError
from longsong.experiments.cells import measure_cells
from longsong.files import os_errors_named, read_json, write_json, write_text
from longsong.generated import generate_into, is_generated
from longsong.generating import GENERATED_SECONDS
from longsong.grid import PROFILES, Choice, PlannedRun, plan_grid
from longsong.judging import judge_run
from longsong.model import Network
from longsong.runs import load_run
from longsong.space import require_space
from longsong.training import train
from longsong.training.device import DTYPES
from longsong.training.plan import bytes_on_disk
from longsong.training.record import LOG, read_record, read_summary
from longsong.units import human_time

if TYPE_CHECKING:
    from longsong.audit import Audit

__all__ = ["Outcome", "default_folder", "prepare_song", "reproduce", "write_audit_and_report"]

_FORMAT, _VERSION = "longsong.grid", 1
_DEMO_SEED = 1
_TRUST_IN_ESTIMATES = 60.0  # seconds of runs after which what they took counts as much as the estimates


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes
    ----------
    runs : list of PlannedRun
        With the state that they ended in.
    page : Path
        The report.
    """

    runs: list[PlannedRun]
    page: Path

    @property
    def failed(self) -> list[PlannedRun]:
        """The runs that failed."""
        return [run for run in self.runs if run.state == "failed"]


def prepare_song(
    files: Sequence[Path], profile: str, seconds: float | None, shards: Path, *, quiet: bool = False
) -> Path:
    """Give the folder of the shards of a song, after making them where they are not there yet.

    Parameters
    ----------
    files : sequence of Path
        The song's files in order; none for the embedded demo song.
    profile : str
        A key of `longsong.grid.PROFILES`, for the length where `seconds` is None.
    seconds : float or None
        How much of the song to take, from its start.
    shards : Path
        The folder that holds all songs' shards.
    quiet : bool
        Report no progress.
    """
    from longsong.demo_song import write_demo_song
    from longsong.shard import shard_song

    if seconds is None and not (files and PROFILES[profile].whole_song):
        seconds = PROFILES[profile].seconds
    length = "" if seconds is None else f"-{seconds:g}s"
    if files:
        stem = files[0].stem if len(files) == 1 else f"{files[0].stem}-and-{len(files) - 1}-more"
        return shard_song(files, shards / f"{stem}{length}", seconds=seconds, quiet=quiet)
    wav = shards / f"demo-song{length}.wav"
    if not wav.exists():
        with os_errors_named(shards):
            shards.mkdir(parents=True, exist_ok=True)
        length_in_seconds = PROFILES[profile].seconds if seconds is None else seconds
        write_demo_song(wav, length_in_seconds, _DEMO_SEED, quiet=quiet)
    return shard_song([wav], shards / wav.stem, quiet=quiet)


def default_folder(song_folder: Path, *, given: bool) -> Path:
    """Give the folder for the runs of a song: ``runs`` for the demo's own song, ``runs/SONG`` for any other."""
    own = not given and song_folder.name == f"demo-song-{PROFILES['demo'].seconds:g}s"
    return Path("runs") if own else Path("runs") / song_folder.name


def reproduce(
    song_folder: Path,
    chosen: Choice,
    out: Path,
    *,
    command: Sequence[str] = (),
    say: Callable[[str], None] = print,
    quiet: bool = False,
) -> Outcome:
    """Run what is left of the grid, then audit and report.

    Parameters
    ----------
    song_folder : Path
        The song's shards.
    chosen : Choice
        What to run.
    out : Path
        The folder of all runs.
    command : sequence of str
        The words of the command that asks for it.
    say : callable
        Takes the lines of the table.
    quiet : bool
        Show no progress of single runs.

    Raises
    ------
    RunError
        `out` holds runs of another song.
    SpaceError
        The disk is too small for what is left, with the bytes needed and free.
    KeyboardInterrupt
        Stopped by the user; started again, it goes on.
    """
    from longsong.audit import audit

    grid = _Grid(song_folder, chosen, out, command, say, quiet)
    compared = grid.run()
    say(grid.table())
    if compared or not (out / CELLS_FILE).exists():
        with suppress(LongsongError):  # where there is nothing to compare, the audit says so
            measure_cells(out, quiet=quiet)
    return Outcome(grid.runs, write_audit_and_report(out, audit(out)))


def write_audit_and_report(out: Path, audited: Audit) -> Path:
    """Write ``audit.json`` and the page of the runs in the folder `out`; gives the page's path."""
    from longsong.audit import write_audit
    from longsong.report import write_report

    write_audit(audited, out / "audit.json")
    return write_report(out, audited)


class _Grid:
    """The runs of one call."""

    def __init__(
        self,
        song_folder: Path,
        chosen: Choice,
        out: Path,
        command: Sequence[str],
        say: Callable[[str], None],
        quiet: bool,
    ) -> None:
        self.song_folder, self.chosen, self.out = song_folder, chosen, out
        self.command, self.say, self.quiet = list(command), say, quiet
        song = streams.Song.open(song_folder)
        self.song: dict[str, Any] = {
            "name": song_folder.resolve().name,
            "shards": str(song_folder),
            "digest": song.digest,
            "samples": len(song),
            "sample_rate": song.sample_rate,
        }
        before = self._before()
        # What was estimated for another device or precision says nothing here.
        seconds = {
            run["name"]: run["estimated_seconds"]
            for run in before
            if run.get("execution") == chosen.execution.to_json()
        }
        say(f"{song_folder}: {human_time(len(song) / song.sample_rate)} of song at {song.sample_rate:,} Hz")
        self.runs = [self._as_it_stands(run) for run in plan_grid(song, chosen, seconds.get)]
        planned = {run.name for run in self.runs}
        self.others = [run for run in before if run["name"] not in planned]

    def _before(self) -> list[dict[str, Any]]:
        """Give the runs of an earlier ``grid.json``, if there is one, after a look at its song."""
        path = self.out / "grid.json"
        if not path.exists():
            return []
        found = read_json(path, _FORMAT, _VERSION)
        try:
            name, digest = found["song"]["name"], found["song"]["digest"]
            runs = [dict(run) for run in found["runs"] if (run["name"], run["estimated_seconds"])]
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{path} is altered ({error!r}); remove it and start again") from error
        if digest != self.song["digest"]:
            raise RunError(f"{self.out} holds runs of another song ({name}); give another --out, or remove that folder")
        return runs

    def _as_it_stands(self, run: PlannedRun) -> PlannedRun:
        """Say of a run whether it is done; what is damaged or another's is left, and is named when it is its turn."""
        done = False
        if run.state in ("left", "not chosen"):
            with suppress(LongsongError):
                done = self._is_done(run)
        return replace(run, state="done", reason="") if done else run

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
        return same and record.data == data and is_generated(folder, summary["best"]["epoch"])

    def run(self) -> bool:
        """Do all that is left, one after the other; a run that fails stops no other.

        Returns
        -------
        bool
            Whether there was a run among it that cells are compared by.
        """
        left = [index for index, run in enumerate(self.runs) if run.state == "left"]
        require_space(self.out, sum(self._bytes_needed(self.runs[index]) for index in left))
        self._write()
        done = sum(run.state == "done" for run in self.runs)
        seconds = sum(self.runs[index].estimated_seconds or 0.0 for index in left)
        about = f"; about {human_time(seconds)} for what is left" if left else ""
        self.say(f"{len(left)} runs left, {done} done{about}")
        spent = expected = 0.0
        for number, index in enumerate(left):
            run = self.runs[index]
            started = time.monotonic()
            self.runs[index] = replace(run, state="running")
            self.say(f"{'running':<12}  {run.name:<24}  about {human_time(run.estimated_seconds or 0.0)}")
            self._write()
            try:
                self._one(run, f"run {number + 1} of {len(left)}: {run.name}")
                self.runs[index] = replace(run, state="done")
            except Exception as error:  # whatever it was: it is kept in the run's log, and reported at the end
                self.runs[index] = replace(run, state="failed", reason=self._keep_log(run, error))
            took = time.monotonic() - started
            spent, expected = spent + took, expected + (run.estimated_seconds or 0.0)
            rest = [self.runs[i].estimated_seconds or 0.0 for i in left[number + 1 :]]
            # What is done tells how far the estimates are off, the more of it there is.
            slower = (spent + _TRUST_IN_ESTIMATES) / (expected + _TRUST_IN_ESTIMATES)
            time_left = human_time(sum(rest) * slower)
            after = f"{len(rest)} left, about {time_left}" if rest else "none left"
            self.say(f"{self._line(self.runs[index])}  |  took {human_time(took)}, {after}")
            self._write()
        return any(self.runs[index].group == "comparison" for index in left)

    def _bytes_needed(self, run: PlannedRun) -> int:
        config = run.config(self.song_folder, self.out, self.chosen.execution)
        parameters = Network(config.model, config.data.frame).size
        sound = 4 * round(GENERATED_SECONDS * int(self.song["sample_rate"]))  # as a wav, and in TensorBoard
        return bytes_on_disk(parameters, DTYPES[config.execution.precision].itemsize) + sound

    def _one(self, run: PlannedRun, label: str) -> None:
        config = run.config(self.song_folder, self.out, self.chosen.execution)
        folder = train(config, command=self.command, quiet=self.quiet, label=label)
        loaded = load_run(folder)
        if not is_generated(folder, loaded.epoch):
            generate_into(loaded, quiet=self.quiet, label=f"{label}, generating")
        judge_run(loaded)
        (folder / LOG).unlink(missing_ok=True)  # of an earlier start that failed

    def _keep_log(self, run: PlannedRun, error: Exception) -> str:
        """Keep a failed run's traceback beside what it wrote; gives the reason in one line."""
        folder = self.out / run.name
        log = folder / LOG
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(log, "".join(traceback.format_exception(error)))
        except (LongsongError, OSError):
            return str(error)
        return f"{error} ({log})"

    def _line(self, run: PlannedRun) -> str:
        """Give a run's line of the table: its state, and what came of it."""
        summary = read_summary(self.out / run.name) if run.state == "done" else None
        outcome = run.reason
        if summary is not None:
            cost = summary["best"]["dev_cost"]
            which = "dev" if cost is not None else "train"
            cost = summary["last_train_cost"] if cost is None else cost
            outcome = f"{which} cost {cost:.5f}, {cost / summary['cost_of_mean']:.3f} of predicting the mean"
        return f"{run.state:<12}  {run.name:<24}  {outcome}"

    def table(self) -> str:
        """Give the whole table: done, failed, left, and why what is not run is not."""
        lines = []
        for run in self.runs:
            line = self._line(run)
            if run.state in ("not chosen", "left") and run.estimated_seconds is not None:
                line += f"{'; ' if run.reason else ''}about {human_time(run.estimated_seconds)} here"
            lines.append(line)
        return "\n".join(lines)

    def _write(self) -> None:
        """Write ``grid.json``: these runs, and those of earlier calls that this one did not plan."""
        with os_errors_named(self.out):
            self.out.mkdir(parents=True, exist_ok=True)
        write_json(
            self.out / "grid.json",
            {
                "format": _FORMAT,
                "version": _VERSION,
                "song": self.song,
                "profile": self.chosen.profile,
                "set": self.chosen.reported,
                "widths": list(dict.fromkeys(run.configuration.hidden for run in self.runs)),
                "command": self.command,
                "runs": [
                    run.to_json(self.chosen.reported) | {"execution": self.chosen.execution.to_json()}
                    for run in self.runs
                ]
                + self.others,
            },
        )
