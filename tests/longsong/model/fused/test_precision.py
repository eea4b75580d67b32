"""The fused form in float32, and with bfloat16 products, against the reference form in float64."""

from __future__ import annotations

import pytest
import torch
from fused_cases import AXES, CELLS, Case, cases, errors, worst
from hypothesis import example, given, settings

from longsong.config import TrainingConfig
from longsong.model.fused import Bfloat16Products, FusedGradient, Products, has_bfloat16
from longsong.model.reference import ReferenceGradient
from longsong.training.optimiser import RMSProp
from longsong.training.updater import Updater

SINGLE = 2e-5
ROUNDED = 2e-2
NATIVE = [
    False,
    pytest.param(
        True, marks=pytest.mark.skipif(not has_bfloat16(), reason="this processor has no instructions for bfloat16")
    ),
]


@pytest.mark.parametrize("cell", CELLS)
def test_float32_is_near_float64(cell, elementwise):
    # Not of frames of a sample or two: of what is summed over steps and rows they may leave nothing but rounding.
    @settings(max_examples=6)
    @given(case=cases(cell, least_hidden=8, least_frame=8))
    @example(case=Case(cell, hidden=256, layers=1, frame=50, seq=200, batch=1))
    @example(case=Case(cell, "batch", hidden=199, layers=1, frame=40, seq=2, batch=130))
    def holds(case: Case) -> None:
        parameters = case.initial()
        sought = ReferenceGradient(case.network).cost_and_gradient(parameters, *case.mini_batch())
        form = FusedGradient(case.network, elementwise=elementwise)
        found = form.cost_and_gradient(parameters.float(), *case.mini_batch(torch.float32))
        assert worst(errors(case.network, found, sought)) <= (SINGLE,)
        assert form.cost(parameters.float(), *case.mini_batch(torch.float32)) == pytest.approx(sought[0], rel=SINGLE)

    holds()


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("bias", [-8.0, -15.0, -20.0])
def test_float32_is_near_float64_with_gates_all_but_closed(cell, bias, elementwise):
    case = Case(cell, hidden=16, layers=1, frame=8, seq=10, batch=12, seed=3)
    parameters = case.closed(bias)
    sought = ReferenceGradient(case.network).cost_and_gradient(parameters, *case.mini_batch())
    form = FusedGradient(case.network, elementwise=elementwise)
    found = form.cost_and_gradient(parameters.float(), *case.mini_batch(torch.float32))
    assert worst(errors(case.network, found, sought)) <= (SINGLE,)


# Not any case: of gradients that cancel, little more than the rounding to 8 bits would be left.
@pytest.mark.parametrize("native", NATIVE)
@pytest.mark.parametrize("recurrence", AXES)
@pytest.mark.parametrize("cell", CELLS)
def test_bfloat16_products_are_near_float64(cell, recurrence, native):
    case = Case(cell, recurrence, hidden=100, frame=40, seq=20, batch=32, seed=1)
    parameters = case.initial()
    sought = ReferenceGradient(case.network).cost_and_gradient(parameters, *case.song())
    form = FusedGradient(case.network, products=Bfloat16Products(native))
    found = form.cost_and_gradient(parameters.float(), *case.song(torch.float32))
    error, name = worst(errors(case.network, found, sought))
    assert error <= ROUNDED, name
    assert error > 100 * SINGLE, "operands are not rounded"


@pytest.mark.parametrize("native", NATIVE)
@pytest.mark.parametrize("cell", CELLS)
def test_a_training_with_bfloat16_products_ends_where_one_in_float32_does(cell, native):
    def costs(products: Products) -> list[float]:
        case = Case(cell, hidden=32, frame=20, seq=15, batch=64)
        training, parameters = TrainingConfig(), case.initial().float()
        optimiser = RMSProp(
            torch.zeros_like(parameters),
            learning_rate=training.learning_rate,
            decay=training.rmsprop_decay,
            step_clip=training.step_clip,
        )
        updater = Updater(case.network, parameters, optimiser, FusedGradient(case.network, products=products))
        parts = list(zip(*(part.split(16) for part in case.song(torch.float32)), strict=True))
        return [updater.update(*parts[update % len(parts)])[0] for update in range(100)]

    rounded, single = costs(Bfloat16Products(native)), costs(Products())
    assert sum(single[-4:]) < 0.85 * sum(single[:4])
    assert sum(rounded[-4:]) == pytest.approx(sum(single[-4:]), rel=0.01)
    assert rounded != single
