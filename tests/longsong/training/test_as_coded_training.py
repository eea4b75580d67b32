"""What each training switch does to a run, and that it does nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from training_runs import config, final_bytes, metrics_without_times, train

import longsong
from longsong import DataConfig, ModelConfig, TrainingConfig
from longsong.cli import main
from longsong.errors import CheckpointError, ConfigError
from longsong.model import Network
from longsong.switches import switch_on
from longsong.training.record import read_record, read_summary

EPOCHS = 4


class PowerCutError(Exception):
    """Stands for a power cut: nothing in memory outlives it."""


def as_coded(shards, run, *names, stop_after=None, **changes):
    """Train with switches on; a power cut comes after so many epochs, and then it goes on."""
    asked = switch_on(config(shards, run, **changes), names)

    def cut(epoch):
        if epoch == stop_after:
            raise PowerCutError

    if stop_after is not None:
        with pytest.raises(PowerCutError):
            longsong.train(asked, quiet=True, on_epoch=cut)
    return longsong.train(asked, quiet=True)


def updates(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "update"]


def test_the_forget_bias_of_2016_changes_no_bit(shards, tmp_path):
    plain, biased = train(shards, tmp_path / "plain"), as_coded(shards, tmp_path / "biased", "forget-bias")
    assert final_bytes(biased) == final_bytes(plain)
    assert metrics_without_times(biased) == metrics_without_times(plain)
    assert read_record(biased).model.named_forget_bias == 1.0


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_forget_bias_that_works_is_in_the_gate_that_keeps_and_nowhere_else(cell):
    hidden, bias = 5, 1.5
    plain = Network(ModelConfig(cell=cell, hidden=hidden), 3)
    biased = Network(ModelConfig(cell=cell, hidden=hidden, forget_bias=bias), 3)
    before, after = (network.named(network.initial_parameters(1)) for network in (plain, biased))
    gates = {f"fork{n}/fork_gates{n}.b" if cell == "gru" else f"linear{n}.b" for n in range(2)}
    assert {name for name in before if not torch.equal(before[name], after[name])} == gates
    # A GRU's update gate comes first, and keeps where it is near 0; an LSTM's forget gate second, and keeps near 1.
    due = [-bias] * hidden + [0.0] * hidden if cell == "gru" else [0.0] * hidden + [bias] * hidden + [0.0] * 2 * hidden
    for name in gates:
        assert after[name].tolist() == due


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_forget_bias_that_works_keeps_more_of_the_state(cell):
    moved = {}
    for bias in (0.0, 3.0):
        network = Network(ModelConfig(cell=cell, hidden=6, forget_bias=bias), 4)
        p = network.named(network.initial_parameters(1))
        states = [tuple(torch.ones(2, 6, dtype=torch.float64) for _ in part) for part in network.initial_states(p, 2)]
        _, after = network.step(p, torch.zeros(2, 4, dtype=torch.float64), states)
        # The last of a cell's states is what it keeps: h of a GRU, the cell of an LSTM.
        moved[bias] = (after[0][-1] - states[0][-1]).abs().mean().item()
    assert moved[3.0] < 0.2 * moved[0.0]


def test_a_forget_bias_that_works_changes_the_run(shards, tmp_path):
    plain = train(shards, tmp_path / "plain")
    biased = train(shards, tmp_path / "biased", model=ModelConfig(hidden=8, forget_bias=1.0))
    assert final_bytes(biased)["parameters.safetensors"] != final_bytes(plain)["parameters.safetensors"]
    with pytest.raises(ConfigError, match="forget-bias is 1, which new parameters begin with"):
        train(
            shards,
            tmp_path / "more",
            model=ModelConfig(hidden=8, forget_bias=1.0),
            training=TrainingConfig(epochs=2, start_from=str(plain)),
        )


def test_a_bare_resume_loses_the_optimisers_state_and_the_learning_rate_and_nothing_else(shards, tmp_path):
    plain = train(shards, tmp_path / "plain")
    never = as_coded(shards, tmp_path / "never", "bare-resume")
    assert final_bytes(never) == final_bytes(plain)
    bare = as_coded(shards, tmp_path / "bare", "bare-resume", stop_after=EPOCHS // 2)
    assert read_summary(bare)["starts"] == 2
    assert read_summary(never)["starts"] == 1
    half = len(updates(plain)) // 2
    assert metrics_without_times(bare)[: half + 3] == metrics_without_times(plain)[: half + 3]
    before, after = updates(plain)[half], updates(bare)[half]
    # The parameters and the order are those of before; the rate and the mean of squares are not.
    for key in ("train_cost", "gradient_norm", "indices_sha256"):
        assert after[key] == before[key]
    assert after["learning_rate"] == updates(plain)[0]["learning_rate"] > before["learning_rate"]
    assert [line["learning_rate"] for line in updates(bare)[half:]] == [
        line["learning_rate"] for line in updates(plain)[:half]
    ]
    assert after["step_norm_unclipped"] > 2 * before["step_norm_unclipped"]
    assert final_bytes(bare) != final_bytes(plain)
    again = as_coded(shards, tmp_path / "again", "bare-resume", stop_after=EPOCHS // 2)
    assert final_bytes(again) == final_bytes(bare)


def test_overlapping_examples_are_trained_on_and_resumed_exactly(shards, tmp_path):
    whole = as_coded(shards, tmp_path / "whole", "overlap")
    record = read_record(whole)
    assert record.counts["hop"] == 50
    assert record.counts["train_examples"] > 1.9 * read_record(train(shards, tmp_path / "x")).counts["train_examples"]
    stopped = as_coded(shards, tmp_path / "stopped", "overlap", stop_after=1)
    assert final_bytes(stopped) == final_bytes(whole)
    assert metrics_without_times(stopped) == metrics_without_times(whole)


def test_a_song_off_the_middle_is_trained_on_shifted(shards, tmp_path):
    plain, shifted = train(shards, tmp_path / "plain"), as_coded(shards, tmp_path / "shifted", "mean-shift")
    one, other = read_record(plain).song, read_record(shifted).song
    assert other["scale"] == one["scale"]
    assert other["offset"] == pytest.approx(one["offset"] - one["scale"] * one["mean"], abs=1e-7)
    odd = {key for key in one if one[key] != other[key]}
    assert odd == {"offset"}
    assert [line["indices_sha256"] for line in updates(plain)] == [line["indices_sha256"] for line in updates(shifted)]


@pytest.mark.parametrize("name", ["recurrence", "overlap", "bare-resume", "mean-shift", "forget-bias"])
def test_a_run_does_not_go_on_with_another_switch(shards, tmp_path, name):
    run = train(shards, tmp_path / "run", training=TrainingConfig(epochs=1))
    with pytest.raises(CheckpointError, match="is asked for; give another --out"):
        as_coded(shards, run, name, training=TrainingConfig(epochs=1))
    words = f"--frame 20 --seq 5 --hidden 8 --epochs 1 --device cpu --threads 1 --as-coded {name}".split()
    out = tmp_path / "other"
    assert main(["train", str(shards), *words, "--out", str(out)]) == 0
    asked = switch_on(config(shards, out, training=TrainingConfig(epochs=1)), [name])
    found = read_record(out)
    assert (found.model, found.training) == (asked.model, asked.training)
    assert found.data == replace(asked.data, train_samples=found.data.train_samples)


def test_an_epochs_checkpoint_is_on_the_disk_when_it_is_told(shards, tmp_path):
    run, told = tmp_path / "run", []

    def on_epoch(epoch):
        (folder,) = (run / "checkpoints").glob("update-*")
        told.append((epoch, json.loads((folder / "state.json").read_text())["epoch"]))

    longsong.train(config(shards, run), quiet=True, on_epoch=on_epoch)
    assert told == [(epoch, epoch) for epoch in range(1, EPOCHS + 1)]


def test_passes_do_not_lie_at_even_distances_on_a_device(shards):
    from longsong.training.feed import torch_batches
    from longsong.training.splits import Splits

    for shift, route in ((None, "resident"), (50, "shared")):
        stream = Splits.open(shards, DataConfig(20, 5, example_shift=shift)).train_stream(1)
        batches = torch_batches(stream, "cpu", resident_bytes=1 << 30)
        assert batches.route == route
        inputs, _ = next(iter(batches))
        np.testing.assert_array_equal(inputs.numpy(), stream.windows.read(stream.indices)[0])
