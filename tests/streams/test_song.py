import errno
import json
import multiprocessing
import os
import pickle
import shutil
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import (
    ArraySong,
    DamagedShardError,
    IndexFileError,
    ShardError,
    Song,
    Statistics,
    StorageError,
    WindowError,
    Windows,
    members,
)
from streams.blocks import Blocks
from streams.normalise import Normaliser
from streams.shard_source import FolderSource

ENDS = st.none() | st.integers(-150, 150)


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 120),
    block=st.integers(1, 40),
    blocks=st.integers(1, 5),
    slices=st.lists(st.builds(slice, ENDS, ENDS), min_size=1, max_size=20),
)
def test_any_slice_is_that_of_the_array(make_song, make_samples, count, block, blocks, slices) -> None:
    samples = make_samples(count)
    song = make_song(samples, block_samples=block, blocks_per_shard=blocks)

    assert len(song) == count
    for key in slices:
        assert song[key].dtype == np.int16
        assert np.array_equal(song[key], samples[key])
        assert np.array_equal(ArraySong(samples, 16000)[key], samples[key])


def test_what_it_says_of_itself(shards: Path, samples: np.ndarray) -> None:
    song, same = Song.open(str(shards)), ArraySong(samples, 16000)

    assert (song.where, song.sample_rate, song.digest) == (str(shards), 16000, same.digest)
    assert song.statistics == same.statistics == Statistics.of(samples)
    assert repr(song) == f"<Song '{shards}': 1000 samples at 16000 Hz, {song.digest[:12]}>"


def test_a_run_in_one_member_is_a_view_that_cannot_be_written(shards: Path) -> None:
    song = Song.open(shards)

    assert np.shares_memory(song[100:150], song[120:130])
    assert not song[100:150].flags.writeable
    assert not np.shares_memory(song[120:160], song[120:130])


def test_a_view_outlives_the_song_and_its_file(shards: Path, samples: np.ndarray) -> None:
    view = Song.open(shards)[10:20]
    shutil.rmtree(shards)

    assert np.array_equal(view, samples[10:20])


@pytest.mark.parametrize("key", [5, np.int64(5), 1.5, "a", (slice(1), slice(2)), slice(0, 9, 2), slice(9, 0, -1)])
def test_what_is_no_run_of_samples_is_refused(shards: Path, samples: np.ndarray, key: object) -> None:
    for song in Song.open(shards), ArraySong(samples, 16000):
        with pytest.raises(WindowError, match="song\\["):
            song[key]


def test_ends_that_are_not_whole_are_refused(shards: Path) -> None:
    with pytest.raises(WindowError, match=r"song\[0:2.5\]: give whole numbers"):
        Song.open(shards)[0:2.5]


def test_only_what_is_asked_for_is_read(shards: Path, samples: np.ndarray) -> None:
    song = Song.open(shards)
    song[160:170]
    for path in shards.glob("*.tar"):
        if path.name != "song-000001.tar":
            path.unlink()

    assert np.array_equal(song[150:300], samples[150:300])
    with pytest.raises(DamagedShardError, match=r"song-000000.tar: missing"):
        song[149:151]


def test_few_maps_are_held_and_all_is_read(shards, samples, monkeypatch) -> None:
    monkeypatch.setattr(FolderSource, "most_shards", 2)
    monkeypatch.setattr(FolderSource, "shards_at_once", 2)
    song = Song.open(shards)
    held = []
    for start in [0, 900, 300, 0, 450, 899, 1, 600]:
        held.append((start, song[start : start + 160]))
        assert len(song._members._mapped) <= 2

    assert all(np.array_equal(run, samples[start : start + 160]) for start, run in held)


