"""What `longsong info` says of a song, held against the samples themselves."""

from __future__ import annotations

import re

import numpy as np
import pytest
import soundfile

from longsong.info import describe
from longsong.reported import BATCH, FRAMES, SEQUENCES
from longsong.shard import shard_song
from streams import IndexFileError, Song, Windows, train_samples


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("info")
    for name, seed in (("one.wav", 1), ("two.flac", 2)):
        noise = np.random.default_rng(seed).normal(0, 3000, 600_000).astype(np.int16)
        soundfile.write(place / name, noise, 16_000)
    return shard_song([place / "one.wav", place / "two.flac"], place / "song", quiet=True)


def test_length_rate_and_statistics_are_those_of_the_samples(folder):
    song = Song.open(folder)
    samples = song[0 : len(song)].astype(np.float64)
    said = describe(folder)
    assert "1,200,000 samples, 1 min 15 s (75.000 s)" in said
    assert re.search(r"rate +16,000 Hz", said)
    rms = np.sqrt(np.mean(samples**2))
    for word, value in {
        "minimum": f"{samples.min():,.0f}",
        "maximum": f"{samples.max():,.0f}",
        "mean": f"{samples.mean():.4f}",
        "deviation": f"{samples.std():.4f}",
        "RMS": f"{rms:.4f} ({20 * np.log10(rms / 32768):.2f} dB",
        "peak": f"{np.abs(samples).max():,.0f}",
    }.items():
        assert re.search(rf"{word} +{re.escape(value)}", said), word


def test_digests_shards_and_sources_are_listed(folder):
    index = Song.open(folder).index
    said = describe(folder)
    assert index.digest in said
    for shard in index.shards:
        assert f"{shard.name}" in said
        assert shard.sha256 in said
    for source in index.source:
        assert source["sha256"] in said
    assert "from 37.500 s to 75.000 s of the song" in said
    assert "made by: longsong shard one.wav two.flac" in said


def test_every_configuration_of_the_post_is_counted(folder):
    song = Song.open(folder)
    train = train_samples(len(song))
    rows = re.findall(r"^ +(\d+) +(\d+) +([\d,.]+) +([\d,]+) +([\d,]+) +(\S.*)$", describe(folder), re.MULTILINE)
    assert [(int(row[0]), int(row[1])) for row in rows] == [(f, s) for f in FRAMES for s in SEQUENCES]
    for frame, seq, seconds, in_train, in_dev, updates in rows:
        shape = {"frame": int(frame), "seq": int(seq)}
        examples = len(Windows(song, **shape, stop=train))
        assert int(in_train.replace(",", "")) == examples
        assert int(in_dev.replace(",", "")) == len(Windows(song, **shape, start=train))
        assert float(seconds.replace(",", "")) == pytest.approx(int(frame) * int(seq) / 16_000, abs=1e-3)
        assert updates == (f"{-(-examples // BATCH):,}" if examples else "does not fit")
    assert any(row[5] == "does not fit" for row in rows)
    assert any(row[4] == "0" and row[3] != "0" for row in rows)


def test_it_is_no_wider_than_100_columns(folder):
    lines = describe(folder).splitlines()
    assert max(map(len, lines[1:])) <= 100  # the first is the folder's path


def test_a_silent_song_is_described_too(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(20_000, np.int16), 16_000)
    assert "silence" in describe(shard_song([tmp_path / "a.wav"], tmp_path / "song", quiet=True))


def test_a_folder_without_shards_is_refused(tmp_path):
    with pytest.raises(IndexFileError):
        describe(tmp_path)
