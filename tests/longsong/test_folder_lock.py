"""One at a time works on a folder of runs."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from longsong import folder_lock
from longsong.errors import BusyError
from longsong.folder_lock import Owner, owner_of, sole_owner
from longsong.scheduling.workers import LocalWorker

SLEEPS = [sys.executable, "-c", "import time; time.sleep(1000)"]
WORKER = [*SLEEPS, "longsong.scheduling.worker"]


def test_the_second_says_who_has_it(tmp_path):
    with sole_owner(tmp_path / "runs"):
        (tmp_path / "runs/kept").touch()
        named = rf"process {os.getpid()} on .*, since 20\d\d-.* works on {tmp_path}/runs"
        with pytest.raises(BusyError, match=named), sole_owner(tmp_path / "runs"):
            pass
        assert owner_of(tmp_path / "runs").pid == os.getpid()
    assert owner_of(tmp_path / "runs") is None
    with sole_owner(tmp_path / "runs"):
        pass
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["kept"]


def test_a_folder_in_which_nothing_came_to_be_is_gone_again(tmp_path):
    with sole_owner(tmp_path / "a/b"):
        assert owner_of(tmp_path / "a/b") is not None
    assert list(tmp_path.iterdir()) == []
    assert owner_of(tmp_path / "a/b") is None


def no_locks(file: int, *, exclusive: bool) -> bool:
    raise OSError(errno.ENOLCK, "no locks")


@contextmanager
def process(command: list[str]) -> Iterator[subprocess.Popen]:
    """Have a process for this block."""
    with subprocess.Popen(command) as started:
        try:
            yield started
        finally:
            started.kill()


def note(folder: Path, workers: dict[str, object], host: str | None = None) -> None:
    """Write a lock file as an owner on this machine, or on another, leaves it that was killed."""
    left = {"owner": asdict(Owner(1, host or socket.gethostname(), "2026-11-23", 1.0)), "workers": workers}
    (folder / ".longsong-lock").write_text(json.dumps(left))


def left_by_a_dead_owner(folder: Path) -> tuple[int, subprocess.Popen]:
    """Have a process take the lock, note a worker, and be killed; gives its pid and the worker, which sleeps on."""
    folder.mkdir()
    asked = f"""
import pathlib, signal, sys, time
def stop(*_):
    pathlib.Path({str(folder.parent / "asked")!r}).touch()
    sys.exit()
signal.signal(signal.SIGTERM, stop)
print("hears", flush=True)
time.sleep(1000)
"""
    worker = subprocess.Popen([sys.executable, "-c", asked, WORKER[-1]], stdout=subprocess.PIPE, text=True)
    assert worker.stdout.readline() == "hears\n"
    worker.stdout.close()
    code = f"""
import sys, time
sys.path[:0] = {sys.path!r}
from pathlib import Path
from longsong.folder_lock import sole_owner
with sole_owner(Path({str(folder)!r})) as lock:
    lock.add_worker({worker.pid})
    print("taken", flush=True)
    time.sleep(1000)