def test_threads_share_a_song(shards, samples, monkeypatch) -> None:
    monkeypatch.setattr(FolderSource, "most_shards", 1)
    monkeypatch.setattr(FolderSource, "shards_at_once", 1)
    song, wrong = Song.open(shards), []

    def read(seed: int) -> None:
        for start in np.random.default_rng(seed).integers(0, 900, 200).tolist():
            if not np.array_equal(song[start : start + 70], samples[start : start + 70]):
                wrong.append(start)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_rows_are_read_with_as_little_at_hand_as_may_be(make_samples, make_song, data) -> None:
    """Few shards mapped at once, few blocks decoded: any rows, in any order, once read and once more."""
    samples = make_samples(700)
    encoding = data.draw(st.sampled_from(["npy", "flac"]))
    most = data.draw(st.integers(1, 3))
    length = data.draw(st.integers(1, 400))
    starts = np.array(data.draw(st.lists(st.integers(0, 700 - length), min_size=1, max_size=8)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FolderSource, "most_shards", most)
        patch.setattr(FolderSource, "shards_at_once", most)
        patch.setattr(members, "_DECODED_BYTES", data.draw(st.sampled_from([1, 150, 400])))
        patch.setattr(members, "_WORTH_THREADS", data.draw(st.sampled_from([1, 10**9])))
        patch.setattr(Blocks, "compile_after", data.draw(st.sampled_from([0, 10**18])))
        song = make_song(samples, encoding=encoding)
        for _ in range(2):
            out = np.empty((len(starts), length), dtype=np.float32)
            song.gather(starts, Normaliser(0.25, 3.0), out)
            for row, start in zip(out, starts, strict=True):
                assert np.array_equal(row, samples[start : start + length].astype(np.float32) / 4 + 3)
            assert len(song._members._mapped) <= most
            assert len(song._members._decoded) <= 4
    song.close()
    assert np.array_equal(song[5:600], samples[5:600])


def test_a_whole_song_is_verified_and_says_how_far(shards: Path) -> None:
    done: list[int] = []
    Song.open(shards).verify(done.append)

    assert done == list(range(50, 1001, 50))


@settings(max_examples=150, deadline=None)
@given(shard=st.integers(0, 2), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_bit_of_a_shard_shows(new_folder, write_shards, make_samples, shard, place, bit) -> None:
    samples = make_samples(450)
    folder = write_shards(new_folder(), samples)
    path = folder / f"song-{shard:06d}.tar"
    data = bytearray(path.read_bytes())
    at = int(place * len(data))
    data[at] ^= 1 << bit
    path.write_bytes(data)

    song = Song.open(folder)
    with pytest.raises(DamagedShardError, match=path.name):
        song.verify()
    hit = [
        member
        for member in song.index.shards[shard].members
        if member.offset <= at < member.offset + 2 * member.samples
    ]
    for member in (member for entry in song.index.shards for member in entry.members):
        if member in hit:
            with pytest.raises(DamagedShardError, match=rf"{member.name} \(samples {member.start} to"):
                song[member.stop - 1 : member.stop]
        else:
            assert np.array_equal(song[member.start : member.stop], samples[member.start : member.stop])


def test_no_sample_of_an_altered_member_is_ever_given(shards: Path) -> None:
    path, song = shards / "song-000000.tar", Song.open(shards)
    offset = song.index.shards[0].members[1].offset
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)

    for key in slice(50, 51), slice(99, 100), slice(0, 1000), slice(40, 60), slice(50, 51):
        with pytest.raises(DamagedShardError, match=r"000000001.npy \(samples 50 to 100\) is altered"):
            song[key]


@settings(max_examples=40, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True))
def test_a_shard_cut_short_is_refused(new_folder, write_shards, make_samples, place) -> None:
    folder = write_shards(new_folder(), make_samples(450))
    path = folder / "song-000001.tar"
    size = path.stat().st_size
    os.truncate(path, int(place * size))

    with pytest.raises(DamagedShardError, match=rf"song-000001.tar: has \d+ bytes where the index says {size}"):
        Song.open(folder)


def test_a_shard_cut_short_behind_our_back_is_refused(shards: Path) -> None:
    song = Song.open(shards)
    os.truncate(shards / "song-000002.tar", 100)

    with pytest.raises(DamagedShardError, match=r"song-000002.tar: has 100 bytes"):
        song[310:320]
    with pytest.raises(DamagedShardError, match=r"song-000002.tar: has 100 bytes"):
        song.verify()


def test_a_missing_shard_is_named(shards: Path) -> None:
    (shards / "song-000003.tar").unlink()

    with pytest.raises(DamagedShardError, match=r"song-000003.tar: missing"):
        Song.open(shards)


def test_a_folder_in_the_place_of_a_shard_is_refused(shards: Path) -> None:
    (shards / "song-000003.tar").unlink()
    (shards / "song-000003.tar").mkdir()

    with pytest.raises(DamagedShardError, match=r"song-000003.tar: has"):
        Song.open(shards)


