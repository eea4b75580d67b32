"""The table of runs in TensorBoard: what each was asked to be, and the cost that they are compared by."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from small_song import tune, write_shards
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from training_runs import train

from longsong import DataConfig, ModelConfig, TrainingConfig
from longsong.training import summary
from longsong.training.hyperparameters import COST_OVER_MEAN, log_hyperparameters
from longsong.training.record import read_record, read_summary


def read_back(run: Path) -> EventAccumulator:
    events = EventAccumulator(str(run))
    events.Reload()
    return events


def said(run: Path, tag: str) -> HParamsPluginData:
    """Give what the run's events hold for the plugin under a name of its own."""
    return HParamsPluginData.FromString(read_back(run).SummaryMetadata(tag).plugin_data.content)


def asked(run: Path) -> dict[str, bool | float | str]:
    values = said(run, metadata.SESSION_START_INFO_TAG).session_start_info.hparams
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in values.items()}


@pytest.fixture(scope="module")
def run(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(shards, tmp_path_factory.mktemp("asked") / "run")


@pytest.fixture(scope="module")
def other(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with what the other leaves out."""
    return train(
        shards,
        tmp_path_factory.mktemp("other") / "run",
        data=DataConfig(20, 5, batch=64, normalise="minmax", mean_shift=True, example_shift=50),
        model=ModelConfig(hidden=9, cell="lstm", forget_bias=1.0),
        training=TrainingConfig(epochs=1, seed=2, bare_resume=True),
    )


def test_what_a_run_was_asked_to_be_is_in_the_table(run: Path, other: Path) -> None:
    for folder in (run, other):
        config = json.loads((folder / "config.json").read_text())
        found = asked(folder)
        for section in ("data", "model", "training"):
            counted = {"hop", "train_examples", "dev_examples", "updates_per_epoch", "parameters"}  # and not asked for
            due = {name: value for name, value in config[section].items() if name not in counted and value is not None}
            assert due == {name: found.pop(name) for name in due}
        assert found == {"song": "tune", "precision": "float32"}
    assert "example_shift" not in asked(run)
    assert asked(other)["example_shift"] == 50


def test_the_columns_are_the_same_for_all_runs_and_of_the_kind_of_their_values(run: Path, other: Path) -> None:
    tables = [said(folder, metadata.EXPERIMENT_TAG).experiment for folder in (run, other)]
    assert tables[0] == tables[1]
    kinds = {
        bool: api_pb2.DATA_TYPE_BOOL,
        float: api_pb2.DATA_TYPE_FLOAT64,
        str: api_pb2.DATA_TYPE_STRING,
    }
    columns = {info.name: info.type for info in tables[0].hparam_infos}
    for folder in (run, other):
        for name, value in asked(folder).items():
            assert columns[name] == kinds[type(value)], name
    assert columns.keys() - asked(run).keys() - asked(other).keys() == {"start_from"}
    assert columns["start_from"] == api_pb2.DATA_TYPE_STRING
    assert [info.name.tag for info in tables[0].metric_infos] == [COST_OVER_MEAN]


def test_the_cost_is_that_of_the_best_epoch_over_the_means(run: Path) -> None:
    came = read_summary(run)
    (cost,) = read_back(run).Scalars(COST_OVER_MEAN)
    assert cost.value == pytest.approx(came["best"]["dev_cost"] / came["cost_of_mean"], rel=1e-6)
    assert cost.step == came["updates"]
    ended = said(run, metadata.SESSION_END_INFO_TAG).session_end_info
    assert ended.status == api_pb2.STATUS_SUCCESS


def test_a_run_without_dev_examples_has_no_cost_to_compare(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "short", tune(3000))
    run = train(shards, tmp_path / "run", data=DataConfig(20, 5, train_samples=2950), training=TrainingConfig(epochs=1))
    assert read_summary(run)["best"]["dev_cost"] is None
    assert asked(run)["frame"] == 20
    assert COST_OVER_MEAN not in read_back(run).Tags()["scalars"]


def test_a_mean_that_costs_nothing_is_not_divided_by(run: Path, tmp_path: Path) -> None:
    came = read_summary(run)
    log_hyperparameters(tmp_path, read_record(run), came | {"cost_of_mean": 0.0})
    assert COST_OVER_MEAN not in read_back(tmp_path).Tags()["scalars"]


def test_a_run_that_is_killed_before_its_summary_tells_them_again(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary, "log_hyperparameters", lambda *_: None)
    monkeypatch.setattr(summary, "write_summary", lambda *_: None)  # as if it were killed before both
    run = train(shards, tmp_path / "run", training=TrainingConfig(epochs=1))
    assert metadata.SESSION_START_INFO_TAG not in read_back(run).Tags()["tensors"]
    monkeypatch.undo()
    train(shards, run, training=replace(TrainingConfig(), epochs=1))
    assert asked(run)["epochs"] == 1
    assert len(read_back(run).Scalars(COST_OVER_MEAN)) == 1
