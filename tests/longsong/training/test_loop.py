"""A run, from its first update to its last: what it writes, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_song import tune, write_shards
from training_runs import CPU, final_bytes, train

import longsong
from longsong import DataConfig, ExecutionConfig, ModelConfig, TrainingConfig
from longsong.errors import CheckpointError, ConfigError, NotFiniteError, RunError
from longsong.files import sha256_of
from longsong.metrics import metric_lines
from longsong.training import trainer
from longsong.training.monitors import indices_digest
from longsong.training.record import read_summary
from streams import ShuffledScheme


def read_metrics(run: Path) -> tuple[list[dict], list[dict]]:
    lines = list(metric_lines(run / "metrics.jsonl"))
    updates, evaluations = ([line for line in lines if line["kind"] == kind] for kind in ("update", "dev"))
    return updates, evaluations


@pytest.fixture(scope="module")
def whole(shards, tmp_path_factory) -> Path:
    """A run that nobody disturbed."""
    return train(shards, tmp_path_factory.mktemp("whole") / "run")


def test_metrics_say_what_happened(whole):
    updates, evaluations = read_metrics(whole)
    assert [line["update"] for line in updates] == list(range(1, 13))
    assert [line["epoch"] for line in updates] == [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3
    assert [line["examples"] for line in updates] == [128, 128, 34] * 4
    assert [line["learning_rate"] for line in updates[::3]] == pytest.approx([0.002 * 0.97**e for e in range(4)])
    assert [(line["epoch"], line["update"]) for line in evaluations] == [(0, 0), (1, 3), (2, 6), (3, 9), (4, 12)]
    order = [indices_digest(i) for e in range(4) for i in ShuffledScheme(290, 128, 1).mini_batches(e)]
    assert [line["indices_sha256"] for line in updates] == order
    best = min(evaluations[1:], key=lambda line: line["dev_cost"])
    assert read_summary(whole)["best"]["epoch"] == best["epoch"]
    assert evaluations[-1]["dev_cost"] < evaluations[0]["dev_cost"]


def test_summary_is_of_these_files(whole):
    summary = read_summary(whole)
    updates, evaluations = read_metrics(whole)
    assert summary["metrics_sha256"] == sha256_of(whole / "metrics.jsonl")
    assert summary["parameters_sha256"] == final_bytes(whole)["parameters.safetensors"]
    assert summary["best"]["sha256"] == final_bytes(whole)["best.safetensors"]
    assert (summary["first_train_cost"], summary["last_dev_cost"]) == (
        updates[0]["train_cost"],
        evaluations[-1]["dev_cost"],
    )
    # With first weights this small, the network predicts zero.
    assert 0 < summary["estimated_bytes"] < summary["peak_bytes"] * 4 < 16 << 30  # the rest is the tests' own
    assert summary["cost_of_zero"] == pytest.approx(summary["first_dev_cost"], rel=0.02)


def test_tensorboard_has_the_same_numbers(whole):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(whole))
    events.Reload()
    updates, evaluations = read_metrics(whole)
    for tag, lines, key in (
        ("cost/train", updates, "train_cost"),
        ("cost/dev", evaluations, "dev_cost"),
        ("norm/gradient", updates, "gradient_norm"),
        ("norm/step", updates, "step_norm"),
        ("learning_rate", updates, "learning_rate"),
        ("share/on_floor", updates, "floor_share"),
    ):
        seen = [(event.step, event.value) for event in events.Scalars(tag)]
        assert seen == [(line["update"], pytest.approx(line[key], rel=1e-6)) for line in lines]
    clipped = np.cumsum([line["clipped"] for line in updates]) / np.arange(1, 13)
    assert [event.value for event in events.Scalars("share/clipped_updates")] == pytest.approx(clipped.tolist())


def test_a_complete_run_is_left_as_it_is(whole, shards):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*") if path.is_file()}
    assert train(shards, whole) == whole
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "changes",
    [
        {"training": TrainingConfig(epochs=4, learning_rate=1e30, step_clip=1e30)},
        {"training": TrainingConfig(epochs=4, learning_rate=1e30)},
        {"training": TrainingConfig(epochs=4, lr_decay=1e8)},
        {"model": ModelConfig(hidden=8, init_width=1e30)},
    ],
)
def test_nothing_that_is_not_finite_is_written(shards, tmp_path, changes):
    with pytest.raises(NotFiniteError, match="--init-width"):
        train(shards, tmp_path / "run", **changes)
    assert read_summary(tmp_path / "run") is None
    for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines():
        assert all(np.isfinite(v) for v in json.loads(line).values() if isinstance(v, float))


@pytest.mark.parametrize(("costs", "best"), [([5.0, 3.0, 3.0, 4.0], 2), ([2.0, 2.0, 2.0, 2.0], 1)])
def test_the_best_is_after_the_epoch_with_the_strictly_lowest_dev_cost(shards, tmp_path, monkeypatch, costs, best):
    """The evaluation before the first epoch is no candidate, however low (FACTS section 4)."""
    reported = iter([0.5, *costs])
    monkeypatch.setattr(trainer.Updater, "evaluate", lambda self, batches: (len(list(batches)), (next(reported), 1))[1])
    run = train(shards, tmp_path / "run")
    assert read_summary(run)["best"]["epoch"] == best


def test_a_start_that_is_refused_does_not_stand_in_the_way_of_the_next(whole, shards, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(RunError):
        train(shards, run, training=TrainingConfig(epochs=1, start_from=str(tmp_path / "nowhere")))
    assert not run.exists()
    with pytest.raises(NotFiniteError):
        train(shards, run, training=TrainingConfig(epochs=1), model=ModelConfig(hidden=8, init_width=1e30))
    train(shards, run, training=TrainingConfig(epochs=1))


def test_what_was_chosen_at_the_first_start_is_on_record(whole):
    execution = json.loads((whole / "config.json").read_text())["execution"]
    assert (execution["device"], execution["threads"], execution["micro_batch"]) == ("cpu", 1, 128)
    assert (execution["form"], execution["elementwise"], execution["segment"]) == ("fused", "plain", 5)
    assert execution["memory"] > 1 << 28


def test_samples_per_second_are_those_of_all_updates(whole):
    updates, _ = read_metrics(whole)
    expected = sum(u["examples"] for u in updates) * 100 / sum(u["seconds"] for u in updates)
    assert read_summary(whole)["samples_per_second"] == pytest.approx(expected)


def test_a_cost_that_is_not_finite_stops_the_run_and_keeps_the_last_checkpoint(shards, tmp_path, monkeypatch):
    update_of, made = trainer.Updater.update, 0

    def exploding(self, inputs, targets):
        nonlocal made
        made += 1
        return update_of(self, inputs * (float("inf") if made == 5 else 1.0), targets)

    monkeypatch.setattr(trainer.Updater, "update", exploding)
    with pytest.raises(NotFiniteError, match=r"after update 4 of 12 \(epoch 2\).*--learning-rate"):
        train(shards, tmp_path / "run")
    (newest,) = (tmp_path / "run").glob("checkpoints/update-*")
    assert newest.name == "update-00000003"
    assert read_summary(tmp_path / "run") is None


def test_without_dev_examples_the_last_are_the_best(shards, tmp_path):
    run = train(shards, tmp_path / "run", data=DataConfig(20, 5, train_samples=31_580))
    best = read_summary(run)["best"]
    assert (best["epoch"], best["dev_cost"], best["by"]) == (4, None, "last, as there is no dev example")
    digests = final_bytes(run)
    assert digests["best.safetensors"] == digests["parameters.safetensors"]


def test_start_from_takes_the_best_parameters_of_another_run_of_another_song(whole, tmp_path):
    other = write_shards(tmp_path / "other", tune(9000, seed=5))
    run = train(other, tmp_path / "run", training=TrainingConfig(epochs=1, learning_rate=1e-12, start_from=str(whole)))
    theirs, ours = longsong.load_run(whole), longsong.load_run(run)
    torch.testing.assert_close(ours.parameters, theirs.parameters, rtol=0, atol=1e-6)
    with pytest.raises(ConfigError, match=r"2 gru layers of 8 with frames of 20"):
        train(
            other,
            tmp_path / "misfit",
            model=ModelConfig(hidden=9),
            training=TrainingConfig(epochs=1, start_from=str(whole)),
        )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"data": DataConfig(20, 6)}, "seq 5"),
        ({"data": DataConfig(20, 5, normalise="stdev")}, "normalise 'minmax'"),
        ({"model": ModelConfig(hidden=9)}, "hidden 8"),
        ({"training": TrainingConfig(epochs=5)}, "epochs 4"),
        ({"training": TrainingConfig(epochs=4, seed=2)}, "seed 1"),
        ({"execution": ExecutionConfig(precision="float64", threads=1)}, "precision float32"),
        ({"execution": ExecutionConfig(threads=2)}, "threads 1"),
        ({"execution": ExecutionConfig(form="reference")}, "recurrence fused, and reference"),
        ({"execution": ExecutionConfig(segment=2)}, "segment 5, and 2"),
        ({"execution": ExecutionConfig(memory=3 << 29)}, r"memory [\d.]+ [GT]iB, and 1\.5 GiB"),
        ({"execution": ExecutionConfig(elementwise="compiled")}, "elementwise plain, and compiled"),
    ],
)
def test_another_configuration_is_refused_by_name(whole, shards, changes, named):
    before = final_bytes(whole)
    with pytest.raises(CheckpointError, match=named):
        train(shards, whole, **changes)
    assert final_bytes(whole) == before


def test_another_song_is_refused_by_name(whole, tmp_path):
    other = write_shards(tmp_path / "other", tune(31_600, seed=9))
    with pytest.raises(CheckpointError, match="song digest"):
        train(other, whole)


def test_a_folder_of_something_else_is_left_alone(shards, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(RunError, match="holds no run"):
        train(shards, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_song_that_is_too_short_is_refused_in_numbers(shards, tmp_path):
    with pytest.raises(ConfigError, match=r"20x5000 needs 100,000 samples \(6\.25 s\) .* has 29,020 there \(1\.81 s\)"):
        train(shards, tmp_path / "run", data=DataConfig(20, 5000))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("pieces", [{"micro_batch": 7}, {"segment": 2}, {"micro_batch": 50, "segment": 1}])
def test_pieces_change_no_more_than_the_last_bits(shards, tmp_path, pieces):
    exact = replace(CPU, precision="float64")
    runs = [train(shards, tmp_path / "a", execution=exact)]
    runs.append(train(shards, tmp_path / "b", execution=replace(exact, **pieces)))
    a, b = (longsong.load_run(run, which="last").parameters for run in runs)
    torch.testing.assert_close(a, b, rtol=0, atol=1e-11)
    assert not torch.equal(a, b)


def test_forms_and_precisions_end_close_to_each_other(shards, tmp_path):
    ways = {
        "reference": replace(CPU, form="reference"),
        "plain": replace(CPU, elementwise="plain"),
        "compiled": replace(CPU, elementwise="compiled"),
        "bfloat16": replace(CPU, precision="bfloat16"),
    }
    costs = {}
    for name, execution in ways.items():
        run = train(shards, tmp_path / name, execution=execution)
        assert json.loads((run / "config.json").read_text())["execution"]["form"] == execution.form
        costs[name] = read_summary(run)["last_dev_cost"]
    assert costs["plain"] == pytest.approx(costs["reference"], rel=1e-4)
    assert costs["compiled"] == pytest.approx(costs["reference"], rel=1e-4)
    assert costs["bfloat16"] == pytest.approx(costs["reference"], rel=1e-2)
    assert costs["bfloat16"] != costs["plain"]


def test_the_time_of_an_update_is_in_its_parts(whole):
    updates, _ = read_metrics(whole)
    for line in updates:
        assert line["computed_seconds"] > 0
        assert line["computed_seconds"] + line["waited_seconds"] <= line["seconds"] + 1e-6
