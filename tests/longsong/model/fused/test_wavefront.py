"""Layers side by side give what layers one after the other give, and none touches what another is at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
import torch
from fused_cases import CELLS, Case, cases, errors, worst
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from longsong.model.fused import FusedGradient, wavefront
from longsong.model.fused.lanes import InTurn

EXACT = 1e-12
CHUNK = 4  # steps, so that small sequences have many


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch) -> None:
    monkeypatch.setattr(wavefront, "_LEAST_STEPS", CHUNK)


@pytest.mark.parametrize("cell", CELLS)
def test_they_give_what_one_after_the_other_gives(cell):
    @settings(max_examples=12)
    @given(case=cases(cell, most_hidden=20, most_steps=60), segment=st.none() | st.integers(1, 60))
    def holds(case: Case, segment: int | None) -> None:
        arguments = case.parameters(), *case.mini_batch()
        sought = FusedGradient(case.network, segment=segment).cost_and_gradient(*arguments)
        form = FusedGradient(case.network, segment=segment, lanes=InTurn())
        assert worst(errors(case.network, form.cost_and_gradient(*arguments), sought)) <= (EXACT,)

    holds()


@pytest.mark.parametrize(("steps", "chunks"), [(1, 1), (4, 1), (5, 2), (64, 16), (65, 9), (1000, 16), (1025, 16)])
def test_a_sequence_goes_in_chunks(steps, chunks):
    found = wavefront.chunks_of(steps)
    assert (found[0][0], found[-1][1], len(found)) == (0, steps, chunks)
    assert all(before[1] == after[0] for before, after in pairwise(found))
    assert all(first % 4 == 0 for first, _ in found)


class Watched:
    """Lanes that keep the order of things: who has done what, knowing of what."""

    def __init__(self, lanes: int) -> None:
        self.seen = [[0] * lanes for _ in range(lanes)]  # of each lane: how many sections of each other are behind it
        self.lane: int | None = None

    def begin(self) -> None:
        pass

    @contextmanager
    def on(self, lane: int, after: list[int] | None) -> Iterator[None]:
        if after is not None:
            self.seen[lane] = [max(pair) for pair in zip(self.seen[lane], after, strict=True)]
        self.seen[lane][lane] += 1
        self.lane = lane
        yield
        self.lane = None

    def ticket(self, lane: int) -> list[int]:
        return list(self.seen[lane])

    def end(self) -> None:
        self.seen = [[10**9] * len(self.seen) for _ in self.seen]


class Races(TorchDispatchMode):
    """Finds what two lanes touch, one of them to write, where neither knows that the other is done."""

    def __init__(self, lanes: Watched) -> None:
        super().__init__()
        self.lanes, self.kept, self.found = lanes, [], []
        self.touched: dict[int, list[tuple[int, int, bool, int, list[int], str]]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.kept.append((out, args))  # memory that is used again would look like a race
        view = any(one.alias_info is not None and not one.alias_info.is_write for one in func._schema.returns)
        if self.lanes.lane is not None and not view:
            named = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False))
            named |= kwargs or {}
            for argument in func._schema.arguments:
                value = named.get(argument.name)
                writes = argument.alias_info is not None and argument.alias_info.is_write
                for tensor in value if isinstance(value, (list, tuple)) else [value]:
                    if isinstance(tensor, torch.Tensor) and tensor.numel():
                        self.touch(tensor, writes, str(func))
        return out

    def touch(self, tensor: torch.Tensor, writes: bool, what: str) -> None:
        first = tensor.storage_offset()
        stop = first + 1 + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True))
        lane = self.lanes.lane
        assert lane is not None
        knows = self.lanes.seen[lane]
        others = self.touched.setdefault(tensor.untyped_storage().data_ptr(), [])
        for other_lane, count, wrote, other_first, other_stop, other in others:
            apart = other_lane != lane and knows[other_lane] < count
            if apart and (writes or wrote) and first < other_stop and other_first < stop:
                self.found.append((what, other))
        others.append((lane, knows[lane], writes, first, stop, what))


def races(cell: str, layers: int, steps: int) -> list[Any]:
    case = Case(cell, layers=layers, seq=steps)
    lanes = Watched(layers)
    form = FusedGradient(case.network, lanes=lanes)
    arguments = case.parameters(), *case.mini_batch()
    with Races(lanes) as mode:
        form.cost_and_gradient(*arguments)
    assert len(mode.touched) > 5
    return mode.found


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_no_layer_touches_what_another_is_at(cell, layers):
    assert races(cell, layers, 4 * CHUNK + 1) == []


def test_who_did_not_wait_would_be_noticed(monkeypatch):
    monkeypatch.setattr(Watched, "ticket", lambda self, lane: None)
    assert races("gru", 2, 4 * CHUNK + 1) != []
