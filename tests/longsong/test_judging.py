"""Figures of a run's sounds and predictions, where they are looked for."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from small_song import tune, write_shards

import longsong
from longsong import DataConfig, ExecutionConfig, ModelConfig, RunConfig, TrainingConfig, judging
from longsong.audit import song_excerpt, song_statistics
from longsong.generated import generate_each, generate_into
from longsong.generating import Generating
from longsong.judging import Judge, judge_prediction, judge_run
from longsong.training.record import read_summary, write_summary
from streams import DamagedShardError

FRAME, SEQ = 20, 50


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A song of 20 s, of which 1.6 s are the dev split: 26 examples."""
    folder = tmp_path_factory.mktemp("judged")
    write_shards(folder / "shards" / "tune", tune(320_000))
    config = RunConfig(
        folder / "shards" / "tune",
        DataConfig(FRAME, SEQ),
        ModelConfig(hidden=8),
        TrainingConfig(epochs=3, learning_rate=0.05),
        ExecutionConfig(device="cpu", threads=1, precision="float64"),
        folder / "runs" / "run",
    )
    return longsong.load_run(longsong.train(config, quiet=True))


def scalars(run):
    """Give the last value of every scalar of a run's TensorBoard, and the steps of each."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run.folder), size_guidance={"scalars": 0})
    events.Reload()
    found = {tag: events.Scalars(tag) for tag in events.Tags()["scalars"]}
    return {tag: ({event.step: event.value for event in values}) for tag, values in found.items()}, events.Tags()


def leaves(figures, path):
    """Give all numbers of figures by path and step, None for a number by itself."""
    for key, value in figures.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{path}/{key}")
        elif isinstance(value, list):
            yield from ((f"{path}/{key}", step, number) for step, number in enumerate(value, 1) if number is not None)
        elif isinstance(value, int | float) and key != "version":
            yield f"{path}/{key}", None, value


@pytest.fixture
def own(run, tmp_path):
    """The run, in a folder of its own."""
    shutil.copytree(run.folder.parent.parent, tmp_path / "all")
    song = {**run.record.song, "shards": str(tmp_path / "all" / "shards" / "tune")}
    return replace(
        run,
        folder=tmp_path / "all" / "runs" / "run",
        record=replace(run.record, song=song),
        parameters=run.parameters.clone(),
    )


def test_all_figures_are_in_the_record_the_summary_and_tensorboard(own):
    wav, _ = generate_into(own, how=Generating(1.0), quiet=True)
    figures = json.loads(wav.with_suffix(".json").read_text())["sound"]
    assert (figures["format"], figures["version"], figures["samples"]) == ("longsong.sound", 2, 16_000)
    summary = read_summary(own.folder)
    assert summary["sounds"] == {"generated-1s": figures}
    found, tags = scalars(own)
    assert tags["audio"] == ["generated-1s"]
    numbers = [*leaves(figures, "generated-1s/sound"), *leaves(summary["prediction"], "prediction")]
    assert len(numbers) > 100
    for tag, step, value in numbers:
        assert found[tag][own.epoch if step is None else step] == pytest.approx(value, rel=1e-5, abs=1e-30), tag
    for tag in ("prediction/horizon/free", "prediction/baselines/linear", "generated-1s/sound/song/borders/step_ratio"):
        assert tag in found
    generate_into(own, how=Generating(1.0, "carry"), quiet=True)
    assert set(read_summary(own.folder)["sounds"]) == {"generated-1s", "generated-carry-1s"}


def test_sounds_side_by_side_open_the_song_once(own, monkeypatch):
    seeds, opened = own.song_seeds([3, 0, 7]), []
    splits = type(own).splits

    def counted(self, *arguments):
        opened.append(self)
        return splits(self, *arguments)

    monkeypatch.setattr(type(own), "splits", counted)
    monkeypatch.setattr("longsong.generated.judge_run", lambda _: None)
    written = generate_each(own, None, seeds, how=Generating(1.0), quiet=True)
    assert len(opened) == 1
    assert len(list(own.folder.parent.glob("song-*"))) == 2  # statistics, and an excerpt
    names = {f"generated-1s-example-{number}" for number in (3, 0, 7)}
    assert set(read_summary(own.folder)["sounds"]) == names
    assert set(scalars(own)[1]["audio"]) == names
    judge = Judge(own, quiet=True)
    for _, generated in written:
        assert generated.record["sound"] == judge.figures(generated.samples)


def test_the_songs_own_figures_stand_beside_those_of_a_sound(own):
    """The dev split has no borders; a sound that clicks has."""
    clicking = own.generate(1.0).samples.copy()
    clicking[::FRAME] = 9000
    figures = Judge(own, quiet=True).figures(clicking)
    assert figures["borders"]["step_ratio"] > 3
    assert figures["song"]["borders"]["step_ratio"] == pytest.approx(1, abs=0.1)
    assert figures["song"]["start"] >= own.splits().train.stop
    assert "song" not in figures["song"]


def test_statistics_of_the_song_are_computed_once(own, monkeypatch):
    samples = own.generate(1.0).samples
    first = Judge(own, quiet=True).figures(samples)
    assert first["spectrum"]["frechet_log_mel"] > 0

    def again(*_: object) -> None:
        raise AssertionError("computed a second time")

    monkeypatch.setattr(song_statistics, "compute_song_statistics", again)
    monkeypatch.setattr(song_excerpt, "excerpt_figures", again)
    assert Judge(own, quiet=True).figures(samples) == first


def test_where_the_song_is_not_here_nothing_is_compared_and_it_says_so(own, tmp_path):
    samples = own.generate(1.0).samples
    (own.folder.parent.parent / "shards").rename(tmp_path / "away")
    figures = Judge(own, quiet=True).figures(samples)
    assert figures["spectrum"] is figures["song"] is None
    assert figures["levels"]["rms_dbfs"] is not None
    assert "are not here" in figures["without_song"]
    assert judge_prediction(own) is None
    assert scalars(own)[1]["scalars"]  # of training
    judge_run(own)
    assert read_summary(own.folder)["prediction"] is None


def test_a_song_that_turns_out_damaged_does_not_lose_the_sound(own, monkeypatch):
    def damaged(*_: object) -> None:
        raise DamagedShardError("a member is not what the index says")

    monkeypatch.setattr("longsong.audit.sound.copy_figures", damaged)
    wav, generated = generate_into(own, own.folder / "a.wav", how=Generating(1.0), quiet=True)
    assert wav.exists()
    assert "index says" in generated.record["sound"]["without_song"]


def test_a_sound_that_collapses_is_noted_with_the_second(own, tmp_path, monkeypatch):
    pieces = longsong.generating.Sounds.__iter__

    def fading(self):
        for number, piece in enumerate(pieces(self)):
            yield piece * 0 if number >= 5 else np.random.default_rng(number).integers(-9000, 9000, piece.shape, "i2")

    monkeypatch.setattr(longsong.generating.Sounds, "__iter__", fading)
    _, generated = generate_into(own, tmp_path / "a.wav", how=Generating(2.0), quiet=True)
    assert generated.record["sound"]["collapse"]["second"] == pytest.approx(5 * 64 * FRAME / 16_000, abs=0.01)
    assert any(note.startswith("From second 0.4") for note in generated.record["notes"])


def test_predictions_ahead_begin_alike_and_the_baselines_are_those_of_the_split(run):
    judged = judge_prediction(run)
    horizon, baselines = judged["horizon"], judged["baselines"]
    # The first frame ahead is predicted from true frames alone, both ways.
    assert horizon["free"][0] == pytest.approx(horizon["forced"][0], rel=1e-9)
    assert horizon["seconds"][0] == FRAME / 16_000
    assert len(horizon["free"]) == SEQ - SEQ // 2 + 1
    assert horizon["exploded_seconds"] is None
    dev = run.splits().dev
    inputs, targets = dev.read(np.arange(len(dev)))
    due = np.square(run.predict(inputs) - targets).mean()
    assert judged["cost"] == pytest.approx(due, rel=1e-9)
    assert judged["examples"] == judged["dev_examples"] == len(dev)
    assert baselines["frames"] == len(dev) * SEQ
    assert baselines["zero"] == pytest.approx(float(np.mean(np.square(targets, dtype=np.float64))), rel=1e-6)
    assert baselines["repeat"] == pytest.approx(float(np.mean(np.square((inputs - targets).astype(np.float64)))))
    assert baselines["linear"] < baselines["zero"]


def test_the_linear_predictor_knows_the_train_split_alone(run, monkeypatch):
    """All of a short split; of a long one runs that begin with it, end with it, and are spread evenly between."""
    splits = run.splits()
    normalised = splits.song[: splits.train.stop] * np.float32(splits.train.normaliser.scale)
    normalised += np.float32(splits.train.normaliser.offset)
    (whole,) = judging._normalised_runs(splits)
    np.testing.assert_array_equal(whole, normalised)
    monkeypatch.setattr(judging, "_FITTED_SAMPLES", 4000)
    monkeypatch.setattr(judging, "_FITTED_RUNS", 5)
    runs = list(judging._normalised_runs(splits))
    assert [len(part) for part in runs] == [800] * 5
    for number, part in enumerate(runs):
        at = number * (len(normalised) - 800) // 4
        np.testing.assert_array_equal(part, normalised[at : at + 800])


def test_no_more_of_the_dev_split_is_predicted_than_is_paid_for(run, monkeypatch):
    dev = run.splits().dev
    monkeypatch.setattr(judging, "_MOST_PRODUCTS", run.network.size * SEQ)
    judged = judge_prediction(run)
    assert (judged["examples"], judged["dev_examples"], judged["baselines"]["frames"]) == (1, len(dev), SEQ)
    monkeypatch.setattr(judging, "_MOST_SAMPLES", 1)
    assert judge_prediction(run)["examples"] == 1
    assert judging._spread(10, 3).tolist() == [0, 3, 6]
    assert judging._spread(3, 10).tolist() == [0, 1, 2]


def test_a_network_that_explodes_is_told_and_loses_no_run(own):
    own.parameters.mul_(1e40)
    judged = judge_prediction(own)
    assert judged["horizon"]["exploded_seconds"] == FRAME / 16_000
    own.parameters.fill_(float("nan"))
    judged = judge_prediction(own)
    assert judged["cost"] is None
    assert judged["horizon"]["free"] == []
    assert judged["baselines"]["linear"] > 0
    judge_run(own)
    assert read_summary(own.folder)["prediction"] == judged


def test_a_prediction_that_is_there_is_kept_and_another_is_made_again(own, monkeypatch):
    judge_run(own)
    summary = read_summary(own.folder)
    judged = summary["prediction"]
    assert (judged["format"], judged["version"]) == ("longsong.prediction", 1)
    assert (judged["parameters"], judged["epoch"]) == (own.which, own.epoch)
    monkeypatch.setattr(judging, "judge_prediction", lambda _: {"made": "again"})
    judge_run(own)
    assert read_summary(own.folder)["prediction"] == judged
    for other in ({}, None, {**judged, "version": 2}, {**judged, "epoch": 99}, {**judged, "parameters": "last"}):
        write_summary(own.folder, summary | {"prediction": other})
        judge_run(own)
        assert read_summary(own.folder)["prediction"] == {"made": "again"}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_run_of_the_reference_form_is_judged_in_any_precision(run, precision):
    record = replace(run.record, execution=ExecutionConfig(device="cpu", form="reference"))
    judged = judge_prediction(replace(run, record=record, precision=precision, parameters=run.parameters.float()))
    assert judged["cost"] == pytest.approx(judge_prediction(run)["cost"], rel=0.02)


def test_over_the_mini_batch_there_is_no_ahead(run):
    record = replace(run.record, model=replace(run.record.model, recurrence="batch"))
    network = longsong.model.Network(record.model, FRAME)
    judged = judge_prediction(replace(run, record=record, network=network))
    assert judged["horizon"] is None
    assert judged["cost"] > 0
