"""One shard fetched, whatever the server does."""

import hashlib
import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shard_server import (
    ServedShard,
    ShardServer,
    breaks_after,
    ignores_the_range,
    says,
    says_another_range,
    sends,
    serving,
    slow,
)

from streams.download import download
from streams.errors import CacheError, DamagedShardError, StorageError
from streams.http_storage import HttpStorage
from streams.retries import Retries
from streams.storage import FolderStorage

QUICK = Retries(attempts=4, pause=0.001, longest_pause=0.01)
DATA = random.Random(4).randbytes(200_000)
SHARD = ServedShard.of("a.tar", DATA)
PATH = "/song/a.tar"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving({PATH: DATA}) as served:
        yield served


@pytest.fixture
def part(tmp_path) -> Path:
    path = tmp_path / "a.part"
    path.touch()
    return path


def fetch(server: ShardServer, part: Path, shard: ServedShard = SHARD, timeout: float = 30.0, **changes) -> bytes:
    """Go on with a part, and give all that is in it; impatiently only where a server is to stand still."""
    storage = HttpStorage(f"{server.url}/song", timeout=timeout)
    with part.open("r+b", buffering=0) as file:
        download(storage, shard, file.fileno(), part, **{"retries": QUICK, **changes})
    return part.read_bytes()


def test_a_shard_comes_whole_and_its_progress_is_told(server, part):
    told = []
    assert fetch(server, part, on_progress=lambda *news: told.append(news)) == DATA
    assert server.ranges(PATH) == [None]
    assert {(name, total) for name, _, total in told} == {("a.tar", len(DATA))}
    here = [done for _, done, _ in told]
    assert here == sorted(set(here))
    assert here[-1] == len(DATA)


@pytest.mark.parametrize("begun", [1, 99_999, len(DATA) - 1])
def test_what_is_here_is_not_fetched_again(server, part, begun):
    part.write_bytes(DATA[:begun])
    assert fetch(server, part) == DATA
    assert server.ranges(PATH) == [f"bytes={begun}-"]


def test_a_part_that_lacks_only_its_name_needs_no_request(server, part):
    part.write_bytes(DATA)
    assert fetch(server, part) == DATA
    assert server.asked == []


def test_a_part_that_is_too_long_is_begun_anew(server, part):
    part.write_bytes(DATA + b"more")
    assert fetch(server, part) == DATA
    assert server.ranges(PATH) == [None]


@pytest.mark.parametrize("stalled", [False, True])
def test_a_broken_connection_is_gone_on_from(server, part, stalled):
    server.faults[PATH].extend([breaks_after(70_000, stalled=stalled), says(503), breaks_after(50_000)])
    assert fetch(server, part, timeout=1.0) == DATA
    assert server.ranges(PATH) == [None, "bytes=70000-", "bytes=70000-", "bytes=120000-"]


def test_slow_bytes_are_given_up_and_gone_on_from(server, part):
    server.faults[PATH].append(slow(10, 0.05))
    assert fetch(server, part, timeout=1.0) == DATA
    [first, second] = server.ranges(PATH)
    assert first is None
    assert 10 <= int(second.removeprefix("bytes=").removesuffix("-")) < 1000


def test_a_range_that_is_shorter_than_asked_for_is_gone_on_from(server, part):
    part.write_bytes(DATA[:500])

    def shorter_range(answer):
        answer.body = answer.body[:1000]
        answer.headers["Content-Range"] = f"bytes 500-1499/{len(DATA)}"

    server.faults[PATH].append(shorter_range)
    assert fetch(server, part) == DATA
    assert server.ranges(PATH) == ["bytes=500-", "bytes=1500-"]


@pytest.mark.parametrize("fault", [ignores_the_range, says_another_range])
def test_ranges_that_cannot_be_used_start_over(server, part, fault):
    part.write_bytes(DATA[:1000])
    server.always[PATH] = fault
    assert fetch(server, part) == DATA
    assert server.ranges(PATH)[0] == "bytes=1000-"


