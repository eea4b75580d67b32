"""One process at a time trains a run, and what a killed one left is no obstacle."""

from __future__ import annotations

import pytest
from training_runs import config, final_bytes, train

import longsong
from longsong.config import ExecutionConfig, TrainingConfig
from longsong.errors import CheckpointError, RunError
from longsong.training import run_lock
from longsong.training.run_lock import only_here


def test_a_second_one_is_refused_by_name_and_changes_nothing(shards, tmp_path):
    run = train(shards, tmp_path / "run", training=TrainingConfig(epochs=1))
    (run / "summary.json").unlink()  # as if it were under way
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with only_here(run), pytest.raises(RunError, match="being trained by another process") as error:
        train(shards, run, training=TrainingConfig(epochs=1))
    assert str(run) in str(error.value)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    train(shards, run, training=TrainingConfig(epochs=1))


def test_a_file_system_without_locks_is_no_obstacle(tmp_path, monkeypatch):
    def none(file, *, exclusive):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(run_lock, "try_lock", none)
    with only_here(tmp_path):
        pass


def test_what_a_killed_process_left_half_written_is_removed(shards, tmp_path):
    whole, run = train(shards, tmp_path / "whole"), tmp_path / "run"
    run.mkdir()
    (run / ".config.json.123-0abc.part").write_bytes(b"{")  # nothing else: it was killed there
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / ".best.safetensors.123-0abc.part").write_bytes(b"x")
    (run / "checkpoints" / ".best.safetensors.123-0abc.part").rename(run / ".best.safetensors.123-0abc.part")
    (run / "checkpoints").rmdir()
    train(shards, run)
    assert not list(run.rglob("*.part"))
    assert final_bytes(run) == final_bytes(whole)
    (run / "checkpoints" / ".best.safetensors.9-0abc.part").write_bytes(b"x")
    (run / "summary.json").unlink()
    train(shards, run)
    assert not list(run.rglob("*.part"))


@pytest.mark.parametrize(
    ("name", "started", "asked"), [("form", "reference", "fused"), ("precision", "float64", "float32")]
)
def test_what_is_asked_for_in_words_is_not_ignored_where_it_is_the_default(shards, tmp_path, name, started, asked):
    run = train(shards, tmp_path / "run", execution=ExecutionConfig(device="cpu", threads=1, **{name: started}))
    (run / "summary.json").unlink()
    again = config(shards, run, execution=ExecutionConfig(device="cpu", threads=1))
    longsong.train(again, quiet=True)  # nothing is asked for: as it was started
    (run / "summary.json").unlink()
    wanted = config(
        shards, run, execution=ExecutionConfig(device="cpu", threads=1, **{name: asked}), given=frozenset({name})
    )
    with pytest.raises(CheckpointError, match=f"{started}, and {asked} is asked for"):
        longsong.train(wanted, quiet=True)
