"""The fused form against the reference form, in float64: cost, and each gradient by name, within 1e-12."""

from __future__ import annotations

import pytest
import torch
from fused_cases import CELLS, Case, cases, errors, worst
from hypothesis import example, given, settings
from hypothesis import strategies as st

from longsong.experiments.parity import largest_error
from longsong.model.fused import FusedGradient
from longsong.model.reference import ReferenceGradient

EXACT = 1e-12


def both(case: Case, parameters: torch.Tensor, elementwise: str, *, of_largest: bool = False) -> dict[str, float]:
    """Give the errors of the fused form, and of its cost alone."""
    network = case.network
    sought = ReferenceGradient(network).cost_and_gradient(parameters, *case.mini_batch())
    form = FusedGradient(network, elementwise=elementwise)
    found = form.cost_and_gradient(parameters, *case.mini_batch())
    alone = largest_error(form.cost(parameters, *case.mini_batch()), sought[0])
    return errors(network, found, sought, of_largest=of_largest) | {"cost alone": alone}


@pytest.mark.parametrize("cell", CELLS)
def test_cost_and_gradients_are_those_of_the_reference(cell, elementwise):
    @settings(max_examples=10)
    @given(case=cases(cell))
    @example(case=Case(cell, hidden=300, layers=1, frame=50, seq=200, batch=1))
    @example(case=Case(cell, "batch", hidden=199, layers=1, frame=40, seq=2, batch=130))
    @example(case=Case(cell, hidden=1, layers=2, frame=1, seq=200, batch=130))
    @example(case=Case(cell, "batch", hidden=1, layers=1, frame=1, seq=1, batch=1))
    def holds(case: Case) -> None:
        assert worst(both(case, case.parameters(), elementwise)) <= (EXACT,)

    holds()


@pytest.mark.parametrize("cell", CELLS)
def test_so_they_are_where_gates_are_shut_or_wide_open(cell, elementwise):
    @settings(max_examples=10)
    @given(case=cases(cell, least_hidden=3, most_hidden=40, most_steps=20))
    def holds(case: Case) -> None:
        assert worst(both(case, case.saturated(), elementwise)) <= (EXACT,)

    holds()


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_so_they_are_with_gates_all_but_closed(cell, elementwise):
    @settings(max_examples=10)
    @given(case=cases(cell, most_hidden=40, most_steps=20), bias=st.floats(-30, -5))
    def holds(case: Case, bias: float) -> None:
        assert worst(both(case, case.closed(bias), elementwise)) <= (EXACT,)

    holds()


@pytest.mark.parametrize("cell", CELLS)
def test_so_they_are_with_weights_of_size_3(cell, elementwise):
    # Of few steps: with such weights a network is chaotic, and rounding grows tenfold a step in every form of it. Much
    # is saturated, and its own gradient nothing but rounding; hence in parts of the largest.
    @settings(max_examples=10)
    @given(case=cases(cell, most_hidden=8, most_steps=3))
    def holds(case: Case) -> None:
        assert worst(both(case, case.parameters(3.0), elementwise, of_largest=True)) <= (EXACT,)

    holds()


@pytest.mark.parametrize("recurrence", ["time", "batch"])
@pytest.mark.parametrize("cell", CELLS)
def test_every_micro_batch_and_segment_gives_what_the_whole_gives(cell, recurrence):
    case = Case(cell, recurrence, seq=5, batch=6) if recurrence == "batch" else Case(cell, recurrence, seq=6, batch=5)
    network, parameters, mini_batch = case.network, case.parameters(), case.mini_batch()
    whole = FusedGradient(network).cost_and_gradient(parameters, *mini_batch)
    for micro_batch in range(1, case.rows + 2):
        for segment in range(1, case.steps + 2):
            form = FusedGradient(network, micro_batch=micro_batch, segment=segment)
            there = errors(network, form.cost_and_gradient(parameters, *mini_batch), whole)
            there["cost alone"] = largest_error(form.cost(parameters, *mini_batch), whole[0])
            assert worst(there) <= (EXACT,), (micro_batch, segment)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("dtype", "least", "within"), [(torch.float64, 1, EXACT), (torch.float32, 8, 1e-5)])
def test_pieces_of_any_size_change_nothing_but_rounding(cell, elementwise, dtype, least, within):
    @settings(max_examples=8)
    @given(case=cases(cell, least_hidden=least, most_hidden=60, most_steps=80, least_frame=least), data=st.data())
    def holds(case: Case, data: st.DataObject) -> None:
        pieces = {
            "micro_batch": data.draw(st.none() | st.integers(-(-case.rows // 8), case.rows + 1)),
            "segment": data.draw(st.none() | st.integers(1, case.steps + 1)),
        }
        parameters, mini_batch = case.parameters().to(dtype), case.mini_batch(dtype)
        whole = FusedGradient(case.network, elementwise=elementwise)
        form = FusedGradient(case.network, elementwise=elementwise, **pieces)
        sought = whole.cost_and_gradient(parameters, *mini_batch)
        assert worst(errors(case.network, form.cost_and_gradient(parameters, *mini_batch), sought)) <= (within,)
        assert form.cost(parameters, *mini_batch) == pytest.approx(sought[0], rel=within)

    holds()


def test_a_mini_batch_without_an_example_is_refused():
    case = Case("gru")
    inputs, targets = case.mini_batch()
    for empty in ((inputs[:0], targets[:0]), (inputs[:, :0], targets[:, :0])):
        with pytest.raises(ValueError, match="holds no example"):
            FusedGradient(case.network).cost_and_gradient(case.parameters(), *empty)
