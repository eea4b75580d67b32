"""Several processes on one cache, some of them killed."""

import fcntl
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from shard_server import ServedShard, breaks_after, serving, slow

from streams.cache import ShardCache
from streams.http_storage import HttpStorage

READER = Path(__file__).parents[1] / "support" / "cache_reader.py"
ROOT = Path(__file__).parents[2]
SIZE = 100_000
FILES = {f"song-{n:06}.tar": random.Random(n).randbytes(SIZE) for n in range(8)}
SHARDS = [ServedShard.of(name, data) for name, data in FILES.items()]
HARD_LIMIT = 120
"""Seconds after which a test says that a process hangs."""


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving({f"/song/{name}": data for name, data in FILES.items()}) as served:
        yield served


@pytest.fixture
def start(tmp_path, server):
    """Start readers; what still runs at the end of the test is killed."""
    started = []

    def start_one(capacity: int, reads: int, seed: int) -> subprocess.Popen:
        shards = json.dumps([[shard.name, shard.bytes, shard.sha256] for shard in SHARDS])
        arguments = [tmp_path / "cache", capacity, f"{server.url}/song", shards, reads, seed]
        process = subprocess.Popen(
            [sys.executable, READER, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{READER.parent}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen) -> tuple[int, str]:
    out, err = process.communicate(timeout=HARD_LIMIT)
    return process.returncode, out + err


def bytes_kept(folder: Path) -> int:
    """Add up the files at one moment: while the lock of the names is held, none comes, goes or changes its name."""
    with (folder / ".lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return sum(path.stat().st_size for path in folder.iterdir())


def wait_until(condition, *, seconds: float = HARD_LIMIT) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "nothing happened"
        time.sleep(0.005)


def test_eight_processes_fetch_each_shard_once(server, start):
    processes = [start(SIZE * len(FILES), 12, seed) for seed in range(8)]
    assert [ended(process) for process in processes] == [(0, "12 right\n")] * 8
    asked = [path for path, _ in server.asked]
    assert sorted(asked) == [f"/song/{name}" for name in FILES]


def test_eight_processes_on_a_small_cache_some_killed(server, start, tmp_path):
    for name in FILES:
        server.always[f"/song/{name}"] = slow(SIZE // 4, 0.002)
    # Two processes at a time hold a shard of all that want one; the others wait for room.
    capacity = SIZE * 5 // 2
    # Those to be killed would read for hours: none may end by itself before its kill.
    killed = [start(capacity, 1_000_000, seed) for seed in range(3)]
    others = [start(capacity, 15, seed) for seed in range(3, 8)]
    processes, doomed = [*killed, *others], list(killed)
    folder, chance = tmp_path / "cache", random.Random(0)
    wait_until(lambda: (folder / ".lock").exists() and len(server.asked) > 5)
    most, kill_at = 0, [time.monotonic() + pause for pause in (0.1, 0.2, 0.4)]
    until = time.monotonic() + HARD_LIMIT
    while any(process.poll() is None for process in processes):
        assert time.monotonic() < until, "a process hangs"
        most = max(most, bytes_kept(folder))
        if doomed and time.monotonic() > kill_at[-len(doomed)]:
            doomed.pop().kill()
        time.sleep(chance.uniform(0.001, 0.02))
    assert [ended(process) for process in others] == [(0, "15 right\n")] * 5
    assert all(ended(process)[0] < 0 for process in killed)
    assert 0 < most <= capacity


@pytest.mark.parametrize("begun", [1, 65_537, SIZE - 1])
def test_a_download_is_gone_on_from_after_its_process_was_killed(server, start, tmp_path, begun):
    for name in FILES:
        server.always[f"/song/{name}"] = breaks_after(begun, stalled=True)
    process = start(SIZE, 1, 0)
    folder = tmp_path / "cache"
    wait_until(lambda: any(path.stat().st_size == begun for path in folder.glob("*.part")))
    process.kill()
    assert ended(process)[0] < 0
    [part] = folder.glob("*.part")
    [shard] = [shard for shard in SHARDS if part.name == f"{shard.sha256}.{SIZE}.part"]
    server.always.clear()
    with ShardCache(folder, SIZE, wait_limit=10.0).acquire(HttpStorage(f"{server.url}/song"), shard) as cached:
        assert os.pread(cached.fileno(), SIZE + 1, 0) == FILES[shard.name]
    assert server.ranges(f"/song/{shard.name}") == [None, f"bytes={begun}-"]
    assert sorted(path.name for path in folder.iterdir()) == [".lock", f"{shard.sha256}.shard"]


def test_what_a_killed_reader_held_may_leave(server, start, tmp_path):
    for name in FILES:
        server.always[f"/song/{name}"] = breaks_after(1000, stalled=True)
    process = start(SIZE, 1, 0)
    folder = tmp_path / "cache"
    wait_until(lambda: any(path.stat().st_size == 1000 for path in folder.glob("*.part")))
    [part] = folder.glob("*.part")
    [other, *_] = [shard for shard in SHARDS if not part.name.startswith(shard.sha256)]
    server.always.clear()
    process.kill()
    assert ended(process)[0] < 0
    with ShardCache(folder, SIZE, wait_limit=10.0).acquire(HttpStorage(f"{server.url}/song"), other):
        assert not part.exists()
