import os
import signal
import subprocess
import sys
import time

import pytest

from benchmarks.processes import BenchmarkError, MemoryWatch, Worker, anonymous_bytes

GROWS = """
import sys, time
print("ready", flush=True)
sys.stdin.readline()
held = b"x" * (64 << 20)
print(time.monotonic(), flush=True)
sys.stdin.readline()
del held
print(time.monotonic(), flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def growing():
    with subprocess.Popen(
        [sys.executable, "-c", GROWS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        yield process


def go_on(process):
    process.stdin.write("\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def test_memory_is_seen_as_it_comes_and_goes(growing):
    with MemoryWatch(growing.pid) as watch:
        held = go_on(growing)
        time.sleep(0.05)
        freed = go_on(growing)
    assert 64 << 20 <= watch.peak() < 80 << 20
    assert watch.peak(start=held, stop=freed) >= 64 << 20
    assert watch.peak(start=freed + 0.02) < 1 << 20
    assert watch.before + watch.peak(start=time.monotonic()) == anonymous_bytes(growing.pid)


def test_a_process_that_has_ended_has_no_memory():
    with subprocess.Popen(["true"]) as process:
        process.wait()
    with pytest.raises((BenchmarkError, OSError)):
        anonymous_bytes(process.pid)


@pytest.fixture
def worker():
    worker = Worker("numpy")
    worker.wait_until_ready()
    yield worker
    worker.close()


@pytest.fixture
def task(tmp_path):
    song = tmp_path / "noise"
    song.write_bytes(bytes(2000))
    return {"song": str(song), "folder": str(tmp_path), "frame": 4, "seq": 5, "scale": 1.0, "offset": 0.0}


def test_a_candidate_that_fails_says_why_and_serves_the_next_task(worker, task):
    with worker.task({**task, "folder": "/nowhere"}), pytest.raises(BenchmarkError, match=r"numpy: (?s:.*)nowhere"):
        worker.ask("prepare")
    with worker.task(task):
        assert worker.ask("prepare")["seconds"] > 0
        assert worker.ask("open")["first_batch_seconds"] > 0


def test_a_candidate_that_is_killed_is_named(worker, task):
    def kill_it():
        with worker.task(task) as process:
            os.kill(process, signal.SIGKILL)
            worker.ask("prepare")

    with pytest.raises(BenchmarkError, match="numpy: the process of the task ended with status -9"):
        kill_it()


def test_a_candidate_that_cannot_be_imported_says_so():
    worker = Worker("nobody")
    try:
        with pytest.raises(BenchmarkError, match="KeyError: 'nobody'"):
            worker.wait_until_ready()
    finally:
        worker.close()
