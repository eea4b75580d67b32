"""The fused form is linear in the sequence, and holds what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from fused_cases import AXES, CELLS, Case
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_work import TorchWork

from longsong.model.fused import FusedGradient, recurrence
from longsong.model.fused import gradient as module
from longsong.model.fused.workspace import Workspace

FLOAT32 = torch.float32.itemsize
LENGTHS = (10, 20, 30)


def with_steps(case: Case, steps: int) -> Case:
    return replace(case, **{"seq" if case.recurrence == "time" else "batch": steps})


def work(run: Callable[[], object], *there: torch.Tensor) -> TorchWork:
    with TorchWork(*there) as counted:
        run()
    return counted


def work_of_update(case: Case, form: FusedGradient) -> TorchWork:
    parameters, mini_batch = case.parameters().float(), case.mini_batch(torch.float32)
    return work(lambda: form.cost_and_gradient(parameters, *mini_batch), parameters, *mini_batch)


def grows_evenly(figures: list[int]) -> bool:
    steps = {later - earlier for earlier, later in pairwise(figures)}
    return len(steps) == 1 and min(steps) > 0


@pytest.mark.parametrize("pieces", [{}, {"micro_batch": 3, "segment": 5}])
@pytest.mark.parametrize("recurrence_axis", AXES)
@pytest.mark.parametrize("cell", CELLS)
def test_a_step_costs_the_same_however_many_there_are(cell, recurrence_axis, pieces, elementwise):
    case = Case(cell, recurrence_axis, seq=5, batch=5)
    form = FusedGradient(case.network, elementwise=elementwise, **pieces)
    work_of_update(with_steps(case, max(LENGTHS)), form)  # takes its buffers
    done = [work_of_update(with_steps(case, steps), form) for steps in LENGTHS]
    assert grows_evenly([each.calls for each in done])
    assert grows_evenly([each.numbers for each in done])


@pytest.mark.parametrize("cell", CELLS)
def test_so_it_is_for_a_layer_alone(cell, elementwise):
    case = Case(cell)
    p = case.network.named(case.parameters())
    states = [torch.zeros(4, case.hidden, dtype=torch.float64)] * (2 if cell == "lstm" else 1)

    def run(steps: int) -> None:
        e = torch.ones(steps, 4, case.hidden, dtype=torch.float64, requires_grad=True)
        recurrence(cell, e, p, states, elementwise=elementwise)[0].sum().backward()

    done = [work(lambda steps=steps: run(steps)) for steps in LENGTHS]
    assert grows_evenly([each.calls for each in done])
    assert grows_evenly([each.numbers for each in done])


def test_indexing_a_sequence_within_autograd_would_be_noticed():
    def run(steps: int) -> None:
        e = torch.ones(steps, 4, requires_grad=True)
        h = torch.zeros(4)
        for t in range(steps):
            h = h + e[t]
        h.sum().backward()

    done = [work(lambda steps=steps: run(steps)) for steps in LENGTHS]
    assert grows_evenly([each.calls for each in done])
    assert not grows_evenly([each.numbers for each in done])


@pytest.mark.parametrize("recurrence_axis", AXES)
@pytest.mark.parametrize("cell", CELLS)
def test_with_segments_only_their_borders_take_more_memory_for_more_steps(cell, recurrence_axis, elementwise):
    case = Case(cell, recurrence_axis, hidden=20, frame=6, seq=9, batch=9)
    segment = 5
    peaks = []
    for steps in LENGTHS:
        form = FusedGradient(case.network, segment=segment, elementwise=elementwise)
        peaks.append(work_of_update(with_steps(case, steps), form).peak)
    border = case.rows * case.hidden * case.layers * (2 if cell == "lstm" else 1) * FLOAT32
    more = [(steps - LENGTHS[0]) // segment * border for steps in LENGTHS]
    assert [peak - peaks[0] for peak in peaks] == more


@pytest.mark.parametrize("recurrence_axis", AXES)
@pytest.mark.parametrize("cell", CELLS)
def test_bytes_that_it_says_are_those_that_it_holds(cell, recurrence_axis, elementwise, monkeypatch):
    made: list[Workspace] = []

    class Watched(Workspace):
        def __init__(self, like: torch.Tensor) -> None:
            super().__init__(like)
            made.append(self)

    monkeypatch.setattr(module, "Workspace", Watched)

    @settings(max_examples=5)
    @given(
        hidden=st.integers(30, 80),
        layers=st.integers(1, 2),
        frame=st.integers(1, 60),
        rows=st.integers(3, 30),
        steps=st.integers(20, 40),
        data=st.data(),
    )
    def holds(hidden: int, layers: int, frame: int, rows: int, steps: int, data: st.DataObject) -> None:
        seq, batch = (steps, rows) if recurrence_axis == "time" else (rows, steps)
        case = Case(cell, recurrence_axis, hidden, layers, frame, seq, batch)
        pieces = {
            "micro_batch": data.draw(st.none() | st.integers(2, rows)),
            "segment": data.draw(st.none() | st.integers(15, steps)),
        }
        made.clear()
        form = FusedGradient(case.network, elementwise=elementwise, **pieces)
        peak = work_of_update(case, form).peak
        said = form.workspace_bytes(case.rows, case.steps, FLOAT32)
        assert 0 < sum(map(len, made)) * FLOAT32 <= said
        # Held for a moment, and not said: what an LSTM's peepholes are multiplied into, 4 MiB at the most.
        assert peak / 1.15 <= said <= peak * 1.1

    holds()


def test_bytes_are_those_of_the_precision():
    form = FusedGradient(Case("gru").network)
    assert form.workspace_bytes(128, 50, 8) == 2 * form.workspace_bytes(128, 50, 4)


def test_predictions_of_a_whole_sequence_never_stand_in_memory():
    # Frames are wide, and units few: 20 MB of predictions, in pieces of 8 MiB.
    case = Case("gru", hidden=2, layers=1, frame=1000, seq=100, batch=50)
    form = FusedGradient(case.network)
    parameters, (inputs, targets) = case.parameters().float(), case.mini_batch(torch.float32)
    predictions = inputs.numel() * FLOAT32
    for run in (form.cost, form.cost_and_gradient):
        peak = work(lambda run=run: run(parameters, inputs, targets), parameters, inputs, targets).peak
        assert peak < predictions / 2
        assert peak <= form.workspace_bytes(case.rows, case.steps, FLOAT32) * 1.1
