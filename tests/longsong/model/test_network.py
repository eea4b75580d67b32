"""The network against its equations, written a second time in numpy (FACTS section 4)."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from longsong.config import ModelConfig
from longsong.model import Network, sum_of_squares

CELLS = ("gru", "lstm", "rnn")


def random_network(cell: str, frame: int, hidden: int, layers: int, recurrence: str = "time"):
    network = Network(ModelConfig(cell=cell, hidden=hidden, layers=layers, recurrence=recurrence), frame)
    generator = torch.Generator().manual_seed(frame + 10 * hidden)
    return network, 0.8 * torch.randn(network.size, generator=generator, dtype=torch.float64)


def sigma(x):
    return 1 / (1 + np.exp(-x))


def by_the_equations(network: Network, flat: torch.Tensor, x: np.ndarray) -> np.ndarray:
    """Predict one example, shape (seq, frame), step by step."""
    p = {name: part.numpy() for name, part in network.named(flat).items()}
    hidden, cell = network.config.hidden, network.config.cell
    e = x @ p["input_to_hidden.W"] + p["input_to_hidden.b"]
    for n in range(network.config.layers):
        h = p[f"{cell}{n}.initial_state"]
        c = p.get(f"{cell}{n}.initial_cells")
        outputs = []
        for e_t in e:
            if cell == "gru":
                linear = e_t @ p[f"fork{n}/fork_linear{n}.W"] + p[f"fork{n}/fork_linear{n}.b"]
                gates = e_t @ p[f"fork{n}/fork_gates{n}.W"] + p[f"fork{n}/fork_gates{n}.b"]
                gates = sigma(h @ p[f"gru{n}.state_to_gates"] + gates)
                update, reset = gates[:hidden], gates[hidden:]
                candidate = np.tanh((reset * h) @ p[f"gru{n}.state_to_state"] + linear)
                h = update * candidate + (1 - update) * h
            elif cell == "lstm":
                a = h @ p[f"lstm{n}.W_state"] + e_t @ p[f"linear{n}.W"] + p[f"linear{n}.b"]
                a_in, a_forget, a_cell, a_out = np.split(a, 4)
                i = sigma(a_in + c * p[f"lstm{n}.W_cell_to_in"])
                f = sigma(a_forget + c * p[f"lstm{n}.W_cell_to_forget"])
                c = f * c + i * np.tanh(a_cell)
                h = sigma(a_out + c * p[f"lstm{n}.W_cell_to_out"]) * np.tanh(c)
            else:
                h = np.tanh(h @ p[f"rnn{n}.W"] + e_t @ p[f"linear{n}.W"] + p[f"linear{n}.b"])
            outputs.append(h)
        e = np.array(outputs)
    return e @ p["hidden_to_output.W"] + p["hidden_to_output.b"]


@pytest.mark.parametrize("cell", CELLS)
@settings(max_examples=15, deadline=None)
@given(
    frame=st.integers(1, 7),
    hidden=st.integers(1, 6),
    layers=st.integers(1, 3),
    seq=st.integers(1, 9),
    batch=st.integers(1, 4),
)
def test_predicts_as_the_equations_say(cell, frame, hidden, layers, seq, batch):
    network, flat = random_network(cell, frame, hidden, layers)
    x = torch.randn(batch, seq, frame, dtype=torch.float64)
    predicted = network.predict(network.named(flat), x).numpy()
    for row in range(batch):
        np.testing.assert_allclose(predicted[row], by_the_equations(network, flat, x[row].numpy()), atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_over_the_mini_batch_it_is_the_same_function_of_the_other_axis(cell):
    over_time, flat = random_network(cell, 5, 4, 2)
    over_batch, _ = random_network(cell, 5, 4, 2, "batch")
    x = torch.randn(6, 3, 5, dtype=torch.float64)
    swapped = over_time.predict(over_time.named(flat), x.transpose(0, 1)).transpose(0, 1)
    torch.testing.assert_close(over_batch.predict(over_batch.named(flat), x), swapped, rtol=0, atol=0)
    assert not torch.allclose(over_time.predict(over_time.named(flat), x), swapped)


@pytest.mark.parametrize("cell", CELLS)
def test_one_step_after_the_other_is_the_whole_sequence(cell):
    network, flat = random_network(cell, 3, 5, 2)
    p = network.named(flat)
    x = torch.randn(7, 2, 3, dtype=torch.float64)
    whole, after = network.steps(p, x)
    states = network.initial_states(p, 2)
    for t in range(7):
        predicted, states = network.step(p, x[t], states)
        torch.testing.assert_close(predicted, whole[t], rtol=0, atol=1e-13)
    for state, other in zip(states, after, strict=True):
        for part, other_part in zip(state, other, strict=True):
            torch.testing.assert_close(part, other_part, rtol=0, atol=1e-13)


@pytest.mark.parametrize("cell", CELLS)
def test_gradient_is_that_of_finite_differences(cell):
    network, flat = random_network(cell, 2, 3, 2)
    x, target = torch.randn(4, 2, 2, dtype=torch.float64), torch.randn(4, 2, 2, dtype=torch.float64)

    def cost(parameters):
        return sum_of_squares(network.steps(network.named(parameters), x)[0], target)

    assert torch.autograd.gradcheck(cost, flat.clone().requires_grad_())


@pytest.mark.parametrize("cell", CELLS)
def test_initial_parameters(cell):
    network = Network(ModelConfig(cell=cell, hidden=40, layers=2, init_width=0.04), 30)
    flat = network.initial_parameters(7)
    assert torch.equal(flat, network.initial_parameters(7))
    assert not torch.equal(flat, network.initial_parameters(8))
    for name, part in network.named(flat).items():
        if name.endswith((".b", ".initial_state", ".initial_cells")):
            assert not part.any(), name
        else:
            assert part.abs().max() <= 0.04, name
            assert part.abs().max() > 0.03, name
            # a uniform distribution's standard deviation is its width over the square root of 3
            assert part.std() == pytest.approx(0.04 / 3**0.5, rel=0.35), name


def test_size_is_that_of_the_shapes_and_names_are_those_of_the_stack():
    for cell in CELLS:
        network = Network(ModelConfig(cell=cell, hidden=5), 6)
        assert network.size == sum(prod(shape) for shape in network.shapes.values())
        with np.load(f"tests/golden/{cell}_time.npz") as golden:
            there = {name[5:]: golden[name].shape for name in golden.files if name.startswith("init:")}
        assert network.shapes == there


def test_named_parameters_are_views_and_go_back_to_the_same_vector():
    network, flat = random_network("gru", 3, 4, 2)
    named = network.named(flat)
    assert torch.equal(network.flat(named), flat)
    named["gru1.state_to_state"].zero_()
    assert torch.equal(network.flat(named), flat)
