"""Kernels against the steps that they do at once, in Triton's interpreter; run by ``test_interpreted.py``."""

from __future__ import annotations

from math import inf, nan

import pytest
import torch
from fused_cases import CELLS, Case, cases, errors, worst
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from longsong.experiments.parity import largest_error
from longsong.model.fused import Bfloat16Products, FusedGradient, Products, recurrence, wavefront
from longsong.model.fused.gradient import LAYERS
from longsong.model.fused.lanes import InTurn
from longsong.model.fused.layer import run_backward, run_forward
from longsong.model.fused.weights import Weights
from longsong.model.kernels import kernels_available, tiles
from longsong.model.kernels.tiles import ROWS
from longsong.training.enqueued_step import EnqueuedStep
from longsong.training.optimiser import RMSProp

CPU = torch.device("cpu")
SINGLE = 4e-6
ROUNDED = 3e-2
"""What is left where operands are rounded, as the interpreter does it: downwards."""

PRODUCTS = {"float32": (Products(), SINGLE), "bfloat16": (Bfloat16Products(native=False), ROUNDED)}
GUARD = 7  # numbers before and behind each buffer that nobody may touch


if (LACKING := kernels_available(CPU, torch.float32)) is not None:
    pytest.skip(LACKING, allow_module_level=True)


def test_states_are_float32():
    assert kernels_available(CPU, torch.float64) == "kernels have states in float32, not in float64"


class Segment:
    """All that a layer is given for a segment, each buffer between numbers that stay as they are."""

    def __init__(self, cell: str, hidden: int, steps: int, rows: int, products: Products, elementwise: str) -> None:
        generator = torch.Generator().manual_seed(hidden + 1000 * rows)
        self.guarded: list[Tensor] = []
        self.layer = LAYERS[cell](0, hidden, products, elementwise)
        network = Case(cell, hidden=hidden, layers=1).network

        def drawn(*shape: int, width: float = 1.0) -> Tensor:
            return self.buffer(width * torch.randn(shape, generator=generator))

        def poisoned(*shape: int) -> Tensor:
            return self.buffer(torch.full(shape, nan))

        names = [name for name in network.shapes if name not in self.layer.states]
        self.p = Weights({name: drawn(*network.shapes[name], width=hidden**-0.5) for name in names})
        self.gradient = {name: self.buffer(torch.zeros(network.shapes[name])) for name in names}
        self.e = drawn(steps, rows, hidden)
        self.states = [poisoned(steps + 1, rows, hidden) for _ in self.layer.states]
        for state in self.states:
            state[0] = 0.5 * torch.randn(rows, hidden, generator=generator)
        self.kept = {name: poisoned(steps, rows, width * hidden) for name, width in self.layer.widths.items()}
        self.d_states = [drawn(steps + 1, rows, hidden), *(drawn(rows, hidden) for _ in self.layer.states[1:])]
        self.d_states[0][0] = nan
        self.d_e = poisoned(steps, rows, hidden)

    def buffer(self, numbers: Tensor) -> Tensor:
        whole = torch.full((numbers.numel() + 2 * GUARD,), -12345.0)
        self.guarded.append(whole)
        inside = whole[GUARD:-GUARD].view(numbers.shape)
        inside.copy_(numbers)
        return inside

    def run(self) -> dict[str, Tensor]:
        """Go there and back; give all that is to be read afterwards."""
        run_forward(self.layer, self.p, self.e, self.states, self.kept)
        there = {f"state {n}": state.clone() for n, state in enumerate(self.states)}
        run_backward(self.layer, self.p, self.gradient, self.e, self.states, self.kept, self.d_states, self.d_e)
        back = {"before": self.d_states[0][0], "inputs": self.d_e} | dict(enumerate(self.d_states[1:]))
        assert all(
            (whole[part] == -12345.0).all() for whole in self.guarded for part in (slice(GUARD), slice(-GUARD, None))
        )
        return there | {str(name): tensor for name, tensor in back.items()} | self.gradient


