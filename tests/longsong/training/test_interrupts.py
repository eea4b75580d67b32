"""Ctrl-C while a run trains, and while it waits for a network that stands still."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from shard_server import breaks_after, serving
from small_song import tune, write_shards

from longsong.training.interrupts import Interrupts, StoppedWaiting


def test_the_first_is_a_flag_and_the_second_stops():
    with Interrupts() as interrupts:
        assert not interrupts.is_set()
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.is_set()
        with pytest.raises(KeyboardInterrupt, match="stopped at once") as stop:
            os.kill(os.getpid(), signal.SIGTERM)
        assert not isinstance(stop.value, StoppedWaiting)


def test_while_waiting_the_first_stops():
    with Interrupts() as interrupts, pytest.raises(StoppedWaiting), interrupts.while_waiting():
        os.kill(os.getpid(), signal.SIGINT)
    assert interrupts.is_set()


def test_where_one_came_before_nothing_is_waited_for():
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        waited = False
        with pytest.raises(StoppedWaiting), interrupts.while_waiting():
            waited = True
        assert not waited


def test_the_handlers_of_before_come_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_run_that_waits_for_a_server_stops_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = write_shards(tmp_path / "song", tune(31_600))
    with serving({f"/song/{path.name}": path.read_bytes() for path in folder.iterdir()}) as server:
        stalls = {path: breaks_after(100, stalled=True) for path in server.files if path.endswith(".tar")}
        server.always.update(stalls)
        code = "import sys; sys.path[:0] = ['src', '.']; from longsong.cli import main; sys.exit(main(sys.argv[1:]))"
        words = ["train", f"{server.url}/song", "--frame", "20", "--seq", "10", "--hidden", "4", "--epochs", "1"]
        words += ["--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "run")]
        run = subprocess.Popen([sys.executable, "-c", code, *words], stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while not any(path.endswith(".tar") for path, _ in list(server.asked)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.5)  # it waits now
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=15)  # the server would be given up only after minutes
        assert run.returncode == 130, said
        assert "the same command goes on from there" in said
        assert "Traceback" not in said
        server.always.clear()
        assert subprocess.run([sys.executable, "-c", code, *words], capture_output=True).returncode == 0
    assert (Path(tmp_path) / "run" / "summary.json").exists()
