"""Train and dev examples, and the costs that a network has to beat (FACTS sections 2 and 5)."""

from __future__ import annotations

import numpy as np
import pytest
from small_song import tune

import streams
from longsong.config import DataConfig
from longsong.errors import ConfigError
from longsong.training.splits import Splits

SAMPLES = 31_600


def test_counts_and_streams(shards):
    splits = Splits.open(shards, DataConfig(20, 5, batch=100))
    split = SAMPLES * 160_000_000 // 174_224_000
    assert splits.data.train_samples == split
    assert splits.counts == {
        "hop": 100,
        "train_examples": split // 100,
        "dev_examples": (SAMPLES - split - 20) // 100,
        "updates_per_epoch": -(-split // 100 // 100),
    }
    first = next(streams.ShuffledScheme(split // 100, 100, 7).get_request_iterator())
    stream = splits.train_stream(7)
    inputs, _ = next(stream.get_epoch_iterator())
    np.testing.assert_array_equal(stream.indices, first)
    np.testing.assert_array_equal(inputs, splits.train.read(first)[0])


@pytest.mark.parametrize("normalise", ["minmax", "stdev", "none"])
@pytest.mark.parametrize("train_samples", [None, SAMPLES - 20])  # the second leaves no dev example
def test_baselines_are_the_costs_of_predicting_a_constant(shards, normalise, train_samples):
    splits = Splits.open(shards, DataConfig(20, 5, normalise=normalise, train_samples=train_samples))
    samples, normaliser = tune(SAMPLES).astype(np.float64), splits.train.normaliser
    normalised = samples * normaliser.scale + normaliser.offset
    mean = normalised[: splits.data.train_samples].mean()
    windows = splits.dev if len(splits.dev) else splits.train
    _, targets = windows.read(np.arange(len(windows)))
    exact = normalised[windows.start + 20 :][: targets.size]
    baselines = splits.baselines()
    assert baselines["cost_of_zero"] == pytest.approx(np.mean(exact**2), rel=1e-9)
    assert baselines["cost_of_mean"] == pytest.approx(np.mean((exact - mean) ** 2), rel=1e-9)
    assert baselines["cost_of_zero"] == pytest.approx(np.mean(targets.astype(np.float64) ** 2), rel=1e-5)


def test_the_record_of_the_song_says_how_samples_become_numbers(shards):
    splits = Splits.open(shards, DataConfig(20, 5))
    record = splits.song_record(shards)
    assert record["minimum"] * record["scale"] + record["offset"] == pytest.approx(-1, abs=1e-6)
    assert record["maximum"] * record["scale"] + record["offset"] == pytest.approx(1, abs=1e-6)
    assert (record["name"], record["samples"], record["digest"]) == ("tune", SAMPLES, splits.song.digest)


def test_what_does_not_fit(shards):
    with pytest.raises(ConfigError, match="train-samples is 31,601"):
        Splits.open(shards, DataConfig(20, 5, train_samples=SAMPLES + 1))
    with pytest.raises(ConfigError, match="needs"):
        Splits.open(shards, DataConfig(20, 5, train_samples=99))