@pytest.mark.parametrize("precision", PRODUCTS)
@pytest.mark.parametrize("cell", CELLS)
def test_a_segment_is_what_its_steps_are(cell, precision):
    products, within = PRODUCTS[precision]

    @settings(max_examples=5)
    @given(hidden=st.integers(1, 40), steps=st.integers(1, 4), rows=st.integers(1, ROWS + 2))
    @example(hidden=1, steps=1, rows=1)
    @example(hidden=199, steps=2, rows=3)
    @example(hidden=300, steps=2, rows=1)
    @example(hidden=16, steps=3, rows=2 * ROWS)
    def holds(hidden: int, steps: int, rows: int) -> None:
        sought = Segment(cell, hidden, steps, rows, products, "plain").run()
        found = Segment(cell, hidden, steps, rows, products, "kernel").run()
        # Of few units all may be all but saturated, and 1 - c^2 has few right digits whoever computes it.
        allowed = within if hidden > 8 else 10 * within
        for name, tensor in sought.items():
            assert largest_error(found[name], tensor) <= allowed, name

    holds()


@pytest.mark.parametrize("lanes", [None, InTurn()], ids=["in turn", "side by side"])
@pytest.mark.parametrize("axis", ["time", "batch"])
@pytest.mark.parametrize("cell", CELLS)
def test_an_update_is_that_of_the_other_forms(cell, axis, lanes, monkeypatch):
    monkeypatch.setattr(wavefront, "_LEAST_STEPS", 2)
    monkeypatch.setattr(wavefront, "_ALIGNED", 1)

    @settings(max_examples=2)
    @given(case=cases(cell, most_hidden=20, most_steps=6), data=st.data())
    def holds(case: Case, data: st.DataObject) -> None:
        case = Case(cell, axis, case.hidden, case.layers, case.frame, min(case.seq, 6), min(case.batch, 6))
        pieces = {
            "micro_batch": data.draw(st.none() | st.integers(1, case.rows)),
            "segment": data.draw(st.none() | st.integers(1, case.steps)),
        }
        arguments = case.parameters().float(), *case.mini_batch(torch.float32)
        sought = FusedGradient(case.network).cost_and_gradient(*arguments)
        form = FusedGradient(case.network, elementwise="kernel", lanes=lanes, **pieces)
        found = form.cost_and_gradient(*arguments)
        assert worst(errors(case.network, found, sought, of_largest=True)) <= (5 * SINGLE,)
        assert form.cost(*arguments) == pytest.approx(sought[0], rel=SINGLE)

    holds()


def test_gates_may_be_wide_open_or_shut():
    arguments = (case := Case("gru", hidden=5)).saturated().float(), *case.mini_batch(torch.float32)
    sought = FusedGradient(case.network).cost_and_gradient(*arguments)
    found = FusedGradient(case.network, elementwise="kernel").cost_and_gradient(*arguments)
    assert worst(errors(case.network, found, sought, of_largest=True)) <= (1e-4,)


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_not_finite_stays_so(cell):
    case = Case(cell)
    parameters, (inputs, targets) = case.parameters().float(), case.mini_batch(torch.float32)
    inputs[1, 2, 0] = nan
    cost, gradient = FusedGradient(case.network, elementwise="kernel").cost_and_gradient(parameters, inputs, targets)
    assert cost != cost
    assert gradient.isnan().any()


def test_by_autograd_too():
    torch.manual_seed(1)
    case = Case("gru", hidden=6)
    p = case.network.named(case.parameters().float())
    e, state = torch.randn(3, 4, 6, requires_grad=True), torch.randn(4, 6, requires_grad=True)
    gradients = []
    for elementwise in ("plain", "kernel"):
        h, _ = recurrence("gru", e, p, [state], elementwise=elementwise)
        gradients.append(torch.autograd.grad(h.square().sum(), (e, state)))
    for one, other in zip(*gradients, strict=True):
        assert largest_error(one, other) <= 10 * SINGLE


def test_small_numbers_keep_their_digits():
    """A young network's states are small, and a tanh by exponentials alone would have few right digits."""
    segment = Segment("rnn", 4, 1, 3, Products(), "kernel")
    segment.e *= 1e-5
    for state in segment.states:
        state[0] *= 1e-5
    found = segment.run()["state 0"][1]
    linear = segment.e[0].double() @ segment.p["linear0.W"].double() + segment.p["linear0.b"].double()
    linear += segment.states[0][0].double() @ segment.p["rnn0.W"].double()
    assert ((found.double() - torch.tanh(linear)).abs() <= 1e-6 * linear.abs() + 1e-12).all()


