"""Figures of a run's sounds and predictions, where they are looked for."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import longsong
from longsong import DataConfig, ExecutionConfig, ModelConfig, RunConfig, TrainingConfig
from longsong.audit import song_statistics
from longsong.generated import generate_into
from longsong.generating import Generating
from longsong.judging import judge_prediction, judge_sound
from longsong.training.record import read_summary

FRAME, SEQ = 20, 50


@pytest.fixture(scope="module")
def run(shards, tmp_path_factory):
    folder = tmp_path_factory.mktemp("judged")
    shutil.copytree(shards, folder / "shards" / "tune")
    config = RunConfig(
        folder / "shards" / "tune",
        DataConfig(FRAME, SEQ),
        ModelConfig(hidden=8),
        TrainingConfig(epochs=3, learning_rate=0.05),
        ExecutionConfig(device="cpu", threads=1, precision="float64"),
        folder / "runs" / "run",
    )
    return longsong.load_run(longsong.train(config, quiet=True))


def test_figures_are_in_the_record_the_summary_and_tensorboard(run):
    wav, generated = generate_into(run, how=Generating(1.0), quiet=True)
    figures = json.loads(wav.with_suffix(".json").read_text())["sound"]
    assert figures["format"] == "longsong.sound"
    assert figures["samples"] == 16_000
    assert read_summary(run.folder)["sounds"] == {"generated": figures}

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run.folder))
    events.Reload()
    (ratio,) = events.Scalars("generated/sound/borders/step_ratio")
    assert ratio.value == pytest.approx(figures["borders"]["step_ratio"])
    assert ratio.step == run.epoch
    generate_into(run, how=Generating(1.0, "carry"), quiet=True)
    assert set(read_summary(run.folder)["sounds"]) == {"generated", "generated-carry"}


def test_statistics_of_the_song_are_computed_once(run, monkeypatch):
    samples = run.generate(1.0).samples
    first = judge_sound(run, samples, quiet=True)
    assert first["spectrum"]["frechet_log_mel"] > 0
    assert list(run.folder.parent.glob("song-statistics-*.npz"))

    def again(*_: object) -> None:
        raise AssertionError("computed a second time")

    monkeypatch.setattr(song_statistics, "compute_song_statistics", again)
    assert judge_sound(run, samples, quiet=True) == first


def test_where_the_song_is_not_here_nothing_is_compared_and_it_says_so(run, tmp_path):
    samples, shards = run.generate(1.0).samples, run.folder.parent.parent / "shards"
    away = shards.rename(tmp_path / "away")
    try:
        figures = judge_sound(run, samples, quiet=True)
        assert figures["spectrum"] is None
        assert "are not here" in figures["without_song"]
        assert judge_prediction(run) is None
    finally:
        away.rename(shards)


def test_a_sound_that_collapses_is_noted_with_the_second(run, tmp_path, monkeypatch):
    pieces = longsong.generating.Sounds.__iter__

    def fading(self):
        for number, piece in enumerate(pieces(self)):
            yield piece * 0 if number >= 5 else np.random.default_rng(number).integers(-9000, 9000, piece.shape, "i2")

    monkeypatch.setattr(longsong.generating.Sounds, "__iter__", fading)
    _, generated = generate_into(run, tmp_path / "a.wav", how=Generating(2.0), quiet=True)
    assert generated.record["sound"]["collapse"]["second"] == pytest.approx(5 * 64 * FRAME / 16_000, abs=0.01)
    assert any(note.startswith("From second 0.4") for note in generated.record["notes"])


def test_predictions_ahead_begin_alike_and_the_baselines_are_those_of_the_split(run):
    judged = judge_prediction(run)
    horizon, baselines = judged["horizon"], judged["baselines"]
    # The first frame ahead is predicted from true frames alone, both ways.
    assert horizon["free"][0] == pytest.approx(horizon["forced"][0], rel=1e-9)
    assert horizon["seconds"][0] == FRAME / 16_000
    assert len(horizon["free"]) == SEQ - SEQ // 2 + 1
    splits = run.splits()
    _, targets = splits.dev.read(np.arange(len(splits.dev)))
    assert baselines["zero"] == pytest.approx(float(np.mean(np.square(targets, dtype=np.float64))), rel=1e-6)
    assert baselines["linear"] < baselines["zero"]
