"""A layer as one function of autograd: its gradients, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from fused_cases import AXES, CELLS, Case
from torch import Tensor

from longsong.errors import ConfigError
from longsong.experiments.parity import largest_error
from longsong.model.cell import RecurrentCell
from longsong.model.fused import recurrence

EXACT = 1e-12


@dataclass
class Layer:
    """A layer with something to run over; every tensor a leaf."""

    name: str
    cell: RecurrentCell
    e: Tensor
    parameters: dict[str, Tensor]
    states: list[Tensor]

    def run(self, elementwise: str = "plain", **changes: Any) -> tuple[Tensor, list[Tensor]]:
        given = {"e": self.e, "parameters": self.parameters, "states": self.states} | changes
        tensors = (given.pop(name) for name in ("e", "parameters", "states"))
        return recurrence(self.name, *tensors, layer=1, elementwise=elementwise, **given)

    def reference(self) -> tuple[Tensor, list[Tensor]]:
        outputs, state = [], tuple(self.states)
        for fork in zip(*(part.unbind(0) for part in self.cell.fork(self.parameters, self.e)), strict=True):
            state = self.cell.step(self.parameters, fork, state)
            outputs.append(state[0])
        return torch.stack(outputs), list(state)

    @property
    def leaves(self) -> list[Tensor]:
        return [self.e, *self.states, *self.parameters.values()]


def layer_of(cell: str, *, steps: int = 5, rows: int = 2, hidden: int = 3) -> Layer:
    case = Case(cell, hidden=hidden)
    generator = torch.Generator().manual_seed(steps)

    def leaf(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()

    named = case.network.named(case.parameters())
    reference = case.network.cells[1]
    weights = [name for name in reference.shapes() if ".initial" not in name]
    parameters = {name: named[name].clone().requires_grad_() for name in weights}
    states = [leaf(rows, hidden) for _ in range(len(reference.shapes()) - len(weights))]
    return Layer(cell, reference, leaf(steps, rows, hidden), parameters, states)


def scalar(h: Tensor, states: list[Tensor]) -> Tensor:
    """Make one number of all that a layer gives, in which each part has another weight."""
    return h.square().sum() + sum((n + 2) * state.sin().sum() for n, state in enumerate(states))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("steps", [1, 5])
def test_gradients_are_those_of_finite_differences(cell, steps, elementwise):
    layer = layer_of(cell, steps=steps)

    def function(e: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        states, weights = tensors[: len(layer.states)], tensors[len(layer.states) :]
        h, after = layer.run(
            elementwise, e=e, states=states, parameters=dict(zip(layer.parameters, weights, strict=True))
        )
        return h, *after

    assert torch.autograd.gradcheck(function, tuple(layer.leaves))


@pytest.mark.parametrize("cell", CELLS)
def test_outputs_and_gradients_are_those_of_the_reference_cell(cell, elementwise):
    layer = layer_of(cell, steps=30, rows=7, hidden=11)
    found, sought = layer.run(elementwise), layer.reference()
    assert largest_error(found[0].detach(), sought[0].detach()) <= EXACT
    for state, other in zip(found[1], sought[1], strict=True):
        assert largest_error(state.detach(), other.detach()) <= EXACT
    gradients = (torch.autograd.grad(scalar(*given), layer.leaves) for given in (found, sought))
    for name, one, other in zip(["e", *"hc"[: len(layer.states)], *layer.parameters], *gradients, strict=True):
        assert largest_error(one, other) <= EXACT, name


@pytest.mark.parametrize("recurrence_axis", AXES)
@pytest.mark.parametrize("cell", CELLS)
def test_a_network_put_together_of_it_predicts_as_the_reference(cell, recurrence_axis, elementwise):
    case = Case(cell, recurrence_axis, hidden=13, layers=3, frame=4, seq=20, batch=9)
    network, (inputs, _) = case.network, case.mini_batch()
    p = network.named(case.parameters())
    e = network.encode(p, network.to_steps(inputs))
    for n, states in enumerate(network.initial_states(p, case.rows)):
        e, _ = recurrence(cell, e, p, states, layer=n, elementwise=elementwise)
    assert largest_error(network.from_steps(network.decode(p, e)), network.predict(p, inputs)) <= EXACT


@pytest.mark.parametrize("cell", CELLS)
def test_a_sequence_in_two_parts_is_the_sequence(cell, elementwise):
    layer = layer_of(cell, steps=9)
    whole = layer.run(elementwise)
    first, between = layer.run(elementwise, e=layer.e[:4])
    second, after = layer.run(elementwise, e=layer.e[4:], states=between)
    parts = torch.cat([first, second]), after
    assert largest_error(parts[0].detach(), whole[0].detach()) <= EXACT
    gradients = (torch.autograd.grad(scalar(*given), layer.leaves) for given in (parts, whole))
    for one, other in zip(*gradients, strict=True):
        assert largest_error(one, other) <= EXACT


@pytest.mark.parametrize("cell", CELLS)
def test_tensors_may_lie_in_any_way(cell, elementwise):
    layer = layer_of(cell)
    sought = torch.autograd.grad(scalar(*layer.run(elementwise)), layer.leaves)

    def strided(tensor: Tensor) -> Tensor:
        """Copy it, every other number of a larger tensor, transposed."""
        return torch.stack([tensor.detach().mT if tensor.ndim > 1 else tensor.detach()] * 2, dim=-1)[..., 0]

    def leaf(tensor: Tensor) -> Tensor:
        return (strided(tensor).mT if tensor.ndim > 1 else strided(tensor)).requires_grad_()

    other = Layer(
        layer.name,
        layer.cell,
        leaf(layer.e),
        {name: leaf(weight) for name, weight in layer.parameters.items()},
        [leaf(state) for state in layer.states],
    )
    assert not any(tensor.is_contiguous() for tensor in other.leaves)
    for one, another in zip(torch.autograd.grad(scalar(*other.run(elementwise)), other.leaves), sought, strict=True):
        assert torch.equal(one, another)


@pytest.mark.parametrize("cell", CELLS)
def test_inputs_that_need_no_gradient_get_none(cell, elementwise):
    layer = layer_of(cell)
    with_e = torch.autograd.grad(scalar(*layer.run(elementwise)), layer.leaves[1:])
    without = torch.autograd.grad(scalar(*layer.run(elementwise, e=layer.e.detach())), layer.leaves[1:])
    assert all(torch.equal(one, other) for one, other in zip(with_e, without, strict=True))


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_given_away_may_be_written_to(cell, elementwise):
    layer = layer_of(cell)
    h, states = layer.run(elementwise)
    sought = torch.autograd.grad(scalar(h, states), layer.leaves)
    h, states = layer.run(elementwise)
    cost = scalar(h.clone(), [state.clone() for state in states])
    for tensor in (h, *states):
        tensor.detach().zero_()
    assert all(torch.equal(a, b) for a, b in zip(torch.autograd.grad(cost, layer.leaves), sought, strict=True))


@pytest.mark.parametrize("cell", CELLS)
def test_a_way_back_is_gone_twice_where_the_graph_is_retained_alone(cell, elementwise):
    layer = layer_of(cell)
    cost = scalar(*layer.run(elementwise))
    first = torch.autograd.grad(cost, layer.leaves, retain_graph=True)
    first = [part.clone() for part in first]
    second = torch.autograd.grad(cost, layer.leaves)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(cost, layer.leaves)


def test_a_second_derivative_is_refused():
    layer = layer_of("gru")
    with pytest.raises(ConfigError, match=r"create_graph=True.*leave it out"):
        torch.autograd.grad(scalar(*layer.run()), layer.leaves, create_graph=True)


def test_parameters_changed_before_the_way_back_are_noticed():
    layer = layer_of("gru")
    cost = scalar(*layer.run())
    with torch.no_grad():
        layer.parameters["gru1.state_to_state"].mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        cost.backward()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"e": torch.zeros(2, 3)}, r"shape \(steps, rows, hidden\).*not \(2, 3\)"),
        ({"e": torch.zeros(0, 2, 3)}, r"none of them 0, not \(0, 2, 3\)"),
        ({"e": torch.zeros(5, 2, 3, dtype=torch.float16)}, r"float32 or float64, not torch.float16"),
        ({"parameters": {}}, r"no parameter linear1.W: give it, of shape \(3, 12\)"),
        ({"states": [torch.zeros(2, 3, dtype=torch.float64)]}, r"2 tensors, not 1"),
        ({"states": [torch.zeros(1, 3, dtype=torch.float64)] * 2}, r"initial_state must be of shape \(2, 3\)"),
        ({"states": [torch.zeros(2, 3)] * 2}, r"initial_state is torch.float32 on cpu, inputs are torch.float64"),
        ({"elementwise": "fast"}, r"one of compiled, kernel, plain, not 'fast'"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        layer_of("lstm").run(**changes)


def test_a_layer_and_a_cell_that_are_not_there_are_refused():
    layer = layer_of("gru")
    with pytest.raises(ConfigError, match="not 'GRU'"):
        recurrence("GRU", layer.e, layer.parameters, layer.states)
    with pytest.raises(ConfigError, match="layer must be a whole number of at least 0, not -1"):
        recurrence("gru", layer.e, layer.parameters, layer.states, layer=-1)


def test_compiled_loops_that_cannot_be_had_are_refused(monkeypatch):
    monkeypatch.setattr("longsong.model.fused.function.compiled_available", lambda: "numba is not here")
    with pytest.raises(ConfigError, match=r"compiled cannot be had: numba is not here; take plain"):
        layer_of("gru").run("compiled")
