"""The cache in one process: what is kept, what leaves, what is noticed."""

import hashlib
import os
import pickle
import random
import signal
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shard_server import ServedShard, breaks_after, says, sends, serving

from streams.cache import DEFAULT_CAPACITY, CachedShard, NoRoomError, ShardCache, default_folder
from streams.errors import CacheError, DamagedShardError, StorageError
from streams.file_locks import same_file, try_lock, unlock_and_close
from streams.http_storage import HttpStorage
from streams.retries import Retries
from streams.storage import FolderStorage

QUICK = Retries(attempts=2, pause=0.001, longest_pause=0.01)
SIZE = 10_000
FILES = {f"{letter}.tar": random.Random(letter).randbytes(SIZE) for letter in "abcdefgh"}
A, B, C, D, *_ = SHARDS = [ServedShard.of(name, data) for name, data in FILES.items()]


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving({f"/song/{name}": data for name, data in FILES.items()}) as served:
        yield served


@pytest.fixture
def storage(server) -> HttpStorage:
    return HttpStorage(f"{server.url}/song", timeout=5.0)


@pytest.fixture
def make_cache(tmp_path):
    """Give a cache that has room for so many shards, all of one folder."""

    def make(shards: float, **changes) -> ShardCache:
        return ShardCache(tmp_path / "cache", int(shards * SIZE), **{"retries": QUICK, "wait_limit": 10.0, **changes})

    return make


def content(cached: CachedShard) -> bytes:
    return os.pread(cached.fileno(), SIZE + 1, 0)


def kept(cache: ShardCache) -> set[str]:
    """Give the names of the shards whose files are in the folder, whole or not."""
    digests = {path.name.partition(".")[0] for path in cache.folder.glob("*.*") if path.name != ".lock"}
    return {shard.name for shard in SHARDS if shard.sha256 in digests}


def fetched(server) -> list[str]:
    return [path.removeprefix("/song/") for path, _ in server.asked]


def use(cache, storage, *shards) -> None:
    for shard in shards:
        with cache.acquire(storage, shard) as cached:
            assert content(cached) == FILES[shard.name]
        time.sleep(0.002)  # times of files have a grain


# What is kept and what leaves.


def test_a_shard_is_fetched_once_and_kept(server, storage, make_cache):
    cache = make_cache(3)
    use(cache, storage, A, A)
    use(make_cache(3), storage, A)
    assert fetched(server) == ["a.tar"]
    assert {path.name for path in cache.folder.iterdir()} == {".lock", f"{A.sha256}.shard"}


def test_the_least_recently_used_leaves_first(server, storage, make_cache):
    cache = make_cache(3)
    use(cache, storage, A, B, C, A, D)
    assert kept(cache) == {"a.tar", "c.tar", "d.tar"}
    use(cache, storage, A, C, D)
    assert len(server.asked) == 4


def test_a_shard_counts_as_used_until_it_is_closed(storage, make_cache):
    cache = make_cache(2)
    with cache.acquire(storage, A):
        time.sleep(0.002)
        use(cache, storage, B)
    time.sleep(0.002)
    use(cache, storage, C)
    assert kept(cache) == {"a.tar", "c.tar"}


def test_a_shard_that_is_read_stays(storage, make_cache):
    cache = make_cache(2.5)
    with cache.acquire(storage, A) as first:
        use(cache, storage, B, C, D)
        assert kept(cache) == {"a.tar", "d.tar"}
        assert content(first) == FILES["a.tar"]
    use(cache, storage, B, C)
    assert kept(cache) == {"b.tar", "c.tar"}


def test_without_room_nothing_leaves_in_vain(storage, make_cache):
    cache = make_cache(3)
    use(cache, storage, D)
    with cache.acquire(storage, A), cache.acquire(storage, B):
        big = ServedShard("big.tar", 2 * SIZE, "0" * 64)
        with pytest.raises(
            NoRoomError, match=rf"{cache.folder}: no room .* {2 * SIZE} of {3 * SIZE} bytes .*--cache-b"
        ):
            cache.acquire(storage, big, wait=False)
        assert cache.fetch(storage, big) is False
    assert kept(cache) == {"a.tar", "b.tar", "d.tar"}