@pytest.mark.parametrize(
    "wrong",
    [
        sends(DATA[:-1] + b"!"),
        sends(DATA[:-1]),
        sends(DATA + b"!"),
        sends(b""),
        sends(DATA[::-1]),
    ],
)
def test_wrong_bytes_are_fetched_again_and_then_reported(server, part, wrong):
    server.faults[PATH].append(wrong)
    assert fetch(server, part) == DATA
    assert server.ranges(PATH) == [None, None]
    part.write_bytes(b"")
    server.asked.clear()
    server.faults[PATH].extend([wrong, wrong])
    with pytest.raises(DamagedShardError, match=rf"{PATH}: not the shard .*{len(DATA)} bytes of sha256 {SHARD.sha256}"):
        fetch(server, part)
    assert len(server.asked) == 2
    assert part.read_bytes() == b""


def test_what_was_found_is_named(server, part):
    wrong = DATA[::-1]
    server.always[PATH] = sends(wrong)
    with pytest.raises(DamagedShardError, match=f"sha256 {hashlib.sha256(wrong).hexdigest()} came"):
        fetch(server, part)
    server.always[PATH] = sends(DATA * 2)
    with pytest.raises(DamagedShardError, match="a file of 400000 bytes came"):
        fetch(server, part)


def test_too_many_bytes_stop_the_download(server, part):
    """A server that does not say how many come is stopped by their number."""

    def endless(answer):
        answer.status = 200
        answer.body = DATA * 50
        answer.headers = {"Transfer-Encoding": "identity", "Connection": "close", "Content-Length": "none"}

    most = 0

    def watch(name, done, total):
        nonlocal most
        most = max(most, part.stat().st_size)

    server.always[PATH] = endless
    with pytest.raises(DamagedShardError, match="more bytes than that came"):
        fetch(server, part, on_progress=watch)
    assert most <= len(DATA)


@pytest.mark.parametrize("status", [403, 404])
def test_what_is_not_there_is_asked_for_once_and_the_part_stays(server, part, status):
    part.write_bytes(DATA[:1000])
    server.always[PATH] = says(status)
    with pytest.raises(StorageError, match=str(status)):
        fetch(server, part)
    assert len(server.asked) == 1
    assert part.read_bytes() == DATA[:1000]


def test_attempts_have_a_limit(server, part):
    server.always[PATH] = breaks_after(1000)
    with pytest.raises(StorageError, match="given up after 4 attempts"):
        fetch(server, part)
    assert server.ranges(PATH) == [None, "bytes=1000-", "bytes=2000-", "bytes=3000-"]
    assert part.read_bytes() == DATA[:4000]


def test_attempts_that_get_further_are_counted_anew(server, part):
    data = random.Random(5).randbytes(8 << 20)
    server.files[PATH] = data
    server.always[PATH] = breaks_after(1 << 20)
    assert fetch(server, part, ServedShard.of("a.tar", data)) == data
    assert len(server.asked) == 8 > QUICK.attempts
    # But not where each one begins at the first byte again.
    part.write_bytes(b"")

    def anew(answer):
        ignores_the_range(answer)
        answer.end = 2 << 20

    server.always[PATH] = anew
    server.asked.clear()
    with pytest.raises(StorageError, match="given up after 4 attempts"):
        fetch(server, part, ServedShard.of("a.tar", data))
    assert len(server.asked) == QUICK.attempts


def test_an_interrupted_download_leaves_what_it_has(server, part):
    def interrupt(name, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(server, part, on_progress=interrupt)
    begun = len(part.read_bytes())
    assert 0 < begun < len(DATA)
    server.asked.clear()
    assert fetch(server, part) == DATA
    assert server.ranges(PATH) == [f"bytes={begun}-"]


def test_a_full_disk_is_named(server, part, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(CacheError, match=rf"{part}: no space left on the disk"):
        fetch(server, part)


@given(st.data())
def test_any_flipped_bit_of_a_begun_part_is_mended(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("bit")
    (folder / "a.tar").write_bytes(DATA)
    size = data.draw(st.integers(1, len(DATA)), label="begun")
    bit = data.draw(st.integers(0, 8 * size - 1), label="bit")
    begun = bytearray(DATA[:size])
    begun[bit // 8] ^= 1 << bit % 8
    part = folder / "part"
    part.write_bytes(begun)
    with part.open("r+b", buffering=0) as file:
        download(FolderStorage(folder), SHARD, file.fileno(), part, retries=QUICK)
    assert part.read_bytes() == DATA
