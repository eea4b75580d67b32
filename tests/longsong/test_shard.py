"""Audio files to shards: whatever goes in comes out of `streams.Song`, or nothing is left behind."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

import longsong
from longsong import space
from longsong.audio import read_mono
from longsong.errors import AudioError, ConfigError, SpaceError
from longsong.shard import shard_song
from streams import Song, WriteError

SMALL = {"block_samples": 700, "blocks_per_shard": 3, "quiet": True}


def store(path: Path, seconds: float, rate: int = 16_000, seed: int = 0, subtype: str = "PCM_16") -> Path:
    noise = np.random.default_rng(seed).uniform(-0.9, 0.9, round(seconds * rate))
    soundfile.write(path, noise, rate, subtype=subtype)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_several_files_in_order_are_one_song(tmp_path):
    files = [store(tmp_path / "b.wav", 0.5, seed=1), store(tmp_path / "a.flac", 0.3, 44_100, seed=2)]
    song = Song.open(shard_song(files, tmp_path / "out" / "song", **SMALL))
    parts = [read_mono(file) for file in files]
    np.testing.assert_array_equal(song[0 : len(song)], np.concatenate(parts))
    assert song.sample_rate == 16_000
    assert len(song.index.shards) == 7
    first, second = song.index.source
    assert (first["name"], second["name"]) == ("b.wav", "a.flac")
    assert (first["start"], first["samples"], second["start"], second["samples"]) == (0, 8000, 8000, 4800)
    assert second["sha256"] == hashlib.sha256(files[1].read_bytes()).hexdigest()
    assert (second["sample_rate"], second["channels"], second["frames"]) == (44_100, 1, 13_230)
    assert second["format"] == "FLAC/PCM_16"
    assert second["bytes"] == files[1].stat().st_size


def test_the_same_song_gives_the_same_bytes_wherever_it_lies(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    here = store(tmp_path / "a.wav", 0.4)
    there = tmp_path / "elsewhere" / "a.wav"
    there.write_bytes(here.read_bytes())
    one = shard_song([here], tmp_path / "one", **SMALL)
    two = shard_song([there], tmp_path / "elsewhere" / "two", **SMALL)
    assert contents(one) == contents(two)
    made_by = json.loads((one / "index.json").read_text())["made_by"]
    assert made_by["command"] == ["longsong", "shard", "a.wav"]
    assert set(made_by["versions"]) == {"longsong", "libsndfile", "numpy", "soundfile", "soxr", "webdataset"}
    assert str(tmp_path) not in (one / "index.json").read_text()


@pytest.mark.parametrize(("seconds", "samples"), [(0.3, 4800), (0.7, 11_200), (0.5, 8000)])
def test_the_first_seconds_of_the_song_are_taken(tmp_path, seconds, samples):
    files = [store(tmp_path / "a.wav", 0.5, seed=1), store(tmp_path / "b.wav", 0.5, seed=2)]
    song = Song.open(shard_song(files, tmp_path / "song", seconds=seconds, **SMALL))
    whole = np.concatenate([read_mono(file) for file in files])
    np.testing.assert_array_equal(song[0 : len(song)], whole[:samples])
    assert sum(entry["samples"] for entry in song.index.source) == samples
    assert song.index.made_by["command"] == ["longsong", "shard", "a.wav", "b.wav", "--seconds", f"{seconds:g}"]


def test_a_song_shorter_than_asked_for_is_taken_whole_and_that_is_said(tmp_path, capsys):
    song = Song.open(shard_song([store(tmp_path / "a.wav", 2)], tmp_path / "song", seconds=60))
    assert len(song) == 32_000
    said = capsys.readouterr().err
    assert "2.0 s long, shorter than the 1 min 0 s asked for" in said


def test_what_is_done_is_not_done_again(tmp_path, capsys):
    file = store(tmp_path / "a.wav", 0.4)
    out = shard_song([file], tmp_path / "song", **SMALL)
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert shard_song([file], out, **(SMALL | {"quiet": False})) == out
    assert "already" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before


@pytest.mark.parametrize(
    "changed", [{"seconds": 0.2}, {"block_samples": 701}, {"blocks_per_shard": 4}, {"sample_rate": 8000}]
)
def test_shards_with_other_settings_are_not_touched(tmp_path, changed):
    file = store(tmp_path / "a.wav", 0.4)
    out = shard_song([file], tmp_path / "song", **SMALL)
    before = contents(out)
    with pytest.raises(WriteError, match=r"other settings.*another folder"):
        shard_song([file], out, **(SMALL | changed))
    assert contents(out) == before


def test_shards_of_another_song_and_other_folders_are_not_touched(tmp_path):
    out = shard_song([store(tmp_path / "a.wav", 0.4)], tmp_path / "song", **SMALL)
    with pytest.raises(WriteError, match=r"another song \(a\.wav\).*another folder"):
        shard_song([store(tmp_path / "b.wav", 0.4, seed=9)], out, **SMALL)
    other = tmp_path / "letters"
    other.mkdir()
    (other / "letter.txt").write_text("dear")
    with pytest.raises(WriteError, match="not empty"):
        shard_song([tmp_path / "a.wav"], other, **SMALL)
    assert contents(other) == {"letter.txt": b"dear"}


def test_damaged_shards_are_named_and_not_taken_for_done(tmp_path):
    file = store(tmp_path / "a.wav", 0.4)
    out = shard_song([file], tmp_path / "song", **SMALL)
    (out / "song-000001.tar").unlink()
    with pytest.raises(WriteError, match=r"cannot be used.*song-000001\.tar.*remove it"):
        shard_song([file], out, **SMALL)


def test_all_files_are_looked_at_before_anything_is_written(tmp_path, monkeypatch):
    good, bad = store(tmp_path / "a.wav", 0.4), tmp_path / "b.wav"
    bad.write_text("no sound at all")
    monkeypatch.setattr("longsong.shard.ShardWriter", None)  # would fail if it were reached
    with pytest.raises(AudioError, match=r"b\.wav is not audio"):
        shard_song([good, bad], tmp_path / "out" / "song", **SMALL)
    assert not (tmp_path / "out").exists()


def test_a_file_found_bad_while_it_is_decoded_leaves_nothing(tmp_path):
    samples = np.zeros(32_000)
    samples[30_000] = np.nan
    soundfile.write(tmp_path / "b.wav", samples, 16_000, subtype="FLOAT")
    out = tmp_path / "out"
    with pytest.raises(AudioError, match=r"b\.wav has a sample that is nan at 1\.875 s"):
        shard_song([store(tmp_path / "a.wav", 0.4), tmp_path / "b.wav"], out / "song", **SMALL)
    assert not list(out.iterdir())


def test_a_disk_that_will_be_too_small_is_named_before_anything_is_written(tmp_path, monkeypatch):
    file = store(tmp_path / "a.wav", 20)
    monkeypatch.setattr(space, "free_bytes", lambda _: (16 << 20) + 640_000)
    with pytest.raises(SpaceError, match=r"song needs .* bytes\), and .*17,417,216 bytes\) are free") as caught:
        shard_song([file], tmp_path / "song", quiet=True)
    assert not (tmp_path / "song").exists()
    # The estimate in the message is no less than what the shards take, and not much more.
    monkeypatch.undo()
    out = shard_song([file], tmp_path / "song", quiet=True)
    needed = int(str(caught.value).split("(")[1].split(" ")[0].replace(",", ""))
    assert 0.9 * needed < sum(map(len, contents(out).values())) <= needed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"seconds": 0}, "seconds"),
        ({"seconds": -2.5}, "-2.5"),
        ({"seconds": float("nan")}, "nan"),
        ({"seconds": 1e-7}, "1e-07"),
        ({"sample_rate": 0}, "sample rate"),
        ({"block_samples": 0}, "block samples"),
        ({"blocks_per_shard": -1}, "-1"),
    ],
)
def test_numbers_that_cannot_be_are_refused(tmp_path, arguments, says):
    with pytest.raises(ConfigError, match=says):
        shard_song([store(tmp_path / "a.wav", 0.1)], tmp_path / "song", **(SMALL | arguments))
    with pytest.raises(ConfigError, match="no audio file"):
        shard_song([], tmp_path / "song")


def test_where_nothing_can_be_written_is_named(tmp_path):
    file = store(tmp_path / "a.wav", 0.1)
    with pytest.raises(WriteError, match=r"a\.wav"):
        shard_song([file], file / "song", **SMALL)  # a file is no folder


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupt_leaves_nothing_that_looks_finished(tmp_path, ending):
    """A process is stopped once it has written shards; started again, it makes the song whole."""
    file, out = store(tmp_path / "a.wav", 30), tmp_path / "out" / "song"
    options = {"block_samples": 2000, "blocks_per_shard": 2, "quiet": True}
    program = (
        "import signal, sys, time, pathlib, longsong.shard as s\n"
        # A shell that runs these tests in the background has them ignore it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "read = s.read_blocks\n"
        "def slowly(*a, **k):\n"
        "    for block in read(*a, block=4000, **k):\n"
        "        time.sleep(0.02)\n"
        "        yield block\n"
        "s.read_blocks = slowly\n"
        f"s.shard_song([pathlib.Path(sys.argv[1])], pathlib.Path(sys.argv[2]), **{options!r})\n"
    )
    root = Path(longsong.__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(file), str(out)], env=environment, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("out/.song*/song-000003.tar")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(ending)
    assert process.wait(60) != 0
    assert not out.exists()
    if ending is signal.SIGINT:
        assert not list(out.parent.iterdir())
    shard_song([file], out, **options)
    assert [path.name for path in out.parent.iterdir()] == ["song"]
    song = Song.open(out)
    song.verify()
    np.testing.assert_array_equal(song[0 : len(song)], read_mono(file))