def test_two_readers_of_one_shard_are_counted(storage, make_cache):
    cache = make_cache(1)
    first, second = cache.acquire(storage, A), cache.acquire(storage, A)
    first.close()
    first.close()
    with pytest.raises(NoRoomError):
        cache.acquire(storage, B, wait=False)
    assert content(second) == FILES["a.tar"]
    with pytest.raises(CacheError, match="closed; acquire it again"):
        first.fileno()
    second.close()
    use(cache, storage, B)


def test_parts_count_and_leave_as_well(server, storage, make_cache):
    cache = make_cache(2)
    server.always["/song/a.tar"] = breaks_after(4000)
    with pytest.raises(StorageError, match="given up after 2 attempts"):
        cache.acquire(storage, A)
    assert sum(path.stat().st_size for path in cache.folder.iterdir()) == 8000
    time.sleep(0.002)
    use(cache, storage, B)
    assert kept(cache) == {"a.tar", "b.tar"}
    use(cache, storage, C)
    assert kept(cache) == {"b.tar", "c.tar"}


def test_what_is_being_fetched_counts_with_all_its_bytes(server, storage, make_cache):
    cache = make_cache(2)
    begun = threading.Event()
    go_on = threading.Event()

    def held_up(name, done, total):
        begun.set()
        go_on.wait(30)

    slow = make_cache(2, on_progress=held_up)
    thread = threading.Thread(target=slow.fetch, args=(storage, A))
    thread.start()
    assert begun.wait(30)
    with cache.acquire(storage, B):
        with pytest.raises(NoRoomError):
            cache.acquire(storage, C, wait=False)
        assert cache.fetch(storage, A) is True  # on its way
        go_on.set()
        thread.join()
        assert kept(cache) == {"a.tar", "b.tar"}
    assert fetched(server).count("a.tar") == 1


def test_a_smaller_capacity_is_kept_from_the_first_use_on(server, storage, make_cache):
    use(make_cache(4), storage, A, B, C, D)
    use(make_cache(2), storage, D)
    assert kept(make_cache(2)) == {"c.tar", "d.tar"}
    assert len(server.asked) == 4


def test_files_of_others_are_not_touched(storage, make_cache):
    cache = make_cache(1)
    cache.folder.mkdir()
    others = [cache.folder / name for name in ("notes.txt", "0" * 64, f"{'0' * 64}.shard.bak", f"{'g' * 64}.shard")]
    for path in others:
        path.write_bytes(b"x" * SIZE)
    (cache.folder / f"{'1' * 64}.shard").symlink_to(others[0])
    (cache.folder / f"{'2' * 64}.shard").mkdir()
    use(cache, storage, A, B)
    assert all(path.read_bytes() == b"x" * SIZE for path in others)
    assert (cache.folder / f"{'2' * 64}.shard").is_dir()


def test_a_shard_that_leaves_while_it_is_opened_is_fetched_again(server, storage, make_cache, monkeypatch):
    cache = make_cache(2)
    use(cache, storage, A)
    path = cache.folder / f"{A.sha256}.shard"
    late = [path]

    def removed_before_it_is_locked(file: int, *, exclusive: bool) -> bool:
        if not exclusive and late:
            late.pop().unlink()
        return try_lock(file, exclusive=exclusive)

    monkeypatch.setattr("streams.cache_folder.try_lock", removed_before_it_is_locked)
    with cache.acquire(storage, A) as cached:
        assert same_file(cached.fileno(), path)
    assert fetched(server) == ["a.tar", "a.tar"]


# Waiting.


