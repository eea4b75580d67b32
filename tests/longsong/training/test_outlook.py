"""The seconds of an update, from a few of its steps."""

from __future__ import annotations

import pytest
import torch

from longsong.config import ExecutionConfig, ModelConfig
from longsong.model import Network
from longsong.training import outlook as module
from longsong.training.outlook import outlook, seconds_an_update
from longsong.training.plan import SECOND_TIME, Plan

CPU = torch.device("cpu")
EXECUTION = ExecutionConfig(device="cpu", threads=2, elementwise="plain")
ONCE, EACH, STEP = 0.004, 0.002, 0.0007


@pytest.fixture
def shapes(monkeypatch):
    """Time by a clock that knows what steps cost, and keep what was computed."""
    seen = []

    class Gradient:
        def cost_and_gradient(self, parameters, inputs, targets):
            seen.append(tuple(inputs.shape))

    def timed(work, device):
        before = len(seen)
        work()
        return ONCE + EACH * max(seen[-1][:2]) if len(seen) > before else STEP

    monkeypatch.setattr(module, "make_gradient", lambda network, execution: Gradient())
    monkeypatch.setattr(module, "_timed", timed)
    return seen


def plan(rows: int, steps: int, micro_batch: int, segment: int) -> Plan:
    return Plan(rows, steps, micro_batch, segment, {"an update": 3 << 30})


def test_steps_pieces_and_second_times_are_counted(shapes):
    network = Network(ModelConfig(hidden=4), 10)
    whole = seconds_an_update(network, EXECUTION, plan(1, 1000, 1, 1000), CPU)
    assert whole == pytest.approx(ONCE + 1000 * EACH + STEP)
    again = seconds_an_update(network, EXECUTION, plan(1, 1000, 1, 500), CPU)
    assert again == pytest.approx(ONCE + 1000 * EACH * SECOND_TIME + STEP)
    twice = seconds_an_update(network, EXECUTION, plan(2, 1000, 1, 1000), CPU)
    assert twice == pytest.approx(2 * (ONCE + 1000 * EACH) + STEP)
    assert all(frame == 10 and rows == 1 and steps <= 64 for rows, steps, frame in shapes)


def test_a_sequence_of_one_step_and_one_over_the_mini_batch(shapes):
    network = Network(ModelConfig(hidden=4), 10)
    assert seconds_an_update(network, EXECUTION, plan(1, 1, 1, 1), CPU) == pytest.approx(ONCE + EACH + STEP)
    coded = Network(ModelConfig(hidden=4, recurrence="batch"), 10)
    assert seconds_an_update(coded, EXECUTION, plan(1, 90, 1, 90), CPU) == pytest.approx(ONCE + 90 * EACH + STEP)
    assert shapes[-1][1:] == (1, 10)


def test_two_lines_are_said(shapes):
    first, second = outlook(Network(ModelConfig(hidden=4), 10), EXECUTION, plan(8, 2000, 2, 500), 7)
    assert first.startswith("this configuration: 3.0 GiB, 4 micro-batches, segments of 500 steps, about ")
    assert first.endswith(" s an update")
    assert second.startswith("2 threads, float32, ")


@pytest.mark.parametrize("form", ["fused", "reference"])
def test_real_updates_take_time(form):
    execution = ExecutionConfig(device="cpu", threads=2, form=form)
    seconds = seconds_an_update(Network(ModelConfig(hidden=16), 10), execution, plan(4, 30, 4, 30), CPU)
    assert 0 < seconds < 60
