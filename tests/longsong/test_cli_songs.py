"""The commands on songs, in folders and at URLs: verify, index, info, train and generate."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import webdataset
from shard_server import serving
from small_song import SAMPLE_RATE, tune, write_shards

from longsong.cli import main
from streams import Song

SAMPLES = 31_600


@pytest.fixture
def song(tmp_path) -> Path:
    return write_shards(tmp_path / "song", tune(SAMPLES))


@pytest.fixture
def served(song, monkeypatch, tmp_path):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "users-cache"))
    with serving({f"/song/{path.name}": path.read_bytes() for path in song.iterdir()}) as server:
        yield server


def run(capsys, *words: object) -> tuple[int, str, str]:
    status = main([str(word) for word in words])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_verify_says_that_all_is_whole(song, served, capsys):
    for place in (song, f"{served.url}/song", f"{song.as_uri()}"):
        status, _, said = run(capsys, "verify", place)
        assert status == 0
        assert "all 3 shards are whole, 31,600 samples" in said
        assert Song.open(song).digest in said


def test_verify_names_all_that_is_wrong_and_exits_with_1(song, served, capsys):
    index = Song.open(song).index
    for shard, member in ((0, 1), (1, 0), (1, 2)):
        path = song / index.shards[shard].name
        data = bytearray(path.read_bytes())
        data[int(index.shards[shard].offsets[member]) + 100] ^= 16
        path.write_bytes(data)
    (song / index.shards[2].name).unlink()
    status, _, said = run(capsys, "verify", song)
    faults = [line for line in said.splitlines() if line.startswith("longsong: ")]
    assert status == 1
    assert len(faults) == 4
    for line, words in zip(
        faults,
        [
            r"song-000000.tar: member 000000001.npy \(samples 5000 to 10000\)",
            r"song-000001.tar: member 000000003.npy \(samples 15000 to 20000\)",
            r"song-000001.tar: member 000000005.npy \(samples 25000 to 30000\)",
            r"song-000002.tar: missing",
        ],
        strict=True,
    ):
        assert re.search(words, line)

    served.files["/song/song-000001.tar"] = (song / "song-000001.tar").read_bytes()
    status, _, said = run(capsys, "verify", f"{served.url}/song")
    assert status == 1
    assert len(re.findall("song-000001.tar: member", said)) == 2


def test_verify_finds_what_lies_between_the_members_and_a_wrong_digest(song, capsys, seal_index):
    path = song / "song-000001.tar"
    data = bytearray(path.read_bytes())
    data[10] ^= 1  # in the name of a member
    path.write_bytes(data)
    status, _, said = run(capsys, "verify", song)
    assert status == 1
    assert "song-000001.tar: altered between its members" in said
    data[10] ^= 1
    path.write_bytes(data)
    seal_index(song, digest="ab" * 32)
    status, _, said = run(capsys, "verify", song)
    assert status == 1
    assert "not those of the samples" in said


@pytest.fixture
def seal_index():
    """Change what an index says, with a digest of itself that agrees."""

    def change(folder: Path, **fields: object) -> None:
        from dataclasses import replace

        index = replace(Song.open(folder).index, **fields)
        (folder / "index.json").write_bytes(index.to_bytes())

    return change


def test_what_is_no_song_cannot_be_verified(tmp_path, capsys):
    status, _, said = run(capsys, "verify", tmp_path)
    assert status == 2
    assert len(said.splitlines()) == 1
    assert "no index.json" in said


@pytest.mark.parametrize("url", ["pipe:cat x", "exec:ls", "foo://host/x", "a::https://host/x"])
def test_urls_that_are_refused_are_one_line(url, capsys):
    status, _, said = run(capsys, "info", url)
    assert (status, len(said.splitlines())) == (2, 1)


def test_tars_of_others_are_indexed_and_then_read_as_any_song(tmp_path, capsys):
    samples, folder = tune(9000), tmp_path / "theirs"
    folder.mkdir()
    with webdataset.TarWriter(str(folder / "part-0.tar")) as tar:
        for number, at in enumerate(range(0, 9000, 2000)):
            tar.write({"__key__": f"{number:03d}", "npy": samples[at : at + 2000]})
    status, _, said = run(capsys, "index", folder)
    assert status == 2  # npy says no rate
    assert "--sample-rate" in said
    assert not (folder / "index.json").exists()
    status, out, said = run(capsys, "index", folder, "--sample-rate", SAMPLE_RATE)
    assert (status, out.strip()) == (0, str(folder / "index.json"))
    assert "9,000 samples in 1 shards" in said
    assert np.array_equal(Song.open(folder)[:], samples)
    assert run(capsys, "verify", folder)[0] == 0
    assert run(capsys, "info", folder)[0] == 0
    assert run(capsys, "index", folder)[0] == 2  # there is one already


def test_flac_shards_hold_the_same_song(tmp_path, capsys):
    source = tmp_path / "source.wav"
    soundfile.write(source, tune(40_000), SAMPLE_RATE)
    places = {encoding: tmp_path / encoding for encoding in ("npy", "flac")}
    for encoding, place in places.items():
        assert run(capsys, "shard", source, "--out", place, "--encoding", encoding)[0] == 0
    songs = {encoding: Song.open(place) for encoding, place in places.items()}
    assert songs["flac"].digest == songs["npy"].digest
    assert songs["flac"].index.made_by["command"][-2:] == ["--encoding", "flac"]
    sizes = {encoding: sum(shard.bytes for shard in song.index.shards) for encoding, song in songs.items()}
    assert sizes["flac"] < 0.9 * sizes["npy"]
    status, _, said = run(capsys, "shard", source, "--out", places["npy"], "--encoding", "flac")
    assert status == 2
    assert "encoding 'npy' and not 'flac'" in said


def fields_of(text: str) -> dict[str, str]:
    return dict(re.findall(r"^  (\S+(?: \S+)?)  +(.*)$", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("frame", "seq", "hop", "start", "stop"),
    [
        (20, 50, None, 0, None),
        (20, 50, 300, 100, 20_000),
        (7, 30, 4001, 3, None),
        (100, 100, None, 0, None),
        (1, 1, 1, 0, None),
    ],
)
def test_info_says_how_windows_lie(song, capsys, frame, seq, hop, start, stop):
    words = ["--frame", frame, "--seq", seq, "--start", start]
    words += [] if hop is None else ["--hop", hop]
    words += [] if stop is None else ["--stop", stop]
    status, out, _ = run(capsys, "info", song, *words)
    assert status == 0
    said = fields_of(out)
    # Counted one by one, from what an example is.
    step, end = hop or frame * seq, SAMPLES if stop is None else stop
    firsts = [
        first
        for first in range(start, SAMPLES, step)
        if first + frame * seq <= end and first + frame * (seq + 1) <= SAMPLES
    ]
    span = frame * (seq + 1)
    index = Song.open(song).index
    assert said["examples"] == f"{len(firsts):,}"
    assert said["first"] == f"samples {firsts[0]:,} to {firsts[0] + span:,}"
    assert said["last"] == f"samples {firsts[-1]:,} to {firsts[-1] + span:,}"
    assert said["left over"].startswith(f"{end - firsts[-1] - frame * seq:,} samples")
    over = {
        name: sum(any(first < border < first + span for border in borders) for first in firsts)
        for name, borders in (
            ("blocks", index.starts[1:-1].tolist()),
            ("shards", [shard.start for shard in index.shards[1:]]),
        )
    }
    assert said["borders"].startswith(
        f"{over['blocks']:,} examples reach over a border of blocks, {over['shards']:,} over one of shards"
    )
    assert said["updates"].startswith(f"{-(-len(firsts) // 128):,} an epoch of mini-batches of 128, the last of ")


def test_info_says_how_much_is_missing_where_nothing_fits(song, capsys):
    status, out, _ = run(capsys, "info", song, "--frame", 1000, "--seq", 31)
    assert status == 0
    assert "none fits: 400 samples are missing for the first" in out
    assert run(capsys, "info", song, "--frame", 1000)[0] == 2
    assert run(capsys, "info", song, "--frame", 0, "--seq", 5)[0] == 2


def test_a_run_is_trained_and_heard_from_a_url(served, tmp_path, capsys):
    url, out, cache = f"{served.url}/song?token=secret", tmp_path / "run", tmp_path / "cache"
    words = ["train", url, "--frame", 20, "--seq", 10, "--hidden", 4, "--epochs", 1, "--out", out]
    status, _, said = run(capsys, *words, "--cache", cache, "--cache-bytes", "100kB")
    assert status == 0, said
    record = json.loads((out / "config.json").read_text())["song"]
    assert (record["name"], record["shards"]) == ("song", f"{served.url}/song")
    held = sum(path.stat().st_size for path in cache.iterdir())
    assert 0 < held <= 100_000
    assert "secret" not in said + "".join(path.read_text() for path in out.rglob("*.json"))
    status, _, said = run(capsys, "generate", out, "--seconds", 0.1)
    assert status == 0, said
    assert (tmp_path / "users-cache" / "longsong").is_dir()  # nobody said another
    assert run(capsys, *words)[0] == 0  # complete: nothing to do


@pytest.mark.parametrize("size", ["0", "-5", "many", "5 apples", "1e9", ""])
def test_a_size_of_the_cache_that_cannot_be(size, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "x", "--frame", "20", "--seq", "5", f"--cache-bytes={size}"])
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert len(said.splitlines()) == 1
    assert "20GiB" in said


def test_what_is_secret_in_a_url_is_in_no_message(served, tmp_path, capsys):
    url = f"{served.url.replace('://', '://user:password@')}/song?sig=hush-hush"
    words = ["train", url, "--hidden", 4, "--out", tmp_path / "run"]
    for more in (
        ["--frame", 100_000, "--seq", 50],
        ["--frame", 20, "--seq", 5, "--train-samples", 10**9],
        ["--frame", 20, "--seq", 5, "--cache", tmp_path / "cache", "--cache-bytes", 1000],
    ):
        status, out, said = run(capsys, *words, *more)
        assert (status, len(said.splitlines())) == (2, 1)
        assert "password" not in out + said
        assert "hush" not in out + said
    with pytest.raises(SystemExit):
        main(["verify", "x", url])
    said = capsys.readouterr().err
    assert "127.0.0.1" in said
    assert "password" not in said
    assert "hush" not in said
    assert not (tmp_path / "run").exists()  # nothing was begun


@pytest.mark.parametrize(
    "words",
    [
        ["shard", "x.wav", "--out", "http://host/x"],
        ["shard", "http://host/x.wav", "--out", "x"],
        ["train", "x", "--frame", "20", "--seq", "5", "--out", "s3://bucket/run"],
        ["train", "x", "--frame", "20", "--seq", "5", "--cache", "s3://bucket/cache"],
        ["index", "https://host/x"],
        ["generate", "https://host/run"],
    ],
)
def test_a_url_where_a_place_on_this_machine_is_meant(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(words)
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert len(said.splitlines()) == 1
    assert "is a URL: give a place on this machine" in said
    assert list(tmp_path.iterdir()) == []
