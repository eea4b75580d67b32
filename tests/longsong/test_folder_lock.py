"""One at a time works on a folder of runs."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from longsong import folder_lock
from longsong.errors import BusyError
from longsong.folder_lock import owner_of, sole_owner


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


def left_by_a_dead_owner(folder: Path) -> tuple[int, subprocess.Popen]:
    """Have a process take the lock, note a worker, and be killed; gives its pid and the worker, which sleeps on."""
    folder.mkdir()
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
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


def test_a_process_that_has_got_the_number_of_a_worker_is_left_alone(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    with sole_owner(tmp_path) as lock:
        lock.add_worker(other.pid)
        text = (tmp_path / ".longsong-lock").read_text()
    noted = json.loads(text)
    noted["workers"][str(other.pid)] -= 100.0  # that one began earlier
    (tmp_path / ".longsong-lock").write_text(json.dumps(noted))
    with sole_owner(tmp_path):
        assert other.poll() is None
    other.kill()
    other.wait()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"owner": 3, "workers": {"1": "x"}}', "[" * 100_000])
def test_a_lock_file_that_is_altered_hinders_nobody(tmp_path, text):
    (tmp_path / ".longsong-lock").write_text(text)
    assert owner_of(tmp_path) is None
    with sole_owner(tmp_path):
        pass


def test_without_locks_of_the_file_system_a_living_process_is_looked_for(tmp_path, monkeypatch):
    def no_locks(file, *, exclusive):
        raise OSError(errno.ENOLCK, "no locks")

    pid, worker = left_by_a_dead_owner(tmp_path / "runs")
    worker.kill()
    worker.wait()
    monkeypatch.setattr(folder_lock, "try_lock", no_locks)
    assert owner_of(tmp_path / "runs") is None
    with sole_owner(tmp_path / "runs"):
        assert owner_of(tmp_path / "runs").pid == os.getpid()
        with pytest.raises(BusyError, match=f"process {os.getpid()}"), sole_owner(tmp_path / "runs"):
            pass
