"""Statistics of a song: computed in pieces, kept whole, and refused where they are of another."""

from __future__ import annotations

import io
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from made_sounds import RATE, int16, music, white

from longsong.audit.short_time import Analysis
from longsong.audit.song_statistics import (
    SongStatistics,
    compute_song_statistics,
    load_song_statistics,
    song_statistics,
    statistics_file,
)
from longsong.audit.spectra import SpectralTally
from longsong.errors import ConfigError, RunError
from streams import ArraySong

SAMPLES = music(30, seed=4)
SONG = ArraySong(SAMPLES, RATE)
TRAIN = 27 * RATE + 123


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    song_statistics(tmp_path, SONG, TRAIN)
    return statistics_file(tmp_path, SONG, TRAIN)


def same(a: SongStatistics, b: SongStatistics) -> bool:
    arrays = [(a.pattern.rows, b.pattern.rows)]
    for one, other in ((a.train, b.train), (a.dev, b.dev)):
        assert one is not None
        assert other is not None
        assert (one.windows, one.mean_square, one.flatness) == (other.windows, other.mean_square, other.flatness)
        arrays += [(getattr(one, key), getattr(other, key)) for key in ("log_power", "mel_mean", "mel_covariance")]
    keys = ("digest", "sample_rate", "samples", "train_samples")
    return all(getattr(a, key) == getattr(b, key) for key in keys) and all(np.array_equal(*pair) for pair in arrays)


def test_splits_are_told_apart() -> None:
    found = compute_song_statistics(SONG, TRAIN)
    for moments, samples in ((found.train, SAMPLES[:TRAIN]), (found.dev, SAMPLES[TRAIN:])):
        tally = SpectralTally(Analysis(RATE))
        for powers in Analysis(RATE).powers(samples):
            tally.add(powers)
        due = tally.moments()
        assert moments is not None
        assert due is not None
        assert moments.windows == due.windows
        np.testing.assert_allclose(moments.mel_mean, due.mel_mean, rtol=1e-6)
    assert found.train.mean_square == pytest.approx(np.mean(np.square(SAMPLES[:TRAIN] / 32768)), rel=0.02)
    assert len(found.pattern.rows) * found.pattern.step <= TRAIN


def test_what_is_kept_is_what_was_computed(tmp_path: Path) -> None:
    read = []
    first = song_statistics(tmp_path, SONG, TRAIN, read.append)
    assert read == sorted(read)
    assert TRAIN < read[-1] <= len(SONG)
    read.clear()
    assert same(song_statistics(tmp_path, SONG, TRAIN, read.append), first)
    assert read == []
    assert [path.name for path in tmp_path.iterdir()] == [statistics_file(tmp_path, SONG, TRAIN).name]


def test_each_song_and_split_has_a_file(tmp_path: Path) -> None:
    other = ArraySong(SAMPLES[::-1], RATE)
    assert len({statistics_file(tmp_path, song, at) for song in (SONG, other) for at in (TRAIN, TRAIN + 1)}) == 4


def test_statistics_of_another_song_or_split_are_refused(kept: Path) -> None:
    with pytest.raises(RunError, match="another song"):
        load_song_statistics(kept, ArraySong(SAMPLES[:-1], RATE), TRAIN)
    with pytest.raises(RunError, match=r"train split of 432,123 samples, not 432,122"):
        load_song_statistics(kept, SONG, TRAIN - 1)
    with pytest.raises(RunError, match="there is no"):
        load_song_statistics(kept.with_name("none.npz"), SONG, TRAIN)


def rewritten(path: Path, **changes: object) -> None:
    """Write the file again with some fields of its text changed."""
    with np.load(path) as file:
        arrays = dict(file)
    meta = json.loads(str(arrays["meta"])) | changes
    out = io.BytesIO()
    np.savez(out, **(arrays | {"meta": np.array(json.dumps(meta))}))
    path.write_bytes(out.getvalue())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": 2}, "version 2"),
        ({"format": "other"}, "format 'other'"),
        ({"train": None}, "no statistics of a train split"),
        ({"sample_rate": 8000}, "log_power"),
        ({"sample_rate": "fast"}, "altered"),
        ({"digest": "0" * 64}, "another song"),
    ],
)
def test_another_version_or_kind_is_refused_by_name_and_made_again(
    kept: Path, change: dict[str, object], says: str
) -> None:
    due = load_song_statistics(kept, SONG, TRAIN)
    rewritten(kept, **change)
    with pytest.raises(RunError, match=says) as caught:
        load_song_statistics(kept, SONG, TRAIN)
    assert kept.name in str(caught.value)
    assert same(song_statistics(kept.parent, SONG, TRAIN), due)
    assert same(load_song_statistics(kept, SONG, TRAIN), due)