def test_room_is_waited_for(storage, make_cache):
    cache = make_cache(1)
    first = cache.acquire(storage, A)
    timer = threading.Timer(0.1, first.close)
    timer.start()
    use(cache, storage, B)
    timer.join()


def test_waiting_has_a_limit(storage, make_cache):
    cache = make_cache(1, wait_limit=0.05)
    with cache.acquire(storage, A):
        with pytest.raises(CacheError, match=rf"{SIZE} of {SIZE} bytes are being read.*--cache-bytes.*waited 0\.05 s"):
            cache.acquire(storage, B)
        assert cache.fetch(storage, B) is False


def test_a_fetch_that_gets_no_further_is_not_waited_for_without_end(storage, make_cache):
    begun, go_on = threading.Event(), threading.Event()

    def held_up(name, done, total):
        begun.set()
        go_on.wait(30)

    slow = make_cache(2, on_progress=held_up)
    thread = threading.Thread(target=slow.fetch, args=(storage, A))
    thread.start()
    assert begun.wait(30)
    with pytest.raises(CacheError, match=r"another process fetches it and gets no further.*waited 0\.05 s"):
        make_cache(2, wait_limit=0.05).acquire(storage, A)
    go_on.set()
    thread.join()


def test_a_shard_larger_than_the_cache_is_refused(server, storage, make_cache):
    cache = make_cache(0.5)
    for bring in (cache.acquire, cache.fetch):
        with pytest.raises(CacheError, match=rf"a\.tar has {SIZE} bytes, .* --cache-bytes {SIZE} or more"):
            bring(storage, A)
    assert server.asked == []


def test_threads_that_want_one_shard_fetch_it_once(server, storage, make_cache):
    cache = make_cache(2)
    together = threading.Barrier(8)
    right = []

    def read() -> None:
        together.wait()
        with cache.acquire(storage, A) as cached:
            right.append(content(cached) == FILES["a.tar"])

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert right == [True] * 8
    assert fetched(server) == ["a.tar"]


def test_a_thread_takes_over_where_another_failed(server, storage, make_cache):
    server.faults["/song/a.tar"].extend([breaks_after(4000), says(404)])
    cache = make_cache(2)
    together = threading.Barrier(2)
    outcomes = []

    def read() -> None:
        together.wait()
        try:
            use(cache, storage, A)
            outcomes.append("right")
        except StorageError:
            outcomes.append("failed")

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["failed", "right"]
    assert server.ranges("/song/a.tar") == [None, "bytes=4000-", "bytes=4000-"]


# Fetching ahead.


def test_a_shard_fetched_ahead_is_there(server, storage, make_cache):
    cache = make_cache(2)
    assert cache.fetch(storage, A) is True
    assert cache.fetch(storage, A) is True
    use(cache, storage, A)
    assert fetched(server) == ["a.tar"]


def test_fetching_counts_as_a_use(storage, make_cache):
    cache = make_cache(2)
    use(cache, storage, A, B)
    assert cache.fetch(storage, A) is True
    time.sleep(0.002)
    assert cache.fetch(storage, C) is True
    assert kept(cache) == {"a.tar", "c.tar"}


def test_what_goes_wrong_ahead_is_raised(server, storage, make_cache):
    server.always["/song/a.tar"] = says(404)
    cache = make_cache(2)
    with pytest.raises(StorageError, match="404"):
        cache.fetch(storage, A)
    server.always.clear()
    use(cache, storage, A)


# What others did to the files.


@pytest.mark.parametrize(
    "alter",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes() + b"!"),
        lambda path: path.write_bytes(path.read_bytes()[::-1]),
        Path.unlink,
        lambda path: (path.unlink(), os.mkfifo(path)),
    ],
)
def test_an_altered_file_is_noticed_and_fetched_again(server, storage, make_cache, alter):
    cache = make_cache(2)
    use(cache, storage, A)
    alter(cache.folder / f"{A.sha256}.shard")
    use(cache, storage, A)
    assert fetched(server) == ["a.tar", "a.tar"]


