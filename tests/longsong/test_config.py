"""Configurations: what cannot be is refused by name; to JSON and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from longsong.config import DataConfig, ExecutionConfig, ModelConfig, RunConfig, TrainingConfig
from longsong.errors import ConfigError


@pytest.mark.parametrize(
    ("kind", "values", "named"),
    [
        (DataConfig, {"frame": 0, "seq": 5}, "frame .* 0"),
        (DataConfig, {"frame": 5, "seq": -1}, "seq .* -1"),
        (DataConfig, {"frame": 5, "seq": 5, "batch": 0}, "batch .* 0"),
        (DataConfig, {"frame": True, "seq": 5}, "frame .* True"),
        (DataConfig, {"frame": 2.5, "seq": 5}, r"frame .* 2\.5"),
        (DataConfig, {"frame": 5, "seq": 5, "normalise": "loud"}, "normalise .* 'loud'"),
        (DataConfig, {"frame": 5, "seq": 5, "train_samples": 0}, "train-samples .* 0"),
        (ModelConfig, {"cell": "GRU"}, "cell .* 'GRU'"),
        (ModelConfig, {"hidden": 0}, "hidden .* 0"),
        (ModelConfig, {"layers": 0}, "layers .* 0"),
        (ModelConfig, {"init_width": 0}, "init-width .* 0"),
        (ModelConfig, {"recurrence": "space"}, "recurrence .* 'space'"),
        (TrainingConfig, {"epochs": 0}, "epochs .* 0"),
        (TrainingConfig, {"seed": -1}, "seed .* -1"),
        (TrainingConfig, {"seed": 2**32}, "seed .* 4294967296"),
        (TrainingConfig, {"learning_rate": float("nan")}, "learning-rate .* nan"),
        (TrainingConfig, {"learning_rate": 0.0}, r"learning-rate .* 0\.0"),
        (TrainingConfig, {"lr_decay": -0.5}, r"lr-decay .* -0\.5"),
        (TrainingConfig, {"rmsprop_decay": 1.0}, r"rmsprop-decay .* 1\.0"),
        (TrainingConfig, {"step_clip": float("inf")}, "step-clip .* inf"),
        (TrainingConfig, {"learning_rate": 1e31}, "learning-rate must be at most 1e.30"),
        (TrainingConfig, {"learning_rate": 10**400}, r"learning-rate must be a finite number, not 1000+\.\.\.0+$"),
        (TrainingConfig, {"lr_decay": 1e308}, "lr-decay is 1e.308, which takes the learning rate beyond .* 30 epochs"),
        (TrainingConfig, {"lr_decay": 1.1, "epochs": 10_000}, r"lr-decay is 1\.1, which .* in 10000 epochs"),
        (TrainingConfig, {"step_clip": 1e31}, "step-clip must be at most"),
        (TrainingConfig, {"epochs": 10**400}, r"epochs must be at most 1000000000, not 1000+\.\.\.0+$"),
        (ModelConfig, {"init_width": 1e300}, "init-width must be at most"),
        (ModelConfig, {"forget_bias": -1e300}, "forget-bias must be at least"),
        (ModelConfig, {"named_forget_bias": 1e300}, "named-forget-bias must be at most"),
        (ModelConfig, {"cell": ["gru"]}, "cell must be one of"),
        (ExecutionConfig, {"device": "tpu"}, "device .* 'tpu'"),
        (ExecutionConfig, {"precision": "float8"}, "precision .* 'float8'"),
        (ExecutionConfig, {"threads": 0}, "threads .* 0"),
        (ExecutionConfig, {"micro_batch": 0}, "micro-batch .* 0"),
        (ExecutionConfig, {"segment": 0}, "segment .* 0"),
        (ExecutionConfig, {"segment": 2.5}, r"segment .* 2\.5"),
        (ExecutionConfig, {"memory": 0}, "memory .* 0"),
        (ExecutionConfig, {"memory": 10**16}, "memory .* 10000000000000000"),
        (ExecutionConfig, {"form": "magic"}, "recurrence .* 'magic'"),
        (ExecutionConfig, {"elementwise": "fast"}, "elementwise .* 'fast'"),
        (ExecutionConfig, {"form": "reference", "precision": "bfloat16"}, "precision bfloat16 is of the fused form"),
        (ExecutionConfig, {"form": "reference", "precision": "tf32"}, "precision tf32 is of the fused form"),
        (ExecutionConfig, {"form": "reference", "segment": 5}, "segment 5 is of the fused form"),
        (ExecutionConfig, {"form": "reference", "elementwise": "plain"}, "elementwise plain is of the fused form"),
    ],
)
def test_what_cannot_be_is_refused_by_name(kind, values, named):
    with pytest.raises(ConfigError, match=named):
        kind(**values)


def test_rates_that_end_within_float32_are_taken():
    assert TrainingConfig(learning_rate=1e30, lr_decay=1.0).learning_rate == 1e30
    assert TrainingConfig(lr_decay=2.0, epochs=30).lr_decay == 2.0
    assert TrainingConfig(lr_decay=0.5, epochs=10**9).epochs == 10**9


@pytest.mark.parametrize("section", [DataConfig(40, 50), ModelConfig(), TrainingConfig(), ExecutionConfig()])
def test_to_json_and_back(section):
    values = section.to_json()
    assert type(section).from_json(values | {"more": 1}) == section
    del values[next(iter(values))]
    with pytest.raises(ConfigError, match="lacks"):
        type(section).from_json(values)


def test_what_was_written_before_there_was_a_fused_form_was_computed_by_the_reference_form():
    before = {"device": "cpu", "precision": "float64", "threads": 2, "micro_batch": 7, "device_name": "x", "torch": "2"}
    read = ExecutionConfig.from_json(before)
    assert read == ExecutionConfig("cpu", "float64", 2, 7, form="reference")
    with pytest.raises(ConfigError, match="lacks form"):
        ExecutionConfig.from_json(before | {"segment": 5})


def test_the_defaults_are_those_of_2016():
    data, model, training = DataConfig(1000, 100), ModelConfig(), TrainingConfig()
    assert (data.batch, data.normalise) == (128, "minmax")
    assert (model.cell, model.hidden, model.layers, model.init_width, model.recurrence) == ("gru", 199, 2, 0.04, "time")
    assert (training.epochs, training.learning_rate, training.lr_decay) == (30, 0.002, 0.97)
    assert (training.rmsprop_decay, training.step_clip, training.seed) == (0.95, 1.0, 1)


def test_a_run_is_named_by_what_it_is():
    config = RunConfig(Path("s"), DataConfig(1000, 100), ModelConfig(cell="lstm"), TrainingConfig(seed=3))
    assert config.folder == Path("runs/1000x100-lstm-199-s3")
    coded = RunConfig(Path("s"), DataConfig(1000, 100), ModelConfig(recurrence="batch"))
    assert coded.name == "1000x100-gru-199-s1-as-coded-recurrence"
    assert RunConfig(Path("s"), DataConfig(1000, 100), out=Path("x")).folder == Path("x")
