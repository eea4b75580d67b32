"""A song at a URL: the same samples as from a folder, through a small cache, with faults on the way."""

import random
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shard_server import ShardServer, breaks_after, says, sends, serving

from streams import (
    CacheError,
    DamagedShardError,
    DataStream,
    IndexFileError,
    LaneScheme,
    SequentialScheme,
    ShardCache,
    ShardShuffledScheme,
    ShuffledScheme,
    Song,
    StorageError,
    Windows,
)
from streams.retries import Retries
from streams.testing import check_exactly_once, check_resumes_anywhere

QUICK = Retries(attempts=3, pause=0.001, longest_pause=0.01)


@pytest.fixture
def served(shards, monkeypatch):
    """Serve 1000 samples in 7 shards of 3 blocks of 50."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving({f"/song/{path.name}": path.read_bytes() for path in shards.iterdir()}) as server:
        yield server


@pytest.fixture
def size(shards) -> int:
    """Bytes of the largest shard."""
    return max(path.stat().st_size for path in shards.glob("*.tar"))


def opened(served: ShardServer, folder, capacity: int, **options) -> Song:
    cache = ShardCache(folder, capacity, retries=QUICK, wait_limit=20.0, **options)
    return Song.open(f"{served.url}/song", cache=cache)


def asked_for(served: ShardServer) -> list[str]:
    return sorted(path.rsplit("/", 1)[1] for path, _ in served.asked if path.endswith(".tar"))


def test_only_the_index_is_needed_to_begin_and_only_what_is_read_is_fetched(served, size, samples, tmp_path):
    song = opened(served, tmp_path / "cache", 3 * size)
    assert len(song) == 1000
    assert [path for path, _ in served.asked] == ["/song/index.json"]
    assert np.array_equal(song[140:160], samples[140:160])
    assert asked_for(served) == ["song-000000.tar", "song-000001.tar"]
    assert song.where == f"{served.url}/song"


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_rows_are_those_of_the_song_however_small_the_cache(make_samples, write_shards, new_folder, data):
    """Also rows that are longer than all shards in the cache together."""
    samples = make_samples(600)
    encoding = data.draw(st.sampled_from(["npy", "flac"]))
    folder = write_shards(new_folder(), samples, encoding=encoding)
    largest = max(path.stat().st_size for path in folder.glob("*.tar"))
    length = data.draw(st.integers(1, 590))
    starts = data.draw(st.lists(st.integers(0, 600 - length), min_size=1, max_size=6))
    shards = data.draw(st.integers(1, 3))
    with serving({f"/song/{path.name}": path.read_bytes() for path in folder.iterdir()}) as server:
        song = opened(server, new_folder(), shards * largest)
        out = np.empty((len(starts), length), dtype=np.int16)
        song.read_into(np.array(starts), out)
        song.close()
    for row, start in zip(out, starts, strict=True):
        assert np.array_equal(row, samples[start : start + length])
    # Each shard once for all rows, whatever order they are in.
    assert len(asked_for(server)) == len(set(asked_for(server)))


@pytest.mark.parametrize("make", [ShuffledScheme, SequentialScheme, LaneScheme, ShardShuffledScheme])
@pytest.mark.parametrize("prefetch", [0, 2])
def test_every_scheme_resumes_anywhere_over_a_network(served, size, tmp_path, make, prefetch):
    def stream() -> DataStream:
        windows = Windows(opened(served, tmp_path / "cache", 3 * size), 10, 5)
        scheme = make(windows, 7, open_shards=2) if make is ShardShuffledScheme else make(len(windows), 7)
        return DataStream(windows, scheme, prefetch=prefetch, threads=1 + prefetch)

    check_resumes_anywhere(stream, epochs=2)
    check_exactly_once(stream())


def test_shards_are_fetched_ahead_of_the_mini_batches_that_need_them(served, size, tmp_path):
    fetched = []
    arrived = threading.Condition()

    def on_progress(name, done, total):
        if done == total:
            with arrived:
                fetched.append(name)
                arrived.notify_all()

    song = opened(served, tmp_path / "cache", 8 * size, on_progress=on_progress)
    windows = Windows(song, 5, 4)
    stream = DataStream(windows, SequentialScheme(len(windows), 4))
    next(stream.get_epoch_iterator())  # samples 0 to 85: of the first shard
    with arrived:
        assert arrived.wait_for(lambda: {"song-000001.tar", "song-000002.tar"} <= set(fetched), 20)
    assert len(song[150:450]) == 300
    song.close()
    # They were here: neither was asked for again, while others may still be on their way.
    for name in ("song-000001.tar", "song-000002.tar"):
        assert asked_for(served).count(name) == 1


def test_a_pass_in_shard_order_fetches_each_shard_once_with_a_cache_for_two_groups(served, size, tmp_path):
    song = opened(served, tmp_path / "cache", 7 * size)
    windows = Windows(song, 5, 4)
    stream = DataStream(windows, ShardShuffledScheme(windows, 8, open_shards=2))
    assert sum(len(inputs) for inputs, _ in stream.get_epoch_iterator()) == len(windows)
    song.close()
    assert asked_for(served) == sorted(set(asked_for(served)))


def test_what_is_held_never_passes_the_bound(served, size, samples, tmp_path):
    cache = tmp_path / "cache"
    song = opened(served, cache, 2 * size)
    for start in random.Random(1).choices(range(0, 900, 50), k=40):
        assert np.array_equal(song[start : start + 100], samples[start : start + 100])
        assert sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) <= 2 * size


def test_a_run_that_somebody_holds_keeps_no_shard_in_the_cache(served, size, samples, tmp_path):
    song = opened(served, tmp_path / "cache", size)
    held = [(start, song[start : start + 10]) for start in range(0, 1000, 100)]
    other = opened(served, tmp_path / "cache", size)
    song.close()
    assert np.array_equal(other[990:], samples[990:])
    for start, run in held:
        assert np.array_equal(run, samples[start : start + 10])


def test_two_songs_and_threads_share_a_cache_for_one_shard(served, size, samples, tmp_path):
    wrong = []

    def read(seed: int) -> None:
        song = opened(served, tmp_path / "cache", size)
        for start in random.Random(seed).choices(range(0, 950), k=10):
            if not np.array_equal(song[start : start + 50], samples[start : start + 50]):
                wrong.append(start)
        song.close()

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "it hangs"
    assert wrong == []


def test_faults_on_the_way_change_nothing(served, size, samples, tmp_path):
    for path in list(served.files):
        served.faults[path].extend([says(500), breaks_after(300)])
    song = opened(served, tmp_path / "cache", 3 * size)
    assert np.array_equal(song[:], samples)


def test_wrong_bytes_are_fetched_again_and_then_reported_and_never_given(served, size, samples, tmp_path):
    path = "/song/song-000002.tar"
    data = bytearray(served.files[path])
    data[2000] ^= 1
    served.faults[path].append(sends(bytes(data)))
    song = opened(served, tmp_path / "cache", 3 * size)
    assert np.array_equal(song[300:310], samples[300:310])

    served.always[path] = sends(bytes(data))
    other = opened(served, tmp_path / "other", 3 * size)
    with pytest.raises(DamagedShardError, match=r"song-000002.tar: not the shard that the index means, twice"):
        other[300:310]
    assert np.array_equal(other[150:160], samples[150:160])  # the others are as good as ever


def test_a_shard_that_is_not_there_is_named(served, size, tmp_path):
    del served.files["/song/song-000002.tar"]
    song = opened(served, tmp_path / "cache", 3 * size)
    with pytest.raises(StorageError, match=r"song-000002.tar"):
        song[300:310]


def test_a_cache_that_holds_no_shard_says_how_much_it_takes(served, size, tmp_path):
    with pytest.raises(CacheError, match=f"has {size} bytes, more than the 1000 .* --cache-bytes {size}"):
        opened(served, tmp_path / "cache", 1000)


def test_verify_looks_at_the_place_and_not_at_the_cache(served, size, tmp_path):
    song = opened(served, tmp_path / "cache", 8 * size)
    song.verify()
    song[:]  # all is cached, and whole
    path = "/song/song-000001.tar"
    at = song.index.shards[1].members[1].offset + 7
    data = bytearray(served.files[path])
    data[at] ^= 4
    served.files[path] = bytes(data)
    with pytest.raises(DamagedShardError, match=r"/song/song-000001.tar: member 000000004.npy \(samples 200 to 250\)"):
        song.verify()
    served.files[path] = bytes(data[:-1])
    with pytest.raises(DamagedShardError, match=rf"song-000001.tar: has {len(data) - 1} bytes where the index says"):
        song.verify()
    served.files[path] = bytes(data) + b"x"
    with pytest.raises(DamagedShardError, match=rf"song-000001.tar: has more than {len(data)} bytes"):
        song.verify()
    del served.files[path]
    with pytest.raises(StorageError, match=r"song-000001.tar"):
        song.verify()


def test_verify_goes_on_where_a_connection_broke(served, size, tmp_path):
    path = "/song/song-000001.tar"
    served.faults[path].extend([breaks_after(700), says(503), breaks_after(100)])
    opened(served, tmp_path / "cache", 8 * size).verify()
    assert served.ranges(path) == [None, "bytes=700-", "bytes=700-", "bytes=800-"]


def test_an_index_that_changed_is_named(served, size, tmp_path, write_shards, make_samples):
    song = opened(served, tmp_path / "cache", 8 * size)
    other = write_shards(tmp_path / "other", make_samples(1000, seed=3))
    served.files["/song/index.json"] = (other / "index.json").read_bytes()
    with pytest.raises(IndexFileError, match="has changed since it was opened"):
        song.verify()


@pytest.mark.parametrize("url", ["pipe:cat song", "exec:ls", "simplecache::https://host/song", "ssh+x://host/song"])
def test_what_runs_programs_is_refused(url):
    with pytest.raises(StorageError):
        Song.open(url)