@given(bit=st.integers(0, 8 * SIZE - 1))
def test_any_flipped_bit_is_noticed(tmp_path_factory, bit):
    folder = tmp_path_factory.mktemp("bit")
    (folder / "a.tar").write_bytes(FILES["a.tar"])
    cache = ShardCache(folder / "cache", SIZE)
    cache.fetch(FolderStorage(folder), A)
    path = cache.folder / f"{A.sha256}.shard"
    altered = bytearray(path.read_bytes())
    altered[bit // 8] ^= 1 << bit % 8
    path.write_bytes(altered)
    with cache.acquire(FolderStorage(folder), A) as cached:
        assert content(cached) == FILES["a.tar"]
    assert path.read_bytes() == FILES["a.tar"]


def test_an_altered_file_that_others_read_is_replaced_beside_them(server, storage, make_cache):
    cache, other = make_cache(2), make_cache(2)
    with other.acquire(storage, A) as theirs:
        with (cache.folder / f"{A.sha256}.shard").open("r+b") as file:
            file.write(b"altered")
        use(cache, storage, A)
        assert theirs.path.read_bytes() == FILES["a.tar"]
    assert fetched(server) == ["a.tar", "a.tar"]


def test_what_this_process_kept_open_is_not_compared_again(server, storage, make_cache, monkeypatch):
    cache = make_cache(2)
    compared = []
    file_digest = hashlib.sha256
    monkeypatch.setattr("streams.download.hashlib.sha256", lambda *data: compared.append(1) or file_digest(*data))
    with cache.acquire(storage, A):
        compared.clear()
        use(cache, storage, A)
        assert compared == []
    use(cache, storage, A)
    assert compared == [1]


def test_wrong_bytes_of_the_server_are_not_kept(server, storage, make_cache):
    server.always["/song/a.tar"] = sends(FILES["b.tar"])
    cache = make_cache(2)
    with pytest.raises(DamagedShardError, match=r"a\.tar: not the shard"):
        cache.acquire(storage, A)
    assert [path.name for path in cache.folder.iterdir()] == [".lock"]
    server.always.clear()
    use(cache, storage, A)


def test_the_folder_may_be_removed_meanwhile(server, storage, make_cache):
    import shutil

    cache = make_cache(2)
    with cache.acquire(storage, A) as cached:
        shutil.rmtree(cache.folder)
        assert content(cached) == FILES["a.tar"]
        use(cache, storage, B)
    use(cache, storage, A)
    assert kept(cache) == {"a.tar", "b.tar"}


# Folders that cannot be used.


def test_a_folder_that_is_a_file_is_named(tmp_path, storage):
    (tmp_path / "file").touch()
    with pytest.raises(CacheError, match=f"{tmp_path}/file"):
        ShardCache(tmp_path / "file").acquire(storage, A)
    with pytest.raises(CacheError, match=f"{tmp_path}/file/below"):
        ShardCache(tmp_path / "file" / "below").fetch(storage, A)


@pytest.mark.parametrize(
    ("number", "words"), [(13, "no permission"), (30, "read-only"), (24, "ulimit"), (38, "no locks")]
)
def test_what_the_system_says_is_named(storage, make_cache, monkeypatch, number, words):
    cache = make_cache(2)

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("streams.file_locks.fcntl.flock", refuse)
    with pytest.raises(CacheError, match=f"{cache.folder}.*{words}"):
        cache.acquire(storage, A)


@pytest.mark.parametrize("capacity", [0, -1, 1.5, "1", True, None])
def test_a_capacity_that_cannot_be_is_refused(tmp_path, capacity):
    with pytest.raises(CacheError, match="--cache-bytes"):
        ShardCache(tmp_path, capacity)


# Where it lies, and how it travels.


@pytest.mark.parametrize(("given", "expected"), [("/x", "/x/longsong"), ("relative", "~/.cache/longsong"), ("", None)])
def test_the_default_folder_is_the_users_cache(monkeypatch, given, expected):
    monkeypatch.setenv("XDG_CACHE_HOME", given)
    assert default_folder() == Path(expected or "~/.cache/longsong").expanduser()
    assert ShardCache().folder == default_folder()
    assert ShardCache().capacity == DEFAULT_CAPACITY


def test_a_cache_is_pickled_as_what_it_was_made_with(storage, make_cache):
    cache = make_cache(2, on_progress=lambda *_: None)
    use(cache, storage, A)
    again = pickle.loads(pickle.dumps(cache))
    assert (again.folder, again.capacity) == (cache.folder, cache.capacity)
    use(again, storage, A)


# Forks.


def in_a_child(work) -> None:
    """Run a function in a forked process, which has to give True."""
    child = os.fork()
    if child == 0:
        right = False
        try:
            right = work()
        finally:
            os._exit(0 if right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_forked_process_reads_on(storage, make_cache):
    cache = make_cache(1)
    cached = cache.acquire(storage, A)

    def read_in_child() -> bool:
        same = content(cached) == FILES["a.tar"]
        with cache.acquire(storage, A) as again:
            same = same and content(again) == FILES["a.tar"]
        cached.close()
        return same

    in_a_child(read_in_child)
    with pytest.raises(NoRoomError):  # what the child closed is still held here
        cache.acquire(storage, B, wait=False)
    cached.close()
    use(cache, storage, B)


def test_a_process_forked_during_a_fetch_goes_on(server, storage, make_cache):
    begun, go_on = threading.Event(), threading.Event()

    def held_up(name, done, total):
        begun.set()
        go_on.wait(30)

    cache = make_cache(3, on_progress=held_up)
    thread = threading.Thread(target=cache.fetch, args=(storage, A))
    thread.start()
    assert begun.wait(30)
    locked, forked = threading.Event(), threading.Event()

    def in_the_middle_of_something() -> None:
        with cache._changed:
            locked.set()
            forked.wait(30)

    other = threading.Thread(target=in_the_middle_of_something)
    other.start()
    assert locked.wait(30)
    over = os.pipe()
    child = os.fork()
    if child == 0:
        right = False
        try:
            signal.alarm(20)  # ends it where it hangs
            cache._on_progress = None
            use(cache, storage, B)
            os.close(over[1])
            os.read(over[0], 1)  # outlives the fetch of its parent
            right = True
        finally:
            os._exit(0 if right else 1)
    forked.set()
    go_on.set()
    thread.join()
    other.join()
    use(make_cache(3, wait_limit=5.0), storage, A)
    os.close(over[1])
    os.close(over[0])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert fetched(server).count("a.tar") == 1


def test_a_part_goes_free_with_its_process_though_a_child_was_forked(server, storage, make_cache):
    """A process that forks while it fetches, and is then killed, leaves nothing locked by its child."""
    cache = make_cache(3)
    told = os.pipe()

    def fork_and_die(name, done, total):
        if os.fork() == 0:
            os.write(told[1], f"{os.getpid()}\n".encode())
            signal.pause()
        signal.pause()

    parent = os.fork()
    if parent == 0:
        make_cache(3, on_progress=fork_and_die).fetch(storage, A)
        os._exit(1)
    grandchild = int(os.read(told[0], 100))
    try:
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        use(cache, storage, A)
    finally:
        os.kill(grandchild, signal.SIGKILL)
        os.close(told[0])
        os.close(told[1])


def test_a_lock_is_let_go_though_a_child_has_its_file(tmp_path):
    path = tmp_path / "file"
    path.touch()
    held = os.open(path, os.O_RDWR)
    assert try_lock(held, exclusive=True)
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(1)
    try:
        unlock_and_close(held)
        with path.open() as file:
            assert try_lock(file.fileno(), exclusive=False)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
