"""What is not a number stays so, through the fused form to the cost, where a training notices it."""

from __future__ import annotations

import math

import pytest
import torch
from fused_cases import AXES, CELLS, Case
from hypothesis import given, settings
from hypothesis import strategies as st

from longsong.model.fused import Bfloat16Products, FusedGradient
from longsong.model.reference import ReferenceGradient

NAN, INFINITY = float("nan"), float("inf")


def network_case(cell: str, recurrence: str = "time") -> Case:
    return Case(cell, recurrence, hidden=5, frame=3, seq=6, batch=4)


def costs(form: FusedGradient, parameters: torch.Tensor, inputs: torch.Tensor, targets: torch.Tensor) -> list[float]:
    return [form.cost(parameters, inputs, targets), form.cost_and_gradient(parameters, inputs, targets)[0]]


@pytest.mark.parametrize("pieces", [{}, {"micro_batch": 2, "segment": 4}])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("cell", CELLS)
def test_nan_in_a_parameter_is_nan_in_the_cost(cell, dtype, pieces, elementwise):
    case = network_case(cell)
    form = FusedGradient(case.network, elementwise=elementwise, **pieces)
    inputs, targets = case.mini_batch(dtype)
    for name in case.network.shapes:
        parameters = case.parameters().to(dtype)
        case.network.named(parameters)[name].view(-1)[-1] = NAN
        assert all(map(math.isnan, costs(form, parameters, inputs, targets))), name


@pytest.mark.parametrize("recurrence", AXES)
@pytest.mark.parametrize("cell", CELLS)
def test_nan_and_infinity_anywhere_in_inputs_and_targets_are_noticed(cell, recurrence, elementwise):
    case = network_case(cell, recurrence)
    form = FusedGradient(case.network, segment=4, elementwise=elementwise)

    @settings(max_examples=10)
    @given(
        where=st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 2)),
        what=st.sampled_from([NAN, INFINITY, -INFINITY]),
        which=st.sampled_from([0, 1]),
    )
    def holds(where: tuple[int, int, int], what: float, which: int) -> None:
        mini_batch = [part.clone() for part in case.mini_batch()]
        mini_batch[which][where] = what
        assert not any(map(math.isfinite, costs(form, case.parameters(), *mini_batch)))

    holds()


@pytest.mark.parametrize("what", [INFINITY, -INFINITY])
@pytest.mark.parametrize("cell", CELLS)
def test_infinity_in_a_weight_is_noticed_at_the_latest_in_the_gradient(cell, what, elementwise):
    # In the cost it need not be: a gate that an infinite number shuts is as good as any.
    case = network_case(cell)
    form, reference = FusedGradient(case.network, elementwise=elementwise), ReferenceGradient(case.network)
    for name, shape in case.network.shapes.items():
        if len(shape) == 2:
            parameters = case.parameters()
            case.network.named(parameters)[name].view(-1)[-1] = what
            for either in (form, reference):
                cost, gradient = either.cost_and_gradient(parameters, *case.mini_batch())
                assert not math.isfinite(cost + float(gradient.norm())), name


@pytest.mark.parametrize("cell", CELLS)
def test_bfloat16_products_keep_it_too(cell):
    case = network_case(cell)
    form = FusedGradient(case.network, products=Bfloat16Products())
    for what in (NAN, INFINITY):
        inputs, targets = (part.clone() for part in case.mini_batch(torch.float32))
        inputs[1, 2, 0] = what
        assert not any(map(math.isfinite, costs(form, case.parameters().float(), inputs, targets)))
