"""A run goes on where it stopped, whatever stopped it, and ends as if nothing had."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from training_runs import CPU, final_bytes, metrics_without_times, train

import longsong
from longsong import ModelConfig, TrainingConfig
from longsong.errors import CheckpointError, ConfigError
from longsong.training import forms, summary, trainer
from longsong.training.record import read_summary


class PowerCutError(Exception):
    """Stands for a power cut: no code of ours sees it coming."""


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("every_update", [True, False])
def test_stopped_after_any_update_it_ends_with_the_same_bytes(shards, tmp_path, monkeypatch, every_update, cell):
    model = ModelConfig(cell=cell, hidden=8)
    expected = train(shards, tmp_path / "whole", model=model)
    if every_update:
        monkeypatch.setattr(trainer, "_SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    update_of, stops = trainer.Updater.update, [1, 2, 3, 4, 5, 7, 9, 12]
    made = 0

    def stopping(self, inputs, targets):
        nonlocal made
        made += 1
        if made in stops:
            raise PowerCutError
        return update_of(self, inputs, targets)

    monkeypatch.setattr(trainer.Updater, "update", stopping)
    save_of, saved = trainer.Saver.save, []

    def saving(self, at, *, best):
        saved.append(at.update)
        save_of(self, at, best=best)

    monkeypatch.setattr(trainer.Saver, "save", saving)
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
    update_of, made = trainer.Updater.update, 0

    def interrupted(self, inputs, targets):
        nonlocal made
        made += 1
        if made in (2, 6):
            os.kill(os.getpid(), signal.SIGINT)
        return update_of(self, inputs, targets)

    monkeypatch.setattr(trainer.Updater, "update", interrupted)
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
    update_of, made = trainer.Updater.update, 0

    def interrupted(self, inputs, targets):
        nonlocal made
        made += 1
        if made == 12:
            os.kill(os.getpid(), number)
        return update_of(self, inputs, targets)

    monkeypatch.setattr(trainer.Updater, "update", interrupted)
    with pytest.raises(KeyboardInterrupt, match="complete"):
        train(shards, tmp_path / "run")
    assert read_summary(tmp_path / "run") is not None


def test_tensorboard_of_a_run_that_was_killed_has_each_point_once(shards, tmp_path, monkeypatch):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    update_of, made = trainer.Updater.update, 0

    def stopping(self, inputs, targets):
        nonlocal made
        made += 1
        if made in (3, 9):
            raise PowerCutError
        return update_of(self, inputs, targets)

    monkeypatch.setattr(trainer.Updater, "update", stopping)
    for _ in range(2):
        with pytest.raises(PowerCutError):
            train(shards, tmp_path / "run")
    train(shards, tmp_path / "run")
    events = EventAccumulator(str(tmp_path / "run"))
    events.Reload()
    assert [event.step for event in events.Scalars("cost/train")] == list(range(1, 13))
    assert [event.step for event in events.Scalars("cost/dev")] == [0, 3, 6, 9, 12]


def test_best_parameters_that_were_altered_are_noticed_before_the_run_counts_as_complete(shards, tmp_path, monkeypatch):
    monkeypatch.setattr(summary, "write_summary", lambda *_: None)  # as if it were killed before
    run = train(shards, tmp_path / "run")
    monkeypatch.undo()
    best = run / "checkpoints/best.safetensors"
    best.write_bytes(best.read_bytes()[:-7])
    with pytest.raises(CheckpointError, match=r"best\.safetensors"):
        train(shards, run)
    assert read_summary(run) is None


@pytest.mark.parametrize("name", ["parameters.safetensors", "optimiser.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["cut", "altered", "gone"])
def test_a_damaged_checkpoint_is_refused_by_name(shards, tmp_path, monkeypatch, name, damage):
    run = tmp_path / "run"
    monkeypatch.setattr(summary, "write_summary", lambda *_: None)  # as if it were killed before
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


def stop_after(update: int, monkeypatch) -> None:
    """Have the power cut after an update, once."""
    update_of, made = trainer.Updater.update, 0

    def stopping(self, inputs, targets):
        nonlocal made
        made += 1
        if made == update + 1:
            monkeypatch.setattr(trainer.Updater, "update", update_of)
            raise PowerCutError
        return update_of(self, inputs, targets)

    monkeypatch.setattr(trainer.Updater, "update", stopping)


@pytest.mark.parametrize(
    "ways",
    [
        {"elementwise": "compiled"},
        {"form": "reference"},
        {"precision": "bfloat16"},
        {"segment": 2, "micro_batch": 30},
    ],
)
def test_however_it_is_computed_it_goes_on_so(shards, tmp_path, monkeypatch, ways):
    execution = replace(CPU, **ways)
    expected = train(shards, tmp_path / "whole", execution=execution)
    stop_after(5, monkeypatch)
    with pytest.raises(PowerCutError):
        train(shards, tmp_path / "run", execution=execution)
    run = train(shards, tmp_path / "run")  # with no word of how
    assert final_bytes(run) == final_bytes(expected)


def test_a_run_of_before_the_fused_form_goes_on_by_the_reference_form(shards, tmp_path, monkeypatch):
    expected = train(shards, tmp_path / "whole", execution=replace(CPU, form="reference"))
    run = tmp_path / "run"
    stop_after(5, monkeypatch)
    with pytest.raises(PowerCutError):
        train(shards, run, execution=replace(CPU, form="reference"))
    record = json.loads((run / "config.json").read_text())
    for field in ("form", "elementwise", "segment", "memory"):
        del record["execution"][field]
    del record["rest_sha256"]
    (run / "config.json").write_text(json.dumps(record))
    train(shards, run)
    assert final_bytes(run) == final_bytes(expected)
    assert longsong.load_run(run).parameters.shape == longsong.load_run(expected).parameters.shape


def test_what_was_compiled_is_not_gone_on_with_otherwise(shards, tmp_path, monkeypatch):
    run = tmp_path / "run"
    stop_after(5, monkeypatch)
    with pytest.raises(PowerCutError):
        train(shards, run, execution=replace(CPU, elementwise="compiled"))
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    monkeypatch.setattr(forms, "compiled_available", lambda: "numba is on holiday")
    with pytest.raises(ConfigError, match=r"run was started with compiled .*numba is on holiday"):
        train(shards, run)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