class Places:
    """The places of a segment's numbers, and a layer that touches them."""

    def __init__(self, cell: str, hidden: int, steps: int, rows: int, products: Products) -> None:
        from traced_kernels import Memory

        network = Case(cell, hidden=hidden, layers=1).network
        self.memory = Memory()
        self.layer = LAYERS[cell](0, hidden, products, "kernel")
        self.p = Weights(network.named(torch.zeros(network.size)))
        self.states = [self.memory.buffer(steps + 1, rows, hidden) for _ in self.layer.states]
        self.kept = {n: self.memory.buffer(steps, rows, width * hidden) for n, width in self.layer.widths.items()}
        self.d_states = [self.memory.buffer(steps + 1, rows, hidden)]
        self.d_states += [self.memory.buffer(rows, hidden) for _ in self.layer.states[1:]]

    def touch(self, first: int = 0) -> None:
        """Go there and back."""
        with self.memory.traced(first):
            self.layer.forward(self.p, self.states, self.kept)
            self.layer.backward(self.p, self.states, self.kept, self.d_states)


@pytest.mark.parametrize(
    ("precision", "hidden", "steps"),
    [("float32", 3, 1), ("float32", 40, 2), ("bfloat16", 40, 3), ("bfloat16", 300, 2)],
)
@pytest.mark.parametrize("cell", CELLS)
def test_barriers_stand_between_threads_and_programs_share_nothing(cell, precision, hidden, steps):
    """In turn all is right without barriers too; on a device it is not."""
    Places(cell, hidden, steps, ROWS + 1, PRODUCTS[precision][0]).touch()


@pytest.mark.parametrize("cell", CELLS)
def test_offsets_go_beyond_32_bits(cell, monkeypatch):
    """Of steps, and of what programs multiply: in a mini-batch that no machine has the memory for."""
    from longsong.model.kernels import gru, lstm, rnn

    programs, steps = (1 << 22) + 1, 34
    rows = ROWS * programs - 3
    assert rows * steps > 1 << 31
    places = Places(cell, 1, steps, rows, Products())
    module = {"gru": gru, "lstm": lstm, "rnn": rnn}[cell]
    monkeypatch.setattr(module, "programs", lambda rows, widest: (tiles.programs(rows, widest)[0] - programs + 1,))
    places.touch(first=programs - 1)
    assert places.memory.reached()


class Step(EnqueuedStep):
    """A step of RMSProp, by kernels or not."""

    def __init__(self, optimiser: RMSProp, *, by_kernels: bool) -> None:
        super().__init__(optimiser)
        assert self._by_kernels  # by itself, where they can be had
        self._by_kernels = by_kernels


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the interpreter, where numbers are broken
@pytest.mark.parametrize(("blocks", "more"), [(0, 1), (0, 100), (1, 0), (1, 1), (3, 5)])
@pytest.mark.parametrize(("clip", "broken"), [(1.0, None), (0.01, None), (1.0, nan), (1.0, inf)])
def test_a_step_of_the_optimiser(blocks, more, clip, broken):
    from longsong.model.kernels.rmsprop import BLOCK

    size, ends = blocks * BLOCK + more, []
    for by_kernels in (False, True):
        generator = torch.Generator().manual_seed(size)
        optimiser = RMSProp(torch.zeros(size), learning_rate=0.01, decay=0.9, step_clip=clip)
        parameters, step = torch.randn(size, generator=generator), Step(optimiser, by_kernels=by_kernels)
        step.set_rate()
        seen = []
        for number in range(3):
            gradient = torch.randn(size, generator=generator) * torch.logspace(-8, 0, size)
            if number == 1 and broken is not None:
                gradient[-1] = broken
            before = parameters.clone()
            step(parameters, torch.tensor(0.5 + number, dtype=torch.float64), gradient)
            assert torch.equal(before, parameters) == (number > 0 and broken is not None)
            seen.append(step.statistics.clone())
        ends.append((parameters, optimiser.mean_square, torch.stack(seen)))
    for (one, other), small in zip(zip(*ends, strict=True), (1e-6, 1e-9, 1e-12), strict=True):
        assert torch.allclose(one.double(), other.double(), rtol=1e-5, atol=small, equal_nan=True)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_cost_that_is_not_finite_is_no_step():
    optimiser = RMSProp(torch.zeros(3), learning_rate=0.01, decay=0.9, step_clip=1.0)
    parameters, step = torch.ones(3), Step(optimiser, by_kernels=True)
    step(parameters, torch.tensor(inf, dtype=torch.float64), torch.ones(3))
    assert torch.equal(parameters, torch.ones(3))
    assert step.statistics[-1] == 0
