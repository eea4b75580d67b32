"""What happens to machines, done on purpose: processes killed, memory and disks full, files cut short."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from longsong.folder_lock import LOCK

__all__ = ["FAULTS", "Victim", "small_disk", "without_override"]

_MOST_SECONDS = 2.0  # that a disk is full or a folder closed


@dataclass
class Victim:
    """A scheduler, its workers and its folder.

    Attributes
    ----------
    process : Popen
        The scheduler.
    folder : Path
        Of the runs.
    disk : Path or None
        The small disk that the folder is on; None where it is on a large one.
    random : Random
        What decides.
    """

    process: subprocess.Popen[bytes]
    folder: Path
    disk: Path | None
    random: random.Random

    def workers(self) -> list[psutil.Process]:
        """Give the worker processes."""
        try:
            return psutil.Process(self.process.pid).children()
        except psutil.Error:
            return []

    def files(self) -> list[Path]:
        """Give the files in its folder."""
        found = []
        for folder, _, names in os.walk(self.folder):
            found += [Path(folder, name) for name in sorted(names) if name != LOCK and not name.endswith(".part")]
        return sorted(found)

    def pause(self) -> None:
        """Wait for a random while."""
        time.sleep(self.random.uniform(0.1, _MOST_SECONDS))


def _kill_worker(victim: Victim) -> str | None:
    return _signal_worker(victim, stopped=False)


def _stop_and_kill_worker(victim: Victim) -> str | None:
    return _signal_worker(victim, stopped=True)


def _signal_worker(victim: Victim, *, stopped: bool) -> str | None:
    workers = victim.workers()
    if not workers:
        return None
    worker = victim.random.choice(workers)
    with contextlib.suppress(psutil.Error):
        if stopped:
            worker.suspend()
            victim.pause()
        worker.kill()
    return f"worker {worker.pid}"


def _take_memory(victim: Victim) -> str | None:
    """Let a worker have no more memory than it has, for a while."""
    workers = victim.workers()
    if not workers:
        return None
    worker = victim.random.choice(workers)
    with contextlib.suppress(psutil.Error):
        before = worker.rlimit(psutil.RLIMIT_AS)
        worker.rlimit(psutil.RLIMIT_AS, (worker.memory_info().vms, before[1]))
        try:
            victim.pause()
        finally:
            worker.rlimit(psutil.RLIMIT_AS, before)
    return f"worker {worker.pid}"


def _kill_scheduler(victim: Victim) -> str | None:
    victim.process.kill()
    return f"scheduler {victim.process.pid}"


def _stop_and_kill_scheduler(victim: Victim) -> str | None:
    victim.process.send_signal(signal.SIGSTOP)
    victim.pause()
    return _kill_scheduler(victim)


def _interrupt(victim: Victim) -> str | None:
    victim.process.send_signal(signal.SIGINT)
    return f"scheduler {victim.process.pid}"


def _interrupt_twice(victim: Victim) -> str | None:
    _interrupt(victim)
    victim.pause()
    return _interrupt(victim)


def _fill_disk(victim: Victim) -> str | None:
    if victim.disk is None:
        return None
    ballast = victim.disk / "ballast"
    free = os.statvfs(victim.disk)
    try:
        with ballast.open("wb") as file, contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize))
        victim.pause()
    finally:
        ballast.unlink(missing_ok=True)
    return str(victim.disk)


def _close_folder(victim: Victim) -> str | None:
    folders = sorted({path.parent for path in victim.files()})
    if not folders:
        return None
    folder = victim.random.choice(folders)
    with contextlib.suppress(OSError):  # it may be gone by now
        mode = folder.stat().st_mode
        folder.chmod(0o500)
        try:
            victim.pause()
        finally:
            folder.chmod(mode)
    return str(folder.relative_to(victim.folder))


def _truncate(victim: Victim) -> str | None:
    files = victim.files()
    if not files:
        return None
    path = victim.random.choice(files)
    with contextlib.suppress(OSError):
        size = path.stat().st_size
        os.truncate(path, victim.random.randrange(max(1, size)))
    return str(path.relative_to(victim.folder))


FAULTS: dict[str, Callable[[Victim], str | None]] = {
    "worker killed": _kill_worker,
    "worker stopped, then killed": _stop_and_kill_worker,
    "scheduler killed": _kill_scheduler,
    "scheduler stopped, then killed": _stop_and_kill_scheduler,
    "Ctrl-C": _interrupt,
    "Ctrl-C twice": _interrupt_twice,
    "no more memory": _take_memory,
    "disk full": _fill_disk,
    "folder closed": _close_folder,
    "file cut short": _truncate,
}
"""Each does its worst and gives what it was done to; None where there was nothing to do it to."""


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path | None]:
    """Give a disk of `size` bytes in memory, mounted on `folder`; None where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False
        )
    except OSError:  # no such command
        done = None
    if done is None or done.returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def without_override() -> list[str]:
    """Give the words before a command that has it ask for permissions, though it is root's."""
    if os.geteuid():
        return []
    words = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"]
    try:
        done = subprocess.run([*words, "true"], capture_output=True, check=False)
    except OSError:
        return []
    return [] if done.returncode else words
