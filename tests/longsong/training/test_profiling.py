"""Where the time goes: every part once, and none of it in the numbers of the run."""

from __future__ import annotations

import re
import time

import pytest
import torch
from training_runs import config, final_bytes, metrics_without_times, train

import longsong
from longsong.config import ExecutionConfig, ModelConfig
from longsong.errors import NotFiniteError
from longsong.model import Network
from longsong.model.reference import ReferenceGradient
from longsong.training import profiling, trainer
from longsong.training.plan import Plan
from longsong.training.profiling import SECTIONS, UpdateProfile, format_profile


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


def test_evaluations_are_apart(clock):
    profile = UpdateProfile()
    clock(7.0)
    with profile.section("recurrence"):
        clock(1.0)
    profile.begin()
    with profile.section("recurrence"):
        clock(2.0)
    profile.count(128)
    with profile.evaluation(), profile.section("recurrence"):
        clock(5.0)
    clock(0.5)
    assert profile.seconds == {"recurrence": 2.0}
    assert (profile.total, profile.updates, profile.examples) == (2.5, 1, 128)
    assert (profile.evaluations, profile.evaluation_seconds) == (1, 5.0)


def test_the_table(clock, monkeypatch):
    network = Network(ModelConfig(cell="rnn", hidden=8, layers=1), 8)
    profile = UpdateProfile()
    for name, seconds in (("data", 0.5), ("input products", 2.0), ("recurrence", 4.0), ("optimiser", 1.0)):
        with profile.section(name):
            clock(seconds)
    clock(0.5)
    profile.count(6)
    profile.count(2)
    with profile.evaluation():
        clock(3.0)

    def measured(network, steps, rows, dtype, device):
        assert (steps, rows, dtype) == (5, 4, torch.float32)
        return {"input": 1.0, "recurrence": 0.5, "output": 0.25}

    monkeypatch.setattr(profiling, "measure_floor", measured)
    table = format_profile(profile, network, ExecutionConfig(device="cpu"), Plan(8, 5, 4, 5, {}))
    rows = {line[:32].strip(): line[32:].split() for line in table.splitlines()[1:-1]}
    # Two pieces of four rows for eight examples, and there were four of them on average.
    assert rows["input products"] == ["1.00000", "25.0%", "1.00"]
    assert rows["recurrence"] == ["2.00000", "50.0%", "4.00"]
    assert rows["data"] == ["0.25000", "6.2%"]
    assert rows["the rest"] == ["0.25000", "6.2%"]
    assert rows["in all"] == ["4.00000", "100.0%", "2.29"]
    assert rows["the floor: its matrix products"] == ["1.75000", "43.8%"]
    assert table.splitlines()[-1] == "beside that 3.0 s for each evaluation of the dev cost"


def test_the_optimiser_is_timed_and_does_the_same(clock):
    network = Network(ModelConfig(hidden=3), 4)
    inputs = torch.linspace(-1, 1, 40).view(2, 5, 4)
    profile, ends = UpdateProfile(), []
    for seen in (profile, None):
        parameters = network.initial_parameters(1).float()
        optimiser = trainer.RMSProp(torch.zeros_like(parameters), learning_rate=0.1, decay=0.9, step_clip=1.0)
        trainer.Updater(network, parameters, optimiser, ReferenceGradient(network), seen).update(inputs, -inputs)
        ends.append(parameters)
    assert torch.equal(*ends)
    assert list(profile.seconds) == ["optimiser"]


def test_a_run_with_a_profile_ends_with_the_same_bytes_and_says_where_the_time_went(shards, tmp_path, capsys):
    unseen = train(shards, tmp_path / "unseen")
    seen = longsong.train(config(shards, tmp_path / "seen"), quiet=True, profile=True)
    assert final_bytes(seen) == final_bytes(unseen)
    assert metrics_without_times(seen) == metrics_without_times(unseen)
    table = capsys.readouterr().err
    assert "mean of 12" in table
    for name in (*SECTIONS, "the rest", "in all", "the floor"):
        assert f"\n{name}" in table
    shares = [float(share) for share in re.findall(r"([\d.]+)%", table)]
    *parts, whole, _ = shares
    assert whole == 100.0
    assert sum(parts) == pytest.approx(100.0, abs=0.5)


def test_an_interrupted_run_says_it_too(shards, tmp_path, capsys, monkeypatch):
    update_of, made = trainer.Updater.update, 0

    def stopping(self, inputs, targets):
        nonlocal made
        made += 1
        if made == 3:
            raise NotFiniteError("stopped")
        return update_of(self, inputs, targets)

    monkeypatch.setattr(trainer.Updater, "update", stopping)
    with pytest.raises(NotFiniteError):
        longsong.train(config(shards, tmp_path / "run"), quiet=True, profile=True)
    assert "mean of 2" in capsys.readouterr().err
