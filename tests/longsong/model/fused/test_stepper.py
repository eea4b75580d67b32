"""Steps of generation in place: nothing is allocated from one to the next."""

from __future__ import annotations

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from longsong.config import ModelConfig
from longsong.model import Network
from longsong.model.fused import Products, Stepper


class Copying(Products):
    """Products that take memory of their own: the measure must see it."""

    def add(self, a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> None:
        super().add(a.clone(), b, out)


def allocated(cell: str, elementwise: str, rows: int, products: Products) -> int:
    """Give the bytes that 20 steps allocate, each of which feeds back what the one before predicted."""
    network = Network(ModelConfig(cell=cell, hidden=64), 40)
    flat = 0.1 * torch.randn(network.size, generator=torch.Generator().manual_seed(1))
    stepper = Stepper(network, flat, rows, rows, products=products, elementwise=elementwise)
    stepper.feed(torch.zeros(rows, 40), 0)
    stepper.advance(rows, 0)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        for _ in range(20):
            stepper.feed_back(0, 0, rows)
            stepper.advance(rows, 0)
    return sum(max(event.self_cpu_memory_usage, 0) for event in seen.key_averages())


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_a_step_allocates_nothing(cell, elementwise, rows):
    assert allocated(cell, elementwise, rows, Products()) == 0


def test_what_allocates_is_seen():
    assert allocated("gru", "plain", 3, Copying()) >= 20 * 3 * 64 * 4
