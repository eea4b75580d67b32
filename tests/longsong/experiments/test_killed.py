"""A run that is killed in another process leaves the checkpoint of the epoch, and says what went wrong before."""

from __future__ import annotations

import json

import pytest
from training_runs import config, final_bytes, train

import longsong
from longsong import TrainingConfig
from longsong.errors import RunError
from longsong.experiments.killed import train_until_killed
from longsong.training.record import read_summary

EPOCHS = 4


def test_it_is_killed_after_the_epoch_and_goes_on_from_there(shards, tmp_path):
    run = tmp_path / "run"
    train_until_killed(config(shards, run), 2, quiet=True)
    assert read_summary(run) is None
    (checkpoint,) = (run / "checkpoints").glob("update-*")
    state = json.loads((checkpoint / "state.json").read_text())
    assert (state["epoch"], state["starts"]) == (2, 1)
    longsong.train(config(shards, run), quiet=True)
    assert read_summary(run)["starts"] == 2
    assert final_bytes(run) == final_bytes(train(shards, tmp_path / "whole"))


def test_what_goes_wrong_before_is_told(shards, tmp_path):
    with pytest.raises(RunError, match=r"the norm of the step is inf.*after update 0 of 12"):
        train_until_killed(
            config(
                shards, tmp_path / "run", training=TrainingConfig(epochs=EPOCHS, learning_rate=1e30, step_clip=1e30)
            ),
            EPOCHS,
            quiet=True,
        )


def test_a_run_that_ends_before_is_told(shards, tmp_path):
    with pytest.raises(RunError, match="was complete before epoch 9"):
        train_until_killed(config(shards, tmp_path / "run", training=TrainingConfig(epochs=1)), 9, quiet=True)
