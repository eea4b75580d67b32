"""A run, from its first update to its last, whatever happens to it on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests_support import tune, write_shards

import longsong
from longsong import DataConfig, ExecutionConfig, ModelConfig, RunConfig, TrainingConfig
from longsong.errors import CheckpointError, ConfigError, NotFiniteError, RunError
from longsong.files import sha256_of
from longsong.training import loop
from longsong.training.metrics import read_metrics
from longsong.training.monitors import indices_digest
from longsong.training.record import read_summary
from streams import ShuffledScheme

CPU = ExecutionConfig(device="cpu", threads=1)


def config(shards: Path, out: Path, **changes) -> RunConfig:
    base = RunConfig(
        shards,
        DataConfig(20, 5),
        ModelConfig(hidden=8),
        TrainingConfig(epochs=4),
        CPU,
        out,
    )
    return replace(base, **changes)


def train(shards: Path, out: Path, **changes) -> Path:
    return longsong.train(config(shards, out, **changes), quiet=True)


def final_bytes(run: Path) -> dict[str, str]:
    """Give the digests of everything that must not depend on when a run was killed."""
    (newest,) = run.glob("checkpoints/update-*")
    files = [newest / "parameters.safetensors", newest / "optimiser.safetensors", run / "checkpoints/best.safetensors"]
    return {file.name: sha256_of(file) for file in files}


def metrics_without_times(run: Path) -> list[dict]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


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


class PowerCutError(Exception):
    """Stands for a power cut: no code of ours sees it coming."""


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("every_update", [True, False])
def test_stopped_after_any_update_it_ends_with_the_same_bytes(shards, tmp_path, monkeypatch, every_update, cell):
    model = ModelConfig(cell=cell, hidden=8)
    expected = train(shards, tmp_path / "whole", model=model)
    if every_update:
        monkeypatch.setattr(loop, "_SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    update_of, stops = loop.Updater.update, [1, 2, 3, 4, 5, 7, 9, 12]
    made = 0

    def stopping(self, inputs, targets):
        nonlocal made
        made += 1
        if made in stops:
            raise PowerCutError
        return update_of(self, inputs, targets)

    monkeypatch.setattr(loop.Updater, "update", stopping)
    save_of, saved = loop.checkpoints.save, []

    def saving(folder, network, checkpoint):
        saved.append(checkpoint.update)
        save_of(folder, network, checkpoint)

    monkeypatch.setattr(loop.checkpoints, "save", saving)
    run = tmp_path / "run"
    starts = 0
    while True:
        starts += 1
        try:
            train(shards, run, model=model)
            break
        except PowerCutError:
            continue
    assert starts == len(stops) + 1
    # In the middle of an epoch there is a checkpoint only where the time for one has come.
    assert any(update % 3 for update in saved) == every_update
    assert final_bytes(run) == final_bytes(expected)
    assert metrics_without_times(run) == metrics_without_times(expected)


LONG = 20  # epochs, so that there is something to kill


def start(shards: Path, run: Path) -> subprocess.Popen:
    words = f"--frame 20 --seq 5 --hidden 8 --epochs {LONG} --device cpu --threads 1".split()
    return subprocess.Popen(
        [sys.executable, "-m", "longsong", "train", str(shards), *words, "--out", str(run)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process: subprocess.Popen, run: Path, update: int) -> None:
    """Wait until the checkpoint of an update is there, or the process has ended."""
    while process.poll() is None:
        if any(int(folder.name[-8:]) >= update for folder in run.glob("checkpoints/update-*")):
            return
        time.sleep(0.001)


def test_a_process_killed_at_several_points_ends_with_the_same_bytes(shards, tmp_path):
    whole = train(shards, tmp_path / "whole", training=TrainingConfig(epochs=LONG))
    run = tmp_path / "run"
    kills = 0
    for update in (0, 3, 9, 21):
        process = start(shards, run)
        wait_for(process, run, update)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        process.stderr.close()
    process = start(shards, run)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert kills == 4
    assert final_bytes(run) == final_bytes(whole)
    assert metrics_without_times(run) == metrics_without_times(whole)


def test_ctrl_c_leaves_a_checkpoint_and_the_run_goes_on(shards, tmp_path, monkeypatch):
    expected = train(shards, tmp_path / "whole")
    run = tmp_path / "run"
    before = signal.getsignal(signal.SIGINT)
    update_of, made = loop.Updater.update, 0

    def interrupted(self, inputs, targets):
        nonlocal made
        made += 1
        if made in (2, 6):
            os.kill(os.getpid(), signal.SIGINT)
        return update_of(self, inputs, targets)

    monkeypatch.setattr(loop.Updater, "update", interrupted)
    for update in (2, 6):
        with pytest.raises(KeyboardInterrupt, match=f"after update {update} of 12"):
            train(shards, run)
        assert [folder.name for folder in run.glob("checkpoints/update-*")] == [f"update-{update:08d}"]
        assert signal.getsignal(signal.SIGINT) is before
    train(shards, run)
    assert final_bytes(run) == final_bytes(expected)
    assert read_summary(run)["starts"] == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_in_the_last_update_is_not_lost(shards, tmp_path, monkeypatch, number):
    update_of, made = loop.Updater.update, 0

    def interrupted(self, inputs, targets):
        nonlocal made
        made += 1
        if made == 12:
            os.kill(os.getpid(), number)
        return update_of(self, inputs, targets)

    monkeypatch.setattr(loop.Updater, "update", interrupted)
    with pytest.raises(KeyboardInterrupt, match="complete"):
        train(shards, tmp_path / "run")
    assert read_summary(tmp_path / "run") is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"training": TrainingConfig(epochs=4, learning_rate=1e30, step_clip=1e30)},
        {"training": TrainingConfig(epochs=4, learning_rate=1e38)},
        {"training": TrainingConfig(epochs=4, lr_decay=1e300)},
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
    monkeypatch.setattr(loop.Updater, "evaluate", lambda self, batches: (len(list(batches)), (next(reported), 1))[1])
    run = train(shards, tmp_path / "run")
    assert read_summary(run)["best"]["epoch"] == best


def test_tensorboard_of_a_run_that_was_killed_has_each_point_once(shards, tmp_path, monkeypatch):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    update_of, made = loop.Updater.update, 0

    def stopping(self, inputs, targets):
        nonlocal made
        made += 1
        if made in (3, 9):
            raise PowerCutError
        return update_of(self, inputs, targets)

    monkeypatch.setattr(loop.Updater, "update", stopping)
    for _ in range(2):
        with pytest.raises(PowerCutError):
            train(shards, tmp_path / "run")
    train(shards, tmp_path / "run")
    events = EventAccumulator(str(tmp_path / "run"))
    events.Reload()
    assert [event.step for event in events.Scalars("cost/train")] == list(range(1, 13))
    assert [event.step for event in events.Scalars("cost/dev")] == [0, 3, 6, 9, 12]


def test_a_start_that_is_refused_does_not_stand_in_the_way_of_the_next(whole, shards, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(RunError):
        train(shards, run, training=TrainingConfig(epochs=1, start_from=str(tmp_path / "nowhere")))
    assert not run.exists()
    with pytest.raises(NotFiniteError):
        train(shards, run, training=TrainingConfig(epochs=1), model=ModelConfig(hidden=8, init_width=1e30))
    train(shards, run, training=TrainingConfig(epochs=1))


def test_best_parameters_that_were_altered_are_noticed_before_the_run_counts_as_complete(shards, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "write_summary", lambda *_: None)  # as if it were killed before
    run = train(shards, tmp_path / "run")
    monkeypatch.undo()
    best = run / "checkpoints/best.safetensors"
    best.write_bytes(best.read_bytes()[:-7])
    with pytest.raises(CheckpointError, match=r"best\.safetensors"):
        train(shards, run)
    assert read_summary(run) is None


def test_what_was_chosen_at_the_first_start_is_on_record(whole):
    execution = json.loads((whole / "config.json").read_text())["execution"]
    assert (execution["device"], execution["threads"], execution["micro_batch"]) == ("cpu", 1, 128)


def test_samples_per_second_are_those_of_all_updates(whole):
    updates, _ = read_metrics(whole)
    expected = sum(u["examples"] for u in updates) * 100 / sum(u["seconds"] for u in updates)
    assert read_summary(whole)["samples_per_second"] == pytest.approx(expected)


def test_a_cost_that_is_not_finite_stops_the_run_and_keeps_the_last_checkpoint(shards, tmp_path, monkeypatch):
    update_of, made = loop.Updater.update, 0

    def exploding(self, inputs, targets):
        nonlocal made
        made += 1
        return update_of(self, inputs * (float("inf") if made == 5 else 1.0), targets)

    monkeypatch.setattr(loop.Updater, "update", exploding)
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


@pytest.mark.parametrize("name", ["parameters.safetensors", "optimiser.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["cut", "altered", "gone"])
def test_a_damaged_checkpoint_is_refused_by_name(shards, tmp_path, monkeypatch, name, damage):
    run = tmp_path / "run"
    monkeypatch.setattr(loop, "write_summary", lambda *_: None)  # as if it were killed before
    train(shards, run)
    (newest,) = run.glob("checkpoints/update-*")
    path = newest / name
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(content.replace(b"0", b"1") if name == "state.json" else content[:-3] + b"abc")
    with pytest.raises(CheckpointError, match=newest.name):
        train(shards, run)


def test_the_memory_of_a_run_is_bounded_by_its_micro_batch(shards, tmp_path):
    whole_batch = train(shards, tmp_path / "a", execution=replace(CPU, precision="float64"))
    pieces = train(shards, tmp_path / "b", execution=replace(CPU, precision="float64", micro_batch=7))
    a, b = (longsong.load_run(run, which="last").parameters for run in (whole_batch, pieces))
    torch.testing.assert_close(a, b, rtol=0, atol=1e-11)
    assert not torch.equal(a, b)