@pytest.mark.parametrize("share", [0, 0.2, 0.9, 0.999])
def test_a_file_that_is_cut_short_is_refused_and_made_again(kept: Path, share: float) -> None:
    due, content = load_song_statistics(kept, SONG, TRAIN), kept.read_bytes()
    kept.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(RunError, match="cut short"):
        load_song_statistics(kept, SONG, TRAIN)
    assert same(song_statistics(kept.parent, SONG, TRAIN), due)
    assert kept.read_bytes() == content


def test_an_altered_byte_is_noticed(kept: Path) -> None:
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    kept.write_bytes(content)
    with pytest.raises(RunError, match="altered"):
        load_song_statistics(kept, SONG, TRAIN)


def test_a_pickle_is_not_loaded(kept: Path) -> None:
    """An array of objects would run what it holds."""
    out = io.BytesIO()
    np.savez(out, meta=np.array([{}], dtype=object))
    kept.write_bytes(out.getvalue())
    with pytest.raises(RunError, match="pickle"):
        load_song_statistics(kept, SONG, TRAIN)


def test_references_lie_in_their_order() -> None:
    """Music of one kind is nearer to itself than noise, and noise nearer than silence."""
    found = compute_song_statistics(SONG, TRAIN).frechet_references()
    assert found["floor"] is not None
    assert 0 < found["floor"] < found["white_noise"] < found["silence"]


def test_noise_is_that_of_a_song_of_noise() -> None:
    """A song of white noise is as far from the reference as two pieces of noise are."""
    song = ArraySong(white(1234, 20, seed=8), RATE)
    found = compute_song_statistics(song, 15 * RATE).frechet_references()
    assert found["white_noise"] < 6 < 100 < found["silence"]
    quiet = ArraySong(int16(song[0 : len(song)] / 10.0), RATE)
    assert compute_song_statistics(quiet, 15 * RATE).frechet_references()["white_noise"] < 6


def test_the_floor_is_that_of_the_dev_split_against_the_train_split() -> None:
    """A dev split ten times softer is 20 dB off in each of 64 bands: 20 times the root of 64."""
    loud = white(9000, 20, seed=9)
    song = ArraySong(np.concatenate([loud, int16(loud / 10.0)]), RATE)
    assert compute_song_statistics(song, len(loud)).frechet_references()["floor"] == pytest.approx(160, rel=0.01)


def test_a_dev_split_of_nothing_has_no_floor() -> None:
    found = compute_song_statistics(SONG, len(SONG))
    assert found.dev is None
    assert found.frechet_references()["floor"] is None


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="train-samples"):
        compute_song_statistics(SONG, len(SONG) + 1)
    with pytest.raises(ConfigError, match="need 1,024"):
        compute_song_statistics(SONG, 1000)


def test_memory_does_not_grow_with_the_song() -> None:
    """A song four times as long takes little more than its pattern does."""

    class Again:
        """The same samples over and over, none of them held twice."""

        sample_rate, digest = RATE, ""

        def __len__(self) -> int:
            return 8 * len(SAMPLES)

        def __getitem__(self, key: slice) -> np.ndarray:
            return np.take(SAMPLES, np.arange(key.start, key.stop), mode="wrap")

    def peak(song: object, train: int) -> int:
        tracemalloc.start()
        try:
            compute_song_statistics(song, train)  # type: ignore[arg-type]
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    long = Again()
    short, all_of_it = peak(long, len(long) // 4), peak(long, len(long))
    assert all_of_it < short + 0.5 * len(long)  # bytes a sample; as float32 it would take 4