def test_shards_that_changed_places_are_noticed(shards: Path) -> None:
    one, two, aside = (shards / name for name in ("song-000001.tar", "song-000002.tar", "aside"))
    one.rename(aside)
    two.rename(one)
    aside.rename(two)
    song = Song.open(shards)

    with pytest.raises(DamagedShardError, match=r"song-000001.tar: member 000000003.npy"):
        song.verify()
    with pytest.raises(DamagedShardError, match=r"song-000002.tar: member 000000006.npy"):
        song[300:301]


def test_another_song_in_place_of_the_index_is_noticed(shards, write_shards, make_samples, tmp_path) -> None:
    other = write_shards(tmp_path / "other", make_samples(1000, seed=1))
    song = Song.open(shards)
    shutil.copy(other / "index.json", shards / "index.json")

    with pytest.raises(IndexFileError, match="changed since it was opened"):
        song.verify()
    with pytest.raises(DamagedShardError, match=r"000000000.npy"):
        Song.open(shards)[0:1]


@pytest.mark.parametrize("key", ["digest", "statistics"])
def test_an_index_that_belies_the_samples_is_noticed(shards, seal, key) -> None:
    document = json.loads((shards / "index.json").read_bytes())
    if key == "digest":
        document["digest"] = "ab" * 32
    else:
        document["statistics"]["sum"] += 1
    (shards / "index.json").write_bytes(seal(document))

    with pytest.raises(IndexFileError, match="not those of the samples"):
        Song.open(shards).verify()


def test_all_errors_of_shards_have_one_root() -> None:
    assert issubclass(DamagedShardError, ShardError)
    assert issubclass(IndexFileError, ShardError)


@pytest.mark.parametrize("encoding", ["npy", "flac"])
def test_what_is_given_of_a_member_cannot_be_written_into(make_song, samples, encoding) -> None:
    song = make_song(samples, encoding=encoding)
    run = song[5:15]
    with pytest.raises(ValueError, match="read-only"):
        run[:] = 0
    assert np.array_equal(song[5:15], samples[5:15])


def test_a_forked_process_reads_although_a_thread_of_its_parent_was_reading(make_song, samples) -> None:
    """The locks may be in the hands of threads that the child does not have."""
    song = make_song(samples)
    windows = Windows(song, 5, 4)
    windows.read([3, 1])
    with song._lock, windows._buffers._lock, Blocks._loading, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of newer Pythons, about just this
        child = multiprocessing.get_context("fork").Process(target=_read_in_child, args=(windows,))
        child.start()
        child.join(20)
    hangs = child.is_alive()
    if hangs:
        child.kill()
    assert not hangs
    assert child.exitcode == 0


def _read_in_child(windows: Windows) -> None:
    first = windows.read([3, 1])[0].copy()
    os._exit(0 if np.array_equal(windows.read([3, 1])[0], first) else 1)


def test_another_song_in_its_place_is_not_taken_for_it(shards, write_shards, make_samples, tmp_path) -> None:
    sent = pickle.dumps(Song.open(shards))
    assert pickle.loads(sent).digest == Song.open(shards).digest
    shutil.rmtree(shards)
    write_shards(shards, make_samples(1000, seed=9))
    with pytest.raises(IndexFileError, match="holds another song than it did"):
        pickle.loads(sent)


def test_a_pickled_song_knows_its_place(shards, monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(shards.parent)
    sent = pickle.dumps(Song.open(shards.name))
    monkeypatch.chdir(tmp_path.parent)
    assert len(pickle.loads(sent)) == 1000


def test_too_many_open_files_are_no_damage(shards, samples, monkeypatch) -> None:
    """Shards that were mapped are let go; where there is none, the limit is named."""
    opened, real = [], os.open

    def limited(path, *rest, **more):
        if str(path).endswith(".tar"):
            if len(opened) % 2:
                opened.append("refused")
                raise OSError(errno.EMFILE, "Too many open files", str(path))
            opened.append(path)
        return real(path, *rest, **more)

    song = Song.open(shards)
    monkeypatch.setattr(os, "open", limited)
    assert np.array_equal(song[0:140], samples[0:140])
    assert np.array_equal(song[200:240], samples[200:240])  # refused once, and then again asked for
    monkeypatch.setattr(os, "open", lambda path, *rest, **more: limited("x.tar"))
    opened[:] = ["one"]
    with pytest.raises(StorageError, match=r"ulimit -n"):
        Song.open(shards)[0:10]
