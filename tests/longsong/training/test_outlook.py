"""The seconds of an update, from a few of its steps."""

from __future__ import annotations

import pytest
import torch

from longsong.config import ExecutionConfig, ModelConfig
from longsong.model import Network
from longsong.model.fused import FusedGradient
from longsong.model.reference import ReferenceGradient
from longsong.training import outlook as module
from longsong.training.optimiser import RMSProp
from longsong.training.outlook import outlook, seconds_an_update
from longsong.training.plan import SECOND_TIME, Plan
from longsong.training.updater import Updater

EXECUTION = ExecutionConfig(device="cpu", threads=2, elementwise="plain")
ONCE, EACH, STEP = 0.004, 0.002, 0.0007


@pytest.fixture
def shapes(monkeypatch):
    """Time by a clock that knows what steps cost, and keep what was computed."""
    seen = Seen()

    class Gradient:
        def cost_and_gradient(self, parameters, inputs, targets):
            seen.append(tuple(inputs.shape))
            return 0.0, parameters

    def timed(work, device):
        before = len(seen)
        work()
        return ONCE + EACH * max(seen[-1][:2]) if len(seen) > before else STEP

    monkeypatch.setattr(module, "_timed", timed)
    seen.form = Gradient()
    return seen


class Seen(list):
    """What was computed, and by what."""


def updater(form, **model) -> Updater:
    network = Network(ModelConfig(**{"hidden": 4, **model}), 10)
    parameters = network.initial_parameters(0).float()
    optimiser = RMSProp(torch.zeros_like(parameters), learning_rate=1e-3, decay=0.9, step_clip=1.0)
    return Updater(network, parameters, optimiser, form if form is not None else FusedGradient(network))


def plan(rows: int, steps: int, micro_batch: int, segment: int) -> Plan:
    return Plan(rows, steps, micro_batch, segment, {"an update": 3 << 30})


def test_steps_pieces_and_second_times_are_counted(shapes):
    small = updater(shapes.form)
    whole = seconds_an_update(small, plan(1, 1000, 1, 1000))
    assert whole == pytest.approx(ONCE + 1000 * EACH + STEP)
    again = seconds_an_update(small, plan(1, 1000, 1, 500))
    assert again == pytest.approx(ONCE + 1000 * EACH * SECOND_TIME + STEP)
    twice = seconds_an_update(small, plan(2, 1000, 1, 1000))
    assert twice == pytest.approx(2 * (ONCE + 1000 * EACH) + STEP)
    assert all(frame == 10 and rows == 1 and steps <= 64 for rows, steps, frame in shapes)


def test_no_more_steps_are_computed_than_a_segment_has(shapes):
    seconds_an_update(updater(shapes.form), plan(8, 1000, 3, 5))
    assert {rows for rows, _, _ in shapes} == {3}
    assert max(steps for _, steps, _ in shapes) == 5


def test_a_sequence_of_one_step_and_one_over_the_mini_batch(shapes):
    assert seconds_an_update(updater(shapes.form), plan(1, 1, 1, 1)) == pytest.approx(ONCE + EACH + STEP)
    coded = updater(shapes.form, recurrence="batch")
    assert seconds_an_update(coded, plan(1, 90, 1, 90)) == pytest.approx(ONCE + 90 * EACH + STEP)
    assert shapes[-1][1:] == (1, 10)


def test_the_optimiser_is_timed_on_a_part_and_the_rest_is_counted(shapes, monkeypatch):
    small = updater(shapes.form)
    whole = seconds_an_update(small, plan(1, 10, 1, 10))
    monkeypatch.setattr(module, "_MOST_PARAMETERS", len(small.parameters) // 3)
    thrice = seconds_an_update(small, plan(1, 10, 1, 10))
    assert thrice - whole == pytest.approx(2 * STEP, rel=0.05)


def test_two_lines_are_said(shapes):
    first, second = outlook(updater(shapes.form), EXECUTION, plan(8, 2000, 2, 500), 7)
    assert first.startswith("this configuration: 3.0 GiB, 4 micro-batches, segments of 500 steps, about ")
    assert first.endswith(" s an update")
    assert second.startswith("2 threads, float32, ")


@pytest.mark.parametrize("form", ["fused", "reference"])
def test_real_updates_take_time_and_change_nothing(form):
    real = updater(None if form == "fused" else ReferenceGradient(Network(ModelConfig(hidden=4), 10)))
    before = real.parameters.clone()
    assert 0 < seconds_an_update(real, plan(4, 30, 4, 30)) < 60
    assert torch.equal(real.parameters, before)
    assert not real.optimiser.mean_square.any()
