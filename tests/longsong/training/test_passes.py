"""Overlapping examples (D07): the list of all passes, its splits, and what they share."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_song import tune

import streams
from longsong import DataConfig
from longsong.audit.passes import examples_due, first_samples, heard_in_training
from longsong.training.passes import PassWindows, split_passes
from longsong.training.splits import Splits

SAMPLES = tune(2_000)
SONG = streams.ArraySong(SAMPLES, 16_000)


@st.composite
def layouts(draw):
    """Give a frame, a sequence and a shift that goes into an example, 2 times or more."""
    frame, seq = draw(st.integers(1, 12)), draw(st.integers(2, 9))
    shifts = [shift for shift in range(1, frame * seq) if frame * seq % shift == 0]
    return DataConfig(frame, seq, example_shift=draw(st.sampled_from(shifts)))


@settings(max_examples=60, deadline=None)
@given(layout=layouts(), train=st.integers(200, 1_900))
def test_each_example_is_a_slice_of_the_song_and_each_is_in_one_split(layout, train):
    length = layout.frame * layout.seq
    splits = split_passes(SONG, layout, train)
    starts = [[windows.first_sample(i) for i in range(len(windows))] for windows in splits]
    every = [
        at
        for first in range(0, length, layout.example_shift)
        for at in range(first, len(SAMPLES) - length - layout.frame + 1, length)
    ]
    assert starts[0] + starts[1] == every
    assert len(starts[0]) == len(every) * train // len(SAMPLES)
    for windows, own in zip(splits, starts, strict=True):
        chosen = np.random.default_rng(0).permutation(len(own))[:7]
        raw = windows.read_samples(chosen)
        for row, i in zip(raw, chosen, strict=True):
            np.testing.assert_array_equal(row.reshape(-1), SAMPLES[own[i] : own[i] + length + layout.frame])
        inputs, targets = windows.read(chosen)
        exact = raw.astype(np.float32) * np.float32(windows.normaliser.scale) + np.float32(windows.normaliser.offset)
        np.testing.assert_array_equal(inputs, exact[:, :-1])
        np.testing.assert_array_equal(targets, exact[:, 1:])
        if own:
            first, stop = windows.samples_of(0, len(own))
            assert (first, stop) == (min(own), max(own) + length + layout.frame)
        heard = np.zeros(len(SAMPLES), int)
        for at in own:
            heard[at + layout.frame : at + layout.frame + length] += 1
        runs = np.zeros(len(SAMPLES), int)
        for begin, end in windows.target_runs():
            runs[begin:end] += 1
        np.testing.assert_array_equal(runs, heard)
    # The audit counts on its own.
    config = {"song.samples": len(SAMPLES), "data.train_samples": train, "data.hop": splits[0].hop}
    config |= {f"data.{key}": value for key, value in layout.to_json().items() if key != "train_samples"}
    run = SimpleNamespace(of=config.__getitem__, config={"data": layout.to_json()})
    assert examples_due(run) == tuple(map(len, starts))
    for split, own in zip(("train", "dev"), starts, strict=True):
        assert first_samples(run, split).tolist() == own
    shares = [any(abs(at - other) < length for other in starts[0]) for at in starts[1]]
    assert heard_in_training(run) == sum(shares)


def test_the_dev_split_is_heard_in_training():
    layout = DataConfig(20, 5, example_shift=50)
    config = {"song.samples": len(SAMPLES), "data.train_samples": 1_800, "data.frame": 20, "data.seq": 5}
    run = SimpleNamespace(of=config.__getitem__, config={"data": layout.to_json()})
    assert heard_in_training(run) == len(first_samples(run, "dev")) > 0


@pytest.mark.parametrize("example", [-1, 19, 10**6])
def test_there_is_no_such_example(example):
    train, _ = split_passes(SONG, DataConfig(20, 5, example_shift=50), 1_000)
    assert len(train) == 19
    for read in (train.read, train.read_samples, lambda rows: train.first_sample(rows[0])):
        with pytest.raises(streams.WindowError, match=f"example is {example}"):
            read([example])


def test_a_state_of_other_splits_is_refused():
    layout = DataConfig(20, 5, example_shift=50)
    train, dev = split_passes(SONG, layout, 1_000)
    other, _ = split_passes(SONG, layout, 1_001 + 100)

    def stream(windows):
        return streams.DataStream(windows, streams.ShuffledScheme(len(windows), 4))

    state = stream(train).state_dict()
    stream(train).load_state_dict(state)
    for windows in (other, dev, streams.Windows(SONG, 20, 5, 50)):
        with pytest.raises(streams.StateError):
            stream(windows).load_state_dict(state)


def test_a_list_cut_nowhere_is_the_whole_list():
    layout = DataConfig(20, 5, example_shift=25)
    assert len(PassWindows(SONG, layout)) == len(streams.Windows(SONG, 20, 5, 25))


@pytest.mark.parametrize("shift", [None, 25, 50])
@pytest.mark.parametrize("mean_shift", [False, True])
def test_baselines_are_those_of_the_examples(shards, shift, mean_shift):
    splits = Splits.open(shards, DataConfig(20, 5, example_shift=shift, mean_shift=mean_shift))
    targets = np.concatenate([splits.dev.read([i])[1].reshape(-1) for i in range(len(splits.dev))]).astype(float)
    song = splits.song[: splits.data.train_samples].astype(float)
    mean = (song * splits.train.normaliser.scale + splits.train.normaliser.offset).mean()
    found = splits.baselines()
    assert found["cost_of_zero"] == pytest.approx(np.mean(targets**2), rel=1e-6)
    assert found["cost_of_mean"] == pytest.approx(np.mean((targets - mean) ** 2), rel=1e-6)
    assert splits.counts["hop"] == (shift or 100)


def test_the_shift_by_the_mean_is_that_of_2016(shards):
    shifted = Splits.open(shards, DataConfig(20, 5, mean_shift=True))
    samples = shifted.song[:1000].astype(float)
    known = shifted.song.statistics
    due = 2 * (samples - known.mean - known.minimum) / (known.maximum - known.minimum) - 1
    frames = [shifted.train.read([i])[0].reshape(-1) for i in range(10)]
    np.testing.assert_allclose(np.concatenate(frames), due, rtol=0, atol=1e-6)
    plain = Splits.open(shards, DataConfig(20, 5))
    assert known.mean != 0
    assert shifted.dev.normaliser == shifted.train.normaliser != plain.train.normaliser
    assert shifted.train.normaliser.scale == plain.train.normaliser.scale
