"""The main job: a song in; every configuration that fits trained, generated from, audited and reported."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from longsong.audit.side_by_side import CELLS_FILE
from longsong.config import Device, ExecutionConfig
from longsong.errors import LongsongError
from longsong.experiments.cells import measure_cells
from longsong.experiments.golden_parity import write_golden_parity
from longsong.files import os_errors_named
from longsong.folder_lock import sole_owner
from longsong.grid import PROFILES, Choice, PlannedRun
from longsong.grid_plan import GridPlan
from longsong.grid_runs import GridRuns
from longsong.grid_table import format_table
from longsong.integrity import set_files_aside
from longsong.progress import print_line
from longsong.scheduling.device_service import device_service
from longsong.scheduling.pool import Pool
from longsong.scheduling.sharing import Sharing
from longsong.scheduling.workers import LocalWorkers, Workers
from longsong.training.device import available_threads, find_device
from longsong.training.forms import describe_fallback
from longsong.training.plan import choose_memory

if TYPE_CHECKING:
    from longsong.audit import Audit

__all__ = ["Outcome", "Resources", "default_folder", "plan", "prepare_song", "reproduce", "write_audit_and_report"]

_DEMO_SEED = 1


@dataclass(frozen=True)
class Resources:
    """What there is to run a grid on.

    Attributes
    ----------
    side_by_side : int or None
        How many runs go at once; None for as many as make all of them end sooner.
    budget : float or None
        Seconds that there are for runs: those are chosen that cover most of the grid. What has begun is ended.
    ray : str or None
        ``HOST:PORT`` of a Ray cluster to run on, or ``auto`` for the one that this machine belongs to
        (`longsong.scheduling.ray_workers`); None for this machine alone.
    storage : Path, str or None
        A URL or folder in which the nodes of the cluster keep runs; None where they all see the folder of all runs.
    """

    side_by_side: int | None = None
    budget: float | None = None
    ray: str | None = None
    storage: Path | str | None = None


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


def machine_here(execution: ExecutionConfig) -> Sharing:
    """Give what runs on this machine share: its cores, and three quarters of the memory that is free."""
    device = find_device(execution.device)
    kind: Device = "cuda" if device.type == "cuda" else "cpu"
    cores = available_threads()
    return Sharing(socket.gethostname(), kind, cores, choose_memory(execution.memory, device), cores)


@contextmanager
def _machine(
    song_folder: Path,
    out: Path,
    execution: ExecutionConfig,
    on: Resources,
    say: Callable[[str], None],
    *,
    on_start: Callable[[int], None] | None = None,
    dry_run: bool = False,
) -> Iterator[tuple[Sharing, Workers]]:
    """Give what there is to run on, and where its workers come from: this machine, or a Ray cluster."""
    if on.ray is None:
        here = machine_here(execution)
        if (fallback := describe_fallback(execution, find_device(execution.device))) is not None:
            say(fallback)
        with device_service(here.device, say, on_start) as environment:
            yield here, LocalWorkers(on_start, environment)
        return
    from longsong.scheduling.ray_workers import ray_workers

    there = ray_workers(on.ray, song_folder, out, execution.device, storage=on.storage, say=say, dry_run=dry_run)
    with there as workers:
        yield workers.machine, workers


def plan(
    song_folder: Path, chosen: Choice, out: Path, on: Resources, *, say: Callable[[str], None] = print_line
) -> None:
    """Say what `reproduce` would do, and do nothing.

    Parameters
    ----------
    song_folder, chosen, out, on, say
        As for `reproduce`.

    Raises
    ------
    SpaceError
        The disk is too small for it; all is said before.
    RunError
        As of `reproduce`.
    """
    there = _machine(song_folder, out, chosen.execution, on, say, dry_run=True)
    with there as (machine, workers), Pool(workers) as pool:
        planned = GridPlan(song_folder, chosen, out, pool, say=say)
        planned.estimate(machine, on.side_by_side)
    if on.budget is not None:
        planned.leave_out(on.budget)
    say(format_table(planned.to_json("planned")))
    for line in planned.outlook():
        say(line)
    planned.require_space()


def reproduce(
    song_folder: Path,
    chosen: Choice,
    out: Path,
    on: Resources,
    *,
    keep_checkpoints: int = 1,
    command: Sequence[str] = (),
    say: Callable[[str], None] = print_line,
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
    on : Resources
        What there is to run on.
    keep_checkpoints : int
        How many of the newest stay of a run while it trains.
    command : sequence of str
        The words of the command that asks for it.
    say : callable
        Takes lines.
    quiet : bool
        Show no table while it runs.

    Raises
    ------
    RunError
        `out` holds runs of another song; there is no such cluster, or a node of it does not see what it needs.
    BusyError
        Another process works on `out`.
    SpaceError
        The disk is too small for what is left, with the bytes needed and free.
    KeyboardInterrupt
        Stopped by the user; started again, it goes on.
    """
    from longsong.audit import audit

    with (
        sole_owner(out) as lock,
        _machine(song_folder, out, chosen.execution, on, say, on_start=lock.add_worker) as (machine, workers),
        Pool(workers) as pool,
    ):
        for aside in set_files_aside(out):
            say(f"damaged: {aside}")
        planned = GridPlan(song_folder, chosen, out, pool, keep_checkpoints=keep_checkpoints, say=say)
        planned.remove_older_checkpoints()
        if on.budget is None:  # what is run within one is known only when all is estimated
            planned.require_space()
        planned.estimate(machine, on.side_by_side)
        planned.require_space(on.budget)
        compared = any(run.group == "comparison" for run in planned.left)
        for line in planned.outlook(on.budget):
            say(line)
        GridRuns(planned, pool, command=command, say=say).run(budget=on.budget, quiet=quiet)
        say(format_table(planned.to_json("complete")))
        if compared or not (out / CELLS_FILE).exists():
            with suppress(LongsongError):  # where there is nothing to compare, the audit says so
                measure_cells(out, quiet=quiet)
        write_golden_parity(out, command=command, quiet=quiet)
        return Outcome(planned.runs, write_audit_and_report(out, audit(out)))


def write_audit_and_report(out: Path, audited: Audit) -> Path:
    """Write ``audit.json`` and the page of the runs in the folder `out`; gives the page's path."""
    from longsong.audit import write_audit
    from longsong.report import write_report

    write_audit(audited, out / "audit.json")
    return write_report(out, audited)
