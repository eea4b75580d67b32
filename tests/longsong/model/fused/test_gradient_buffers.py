"""Buffers are used again, and mini-batches may lie in memory in any way: the same bytes all the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from fused_cases import AXES, CELLS, Case
from torch import Tensor

from longsong.config import ModelConfig
from longsong.errors import ConfigError
from longsong.model import Network
from longsong.model.fused import FusedGradient

PIECES = [{}, {"micro_batch": 3, "segment": 4}]


def computed(form: FusedGradient, case: Case, dtype: torch.dtype = torch.float32) -> tuple[float, Tensor, float]:
    """Give cost, gradient and the cost alone of a mini-batch."""
    parameters, mini_batch = case.parameters().to(dtype), case.mini_batch(dtype)
    cost, gradient = form.cost_and_gradient(parameters, *mini_batch)
    return cost, gradient.clone(), form.cost(parameters, *mini_batch)


def same(one: tuple[float, Tensor, float], other: tuple[float, Tensor, float]) -> bool:
    return (one[0], one[2]) == (other[0], other[2]) and torch.equal(one[1], other[1])


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize("recurrence", AXES)
@pytest.mark.parametrize("cell", CELLS)
def test_mini_batches_of_other_sizes_leave_nothing_behind(cell, recurrence, pieces, elementwise):
    large = Case(cell, recurrence, hidden=17, frame=6, seq=7, batch=8)
    others = [replace(large, seq=3), replace(large, batch=2), replace(large, seq=1, batch=1), replace(large, seed=7)]
    alone = {
        case: computed(FusedGradient(case.network, elementwise=elementwise, **pieces), case)
        for case in (large, *others)
    }
    form = FusedGradient(large.network, elementwise=elementwise, **pieces)
    for case in (large, large, *others, large, *reversed(others), large):
        assert same(computed(form, case), alone[case]), case


@pytest.mark.parametrize("cell", CELLS)
def test_a_precision_after_the_other_gives_what_each_gives_alone(cell):
    case = Case(cell)
    form = FusedGradient(case.network)
    for dtype in (torch.float32, torch.float64, torch.float32):
        found = computed(form, case, dtype)
        assert found[1].dtype == dtype
        assert same(found, computed(FusedGradient(case.network), case, dtype))


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_given_is_not_written_to(cell, elementwise):
    case = Case(cell)
    parameters, mini_batch = case.parameters(), case.mini_batch()
    before = [tensor.clone() for tensor in (parameters, *mini_batch)]
    FusedGradient(case.network, elementwise=elementwise).cost_and_gradient(parameters, *mini_batch)
    assert all(torch.equal(*pair) for pair in zip((parameters, *mini_batch), before, strict=True))


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize("recurrence", AXES)
@pytest.mark.parametrize("cell", CELLS)
def test_mini_batches_may_lie_in_memory_in_any_way(cell, recurrence, pieces, elementwise):
    case = Case(cell, recurrence, hidden=6, frame=5, seq=9, batch=8)
    form = FusedGradient(case.network, elementwise=elementwise, **pieces)
    views = case.mini_batch()
    assert not any(part.is_contiguous() for part in views)
    assert views[0].untyped_storage().data_ptr() == views[1].untyped_storage().data_ptr()
    ways = {
        "contiguous": [part.contiguous() for part in views],
        "transposed": [part.transpose(0, 1).contiguous().transpose(0, 1) for part in views],
        "frames last but one": [part.transpose(1, 2).contiguous().transpose(1, 2) for part in views],
        "every other number": [part.repeat_interleave(2, dim=2)[..., ::2] for part in views],
    }
    cost, gradient = form.cost_and_gradient(case.parameters(), *views)
    gradient = gradient.clone()
    for way, parts in ways.items():
        found = form.cost_and_gradient(case.parameters(), *parts)
        assert found[0] == cost, way
        assert torch.equal(found[1], gradient), way


@pytest.mark.parametrize("wrong", [{"elementwise": "fast"}, {"micro_batch": 0}, {"segment": 0}, {"segment": -3}])
def test_what_cannot_be_is_refused_when_it_is_made(wrong) -> None:
    with pytest.raises(ConfigError, match=str(next(iter(wrong.values())))):
        FusedGradient(Network(ModelConfig(hidden=2), 3), **wrong)


def test_a_mini_batch_without_an_example_is_refused() -> None:
    network = Network(ModelConfig(hidden=2), 3)
    form, none = FusedGradient(network), torch.empty(0, 4, 3)
    for compute in (form.cost, form.cost_and_gradient):
        with pytest.raises(ValueError, match="no example"):
            compute(torch.zeros(network.size), none, none)