"""
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert owner.stdout.readline() == "taken\n"
    owner.kill()
    owner.wait()
    owner.stdout.close()
    return owner.pid, worker


@pytest.mark.parametrize("stopped", [False, True])
def test_a_dead_owners_lock_is_taken_over_and_what_it_left_running_is_ended(tmp_path, stopped):
    pid, worker = left_by_a_dead_owner(tmp_path / "runs")
    if stopped:
        worker.send_signal(signal.SIGSTOP)
    assert json.loads((tmp_path / "runs/.longsong-lock").read_text())["owner"]["pid"] == pid
    assert owner_of(tmp_path / "runs") is None
    with sole_owner(tmp_path / "runs"):
        assert worker.poll() is not None
        assert (tmp_path / "asked").exists() is not stopped  # so that it leaves a checkpoint, if it can hear


def test_a_process_that_has_got_the_number_of_a_worker_is_left_alone(tmp_path):
    with process(WORKER) as other:
        note(tmp_path, {str(other.pid): psutil.Process(other.pid).create_time() - 100.0})  # that one began earlier
        with sole_owner(tmp_path):
            assert other.poll() is None


@pytest.mark.parametrize("whose", ["no worker", "another user's"])
def test_nothing_is_ended_but_this_users_workers(tmp_path, monkeypatch, whose):
    with process(SLEEPS if whose == "no worker" else WORKER) as other:
        note(tmp_path, {str(other.pid): psutil.Process(other.pid).create_time()})
        if whose == "another user's":
            monkeypatch.setattr(folder_lock.os, "getuid", lambda: psutil.Process().uids().real + 1)
        with sole_owner(tmp_path):
            assert other.poll() is None


def test_what_was_left_on_another_machine_is_nobody_here(tmp_path):
    with process(WORKER) as other:
        note(tmp_path, {str(other.pid): psutil.Process(other.pid).create_time()}, f"not-{socket.gethostname()}")
        with sole_owner(tmp_path):
            assert other.poll() is None


def test_without_locks_of_the_file_system_the_owner_on_another_machine_is_taken_to_live(tmp_path, monkeypatch):
    note(tmp_path, {}, f"not-{socket.gethostname()}")
    monkeypatch.setattr(folder_lock, "try_lock", no_locks)
    assert owner_of(tmp_path).host == f"not-{socket.gethostname()}"
    with pytest.raises(BusyError, match=f"process 1 on not-{socket.gethostname()}"), sole_owner(tmp_path):
        pass


def test_a_worker_is_known_by_the_words_it_is_started_with(tmp_path):
    worker = LocalWorker(1)
    note(tmp_path, {str(worker.pid): psutil.Process(worker.pid).create_time()})
    with sole_owner(tmp_path):
        ended = worker.ended()
    worker.kill()
    worker.close()
    assert ended is not None


def test_so_is_what_workers_share_a_device_by(tmp_path):
    (tmp_path / "nvidia-cuda-mps-control").write_text(f"touch {tmp_path}/begun; sleep 1000")
    with process(["sh", str(tmp_path / "nvidia-cuda-mps-control"), "-f"]) as service:
        while not (tmp_path / "begun").exists():  # until then its words are those of this process
            time.sleep(0.01)
        note(tmp_path, {str(service.pid): psutil.Process(service.pid).create_time()})
        with sole_owner(tmp_path):
            assert service.poll() is not None


@pytest.mark.parametrize("pid", ["²", "٣", "9" * 11, "9" * 5000, "0", "-1", "+1", " 1", "1_0", "01", ""])
def test_what_is_no_pid_as_it_is_written_is_passed_over(tmp_path, monkeypatch, pid):
    looked = []
    monkeypatch.setattr(folder_lock, "_end", lambda pid, started: looked.append(pid))
    note(tmp_path, {pid: 1.0, "123": 2.0, "0123": 3.0, "124": "x"})
    with sole_owner(tmp_path):
        pass
    assert looked == [123]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"owner": 3, "workers": {"1": "x"}}', "[" * 100_000])
def test_a_lock_file_that_is_altered_hinders_nobody(tmp_path, text):
    (tmp_path / ".longsong-lock").write_text(text)
    assert owner_of(tmp_path) is None
    with sole_owner(tmp_path):
        pass


def test_others_may_look_who_works_on_it_at_the_same_time(tmp_path):
    note(tmp_path, {})  # of one that is dead
    with (tmp_path / ".longsong-lock").open("rb") as another:
        assert folder_lock.try_lock(another.fileno(), exclusive=False)
        assert owner_of(tmp_path) is None


def test_a_disk_that_is_full_hinders_nobody(tmp_path, monkeypatch):
    def pwrite(file, content, at):
        raise OSError(errno.ENOSPC, "No space left on device")

    with sole_owner(tmp_path) as lock:
        with monkeypatch.context() as full:
            full.setattr(folder_lock.os, "pwrite", pwrite)
            lock.add_worker(os.getpid())
        assert owner_of(tmp_path).pid == os.getpid()  # as it was written before
        with pytest.raises(BusyError), sole_owner(tmp_path):
            pass


def test_a_lock_on_a_file_that_its_owner_removed_meanwhile_is_no_lock(tmp_path, monkeypatch):
    really, locked = folder_lock.try_lock, []

    def try_lock(file, *, exclusive):
        if not locked:
            (tmp_path / ".longsong-lock").unlink()  # between its being opened and its being locked
        locked.append(file)
        return really(file, exclusive=exclusive)

    monkeypatch.setattr(folder_lock, "try_lock", try_lock)
    with sole_owner(tmp_path):
        assert owner_of(tmp_path).pid == os.getpid()
        with pytest.raises(BusyError), sole_owner(tmp_path):
            pass


def test_without_locks_of_the_file_system_a_living_process_is_looked_for(tmp_path, monkeypatch):
    pid, worker = left_by_a_dead_owner(tmp_path / "runs")
    worker.kill()
    worker.wait()
    monkeypatch.setattr(folder_lock, "try_lock", no_locks)
    assert owner_of(tmp_path / "runs") is None
    with sole_owner(tmp_path / "runs"):
        assert owner_of(tmp_path / "runs").pid == os.getpid()
        with pytest.raises(BusyError, match=f"process {os.getpid()}"), sole_owner(tmp_path / "runs"):
            pass
