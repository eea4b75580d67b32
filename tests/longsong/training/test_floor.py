from itertools import count

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from longsong.config import ModelConfig
from longsong.model import Network
from longsong.model.reference import ReferenceGradient
from longsong.training import floor as module
from longsong.training.floor import Floor, Product, measure_floor, products_of_update

CELLS = ("gru", "lstm", "rnn")
# Products of a layer by hand, in units of hidden^2 for each step and row: forks and recurrences have as many columns
# (3, 4 and 1 times hidden), and each is multiplied forward, backward and for the gradient of the weight.
OF_A_LAYER = {"gru": 2 * 3 * 3, "lstm": 2 * 4 * 3, "rnn": 2 * 1 * 3}


def network_of(cell="gru", hidden=3, layers=2, frame=5, recurrence="time"):
    return Network(ModelConfig(cell=cell, hidden=hidden, layers=layers, recurrence=recurrence), frame)


def test_the_products_of_one_simple_layer():
    assert products_of_update(network_of("rnn", layers=1), steps=7, rows=2) == [
        Product("input_to_hidden.W", 14, 5, 3, 1, "input", "forward"),
        Product("input_to_hidden.W", 5, 14, 3, 1, "input", "weights"),
        Product("linear0.W", 14, 3, 3, 1, "recurrence", "forward"),
        Product("linear0.W", 14, 3, 3, 1, "recurrence", "backward"),
        Product("linear0.W", 3, 14, 3, 1, "recurrence", "weights"),
        Product("rnn0.W", 2, 3, 3, 7, "recurrence", "forward"),
        Product("rnn0.W", 2, 3, 3, 7, "recurrence", "backward"),
        Product("rnn0.W", 3, 14, 3, 1, "recurrence", "weights"),
        Product("hidden_to_output.W", 14, 3, 5, 1, "output", "forward"),
        Product("hidden_to_output.W", 14, 5, 3, 1, "output", "backward"),
        Product("hidden_to_output.W", 3, 14, 5, 1, "output", "weights"),
    ]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_flops_of_each_cell_by_hand(cell, layers):
    hidden, frame, steps, rows = 3, 5, 7, 2
    products = products_of_update(network_of(cell, hidden, layers, frame), steps, rows)
    by_kind = {kind: sum(p.flops for p in products if p.kind == kind) for kind in ("input", "recurrence", "output")}
    step = 2 * steps * rows
    assert by_kind == {
        "input": step * 2 * frame * hidden,
        "recurrence": step * layers * OF_A_LAYER[cell] * hidden**2,
        "output": step * 3 * frame * hidden,
    }


def test_gates_and_candidate_of_a_gru_are_two_products_a_step():
    found = [p for p in products_of_update(network_of(layers=1), steps=7, rows=2) if p.times == 7]
    assert [(p.name, p.role, p.m, p.k, p.n) for p in found] == [
        ("gru0.state_to_state", "forward", 2, 3, 3),
        ("gru0.state_to_state", "backward", 2, 3, 3),
        ("gru0.state_to_gates", "forward", 2, 3, 6),
        ("gru0.state_to_gates", "backward", 2, 6, 3),
    ]


@settings(max_examples=25, deadline=None)
@given(
    cell=st.sampled_from(CELLS),
    recurrence=st.sampled_from(("time", "batch")),
    sizes=st.tuples(*[st.integers(1, 9)] * 4),
    layers=st.integers(1, 3),
)
def test_they_are_those_that_automatic_differentiation_makes(cell, recurrence, sizes, layers):
    hidden, frame, batch, seq = sizes
    network = network_of(cell, hidden, layers, frame, recurrence)
    frames = torch.randn(batch, seq + 1, frame, dtype=torch.float64)
    with FlopCounterMode(display=False) as counted:
        ReferenceGradient(network).cost_and_gradient(network.initial_parameters(1), frames[:, :-1], frames[:, 1:])
    steps, rows = (seq, batch) if recurrence == "time" else (batch, seq)
    assert sum(p.flops for p in products_of_update(network, steps, rows)) == counted.get_total_flops()


@pytest.mark.parametrize("cell", CELLS)
def test_the_floor_makes_those_products(cell):
    network = network_of(cell, hidden=8, frame=11)
    made = Floor(network, steps=9, rows=4)
    with FlopCounterMode(display=False) as counted:
        made.seconds()
    assert made.measured_steps == 9
    assert counted.get_total_flops() == sum(p.flops for p in products_of_update(network, 9, 4))


def test_a_part_of_a_long_recurrence_stands_for_all_of_it(monkeypatch):
    network = network_of()
    clock = count()
    monkeypatch.setattr(module.time, "perf_counter", lambda: float(next(clock)))
    short, long = Floor(network, 200, 2), Floor(network, 1000, 2)
    assert long.measured_steps == short.measured_steps == 200
    # By this clock each product over all steps takes a second, and so does each way through the steps of a layer,
    # whose 4 weights have 3 products each; those of 2 of them are made in turns but for the gradient of the weight.
    assert short.seconds() == {"input": 2, "recurrence": 2 * (2 * 3 + 2 + 2), "output": 3}
    assert long.seconds() == {kind: 5 * taken for kind, taken in short.seconds().items()}


def test_wide_frames_are_measured_in_bounded_memory(monkeypatch):
    monkeypatch.setattr(module, "_MOST_BYTES", 1 << 20)
    made = Floor(network_of(hidden=2, frame=20_000), steps=50, rows=4)
    with FlopCounterMode(display=False) as counted:
        made.seconds()
    assert made.measured_steps == (1 << 20) // (4 * 20_000 * 4)
    assert counted.get_total_flops() * 50 == made.measured_steps * sum(
        p.flops for p in products_of_update(network_of(hidden=2, frame=20_000), 50, 4)
    )


@pytest.mark.parametrize("cell", CELLS)
def test_a_single_step_has_its_floor(cell):
    network = network_of(cell)
    made = Floor(network, steps=1, rows=2)
    with FlopCounterMode(display=False) as counted:
        assert all(taken > 0 for taken in made.seconds().values())
    assert counted.get_total_flops() == sum(p.flops for p in products_of_update(network, 1, 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_it_is_measured_in_each_precision(dtype):
    found = measure_floor(network_of(), steps=5, rows=2, dtype=dtype, rounds=1)
    assert set(found) == {"input", "recurrence", "output"}
    assert all(0 < taken < 60 for taken in found.values())
