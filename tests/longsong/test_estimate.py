"""How long runs take: from costs of steps, and the plan of each shape."""

from __future__ import annotations

from dataclasses import replace

import pytest

from longsong import estimate
from longsong.config import DataConfig, ExecutionConfig, ModelConfig
from longsong.errors import SpaceError
from longsong.estimate import Costs, Speed, measure_speed
from longsong.training.plan import SECOND_TIME, Plan

CPU = ExecutionConfig(device="cpu")


@pytest.fixture(scope="module")
def measured() -> Speed:
    return measure_speed(ModelConfig(cell="rnn", hidden=8), CPU)


def test_an_epoch_is_its_mini_batches_in_pieces(measured):
    data = DataConfig(40, 50)

    def speed(micro_batch: int, segment: int) -> Speed:
        plan = Plan(128, 50, micro_batch, segment, {})
        costs = replace(measured.costs, training=lambda rows, frame: 2.0, prediction=lambda rows, frame: 1.0)
        return replace(measured, costs=costs, plan=lambda *_: plan)

    # An epoch of 300 examples is two mini-batches of 128 in pieces of 50, 50 and 28, and one of 44.
    assert speed(50, 50).training_seconds(data, 300, 0, 3) == 3 * 2.0 * 50 * 7
    assert speed(50, 50).training_seconds(data, 128, 10, 3) == 3 * 2.0 * 50 * 3 + 4 * 1.0 * 50
    # States are computed a second time where they are trained on, not where they are evaluated.
    assert speed(128, 10).training_seconds(data, 128, 10, 3) == 3 * SECOND_TIME * 2.0 * 50 + 4 * 1.0 * 50


def test_generation_is_its_fronts(measured):
    costs = replace(measured.costs, generation=lambda rows, frame: 1.0 if rows == 50 else 0.5)
    front = replace(measured, costs=costs)
    # 80 fronts of 50 rows, and 25 on the way up and down, of 25 rows, twice
    assert front.generation_seconds(DataConfig(40, 50), 40 * 80) == (80 + 50 - 50) * 1.0 + 50 * 0.5


def test_estimates_grow_with_the_work(measured):
    small, long = DataConfig(40, 50), DataConfig(40, 5000)
    assert 0 < measured.training_seconds(small, 10, 2, 1) < measured.training_seconds(small, 1000, 200, 1)
    assert measured.training_seconds(small, 10, 2, 1) < measured.training_seconds(small, 10, 2, 30)
    assert 0 < measured.generation_seconds(small, 480_000) < measured.generation_seconds(long, 480_000)


def test_the_plan_is_that_of_the_memory_that_is_free(monkeypatch):
    monkeypatch.setattr(estimate, "choose_memory", lambda asked, device: 1 << 20)
    monkeypatch.setattr(estimate, "_seconds", lambda work: 1.0)
    with pytest.raises(SpaceError, match=r"40x50 with hidden 8 does not fit in 1\.0 MiB"):
        measure_speed(ModelConfig(hidden=8), CPU).training_seconds(DataConfig(40, 50), 128, 10, 1)


def test_what_is_measured_is_the_fused_form(monkeypatch):
    made = []
    make = estimate.make_gradient
    monkeypatch.setattr(estimate, "_seconds", lambda work: 1.0)
    monkeypatch.setattr(estimate, "make_gradient", lambda network, e: (made.append(e), make(network, e))[1])
    measure_speed(ModelConfig(hidden=8), CPU)
    assert {execution.form for execution in made} == {"fused"}


def test_what_several_processes_measured_is_their_mean(measured):
    one = measured.costs.to_json()
    twice = {kind: {name: 3 * value for name, value in cost.items()} for kind, cost in one.items()}
    mean = Costs.mean([one, twice])
    assert mean.training(5, 40) == pytest.approx(2 * measured.costs.training(5, 40))
    assert mean.generation(5, 40) == pytest.approx(2 * measured.costs.generation(5, 40))
