"""One `longsong reproduce` at a time works on a folder of runs, and the second can say who has it."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from longsong.errors import BusyError
from longsong.files import os_errors_named
from streams.file_locks import same_file, try_lock, unlock_and_close

if TYPE_CHECKING:
    import psutil

__all__ = ["LOCK", "FolderLock", "Owner", "owner_of", "sole_owner"]

LOCK = ".longsong-lock"
_BYTES, _MOST_BYTES = 4096, 1 << 20  # that are taken at the start, and are read
_SECONDS_TO_STOP = 30.0
_WORKERS = {"longsong.scheduling.worker", "nvidia-cuda-mps-control"}  # among the words by which each was started
_DIGITS_OF_PID = 10


@dataclass(frozen=True)
class Owner:
    """Who works on a folder.

    Attributes
    ----------
    pid : int
    host : str
    since : str
        When it began, in UTC.
    started : float
        When its process did, in seconds since 1970: pids are used again.
    """

    pid: int
    host: str
    since: str
    started: float

    @classmethod
    def myself(cls) -> Owner:
        """Give this process."""
        return cls(os.getpid(), socket.gethostname(), datetime.now(UTC).isoformat(timespec="seconds"), _started())

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


class FolderLock:
    """The lock on a folder, while it is held."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._owner = Owner.myself()
        self._workers: dict[int, float] = {}
        self._write()

    def add_worker(self, pid: int) -> None:
        """Note a process that is to end with this one: who comes next ends it, should it be stopped for ever."""
        self._workers[pid] = _started(pid)
        self._write()

    def _write(self) -> None:
        text = json.dumps({"owner": asdict(self._owner), "workers": self._workers}).encode()
        # In place: the lock is on this very file. Over what was there, so that a full disk has room for it; where it
        # has not, who comes next knows less of what is left, and no more comes of it.
        with suppress(OSError):
            os.pwrite(self._file, text.ljust(max(_BYTES, os.fstat(self._file).st_size)), 0)


@contextmanager
def sole_owner(folder: Path) -> Iterator[FolderLock]:
    """Work on a folder in this block, and nowhere else; it is made where it is not there.

    The lock ends with its process, however that ends. What is left then of its workers is ended, so that they hold
    nothing any more; of the processes that the file names, only those of this user that are workers. Where the file
    system has no locks, the process that is named in the file is looked for.

    Raises
    ------
    BusyError
        Another process works on it: which, where and since when.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    with os_errors_named(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = _locked(folder)
    try:
        for pid, started in _left_by(file).items():
            _end(pid, started)
        yield FolderLock(file)
    finally:
        # Under the lock, so that nobody takes a file that bears the name no more.
        with suppress(OSError):
            (folder / LOCK).unlink()
        for place in made:
            with suppress(OSError):
                place.rmdir()  # where nothing was written into it
        unlock_and_close(file)


def owner_of(folder: Path) -> Owner | None:
    """Say who works on a folder now; None where nobody does, or who did is dead."""
    try:
        file = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        owner = _owner(file)
        try:
            free = try_lock(file, exclusive=False)
        except OSError:
            free = owner is None or not _lives(owner)
        return None if free else owner
    finally:
        os.close(file)


def _locked(folder: Path) -> int:
    path = folder / LOCK
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            mine = try_lock(file, exclusive=True)
        except OSError:  # a file system without locks
            owner = _owner(file)
            mine = owner is None or not _lives(owner)
        if not mine:
            owner = _owner(file)
            os.close(file)
            who = "another process" if owner is None else str(owner)
            raise BusyError(f"{who} works on {folder}; wait for it, stop it, or give another --out")
        if same_file(file, path):
            return file
        os.close(file)  # it was removed by its owner before we had the lock


def _read(file: int) -> Mapping[str, object]:
    try:
        found = json.loads(os.pread(file, _MOST_BYTES, 0))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _owner(file: int) -> Owner | None:
    found = _read(file).get("owner")
    if not isinstance(found, dict):
        return None
    try:
        owner = Owner(**found)
    except TypeError:
        return None
    named = isinstance(owner.host, str) and isinstance(owner.since, str)
    return owner if named and isinstance(owner.pid, int) and isinstance(owner.started, float) else None


def _left_by(file: int) -> dict[int, float]:
    """Give the workers of the owner before, where that was on this machine."""
    owner, found = _owner(file), _read(file).get("workers")
    if owner is None or owner.host != socket.gethostname() or not isinstance(found, dict):
        return {}
    return {int(pid): at for pid, at in found.items() if _names_pid(pid) and isinstance(at, float)}


def _names_pid(text: str) -> bool:
    """Say whether a text is a pid as it is written: so each is named once."""
    digits = text.isascii() and text.isdigit() and len(text) <= _DIGITS_OF_PID
    return digits and not text.startswith("0")


def _lives(owner: Owner) -> bool:
    """Say whether the owner's process is there; of another machine's nobody knows, and it is taken to be."""
    return owner.host != socket.gethostname() or _is(owner.pid, owner.started)


def _is(pid: int, started: float) -> bool:
    return 0 < pid < 1 << 31 and abs(_started(pid) - started) < 1.0


def _started(pid: int | None = None) -> float:
    """Give when a process began, in seconds since 1970; -1 where there is none."""
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return -1.0


def _end(pid: int, started: float) -> None:
    """End a worker that its scheduler has left behind: by itself if it can, else at once."""
    import psutil

    with suppress(psutil.Error):
        if not _is(pid, started) or not _is_own_worker(process := psutil.Process(pid)):
            return
        if process.status() != psutil.STATUS_STOPPED:
            process.terminate()
            until = time.monotonic() + _SECONDS_TO_STOP
            while time.monotonic() < until and _is(pid, started) and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.1)
        process.kill()
        with suppress(psutil.TimeoutExpired):
            process.wait(timeout=_SECONDS_TO_STOP)


def _is_own_worker(process: psutil.Process) -> bool:
    """Say whether a process is a worker of this user, or what its workers share a device by."""
    own = process.uids().real == os.getuid()
    return own and any(Path(word).name in _WORKERS for word in process.cmdline())
