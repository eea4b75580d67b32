"""Costs of several mini-batches at once: those of each by itself, whatever the pieces."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from longsong.config import ModelConfig
from longsong.model import Network
from longsong.model.fused import FusedGradient
from longsong.model.fused import gradient as module
from longsong.model.reference import ReferenceGradient


@pytest.mark.parametrize("recurrence", ["time", "batch"])
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@settings(max_examples=10, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    seq=st.integers(1, 12),
    micro_batch=st.sampled_from([None, 1, 3]),
    segment=st.sampled_from([None, 1, 5]),
    at_once=st.sampled_from([1, 10**4, 1 << 24]),
)
def test_each_mini_batch_has_its_own_cost(cell, recurrence, sizes, seq, micro_batch, segment, at_once):
    network = Network(ModelConfig(cell=cell, hidden=5, recurrence=recurrence, init_width=0.5), 3)
    parameters = network.initial_parameters(2)
    generator = torch.Generator().manual_seed(seq)
    frames = torch.randn(sum(sizes), seq + 1, 3, generator=generator, dtype=torch.float64)
    inputs, targets = frames[:, :-1], frames[:, 1:]
    each = zip(torch.split(inputs, sizes), torch.split(targets, sizes), strict=True)
    expected = [ReferenceGradient(network).cost(parameters, *pair) for pair in each]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_FORWARD_BYTES", at_once)
        fused = FusedGradient(network, micro_batch=micro_batch, segment=segment)
        assert fused.costs(parameters, inputs, targets, sizes) == pytest.approx(expected, rel=1e-12)
    reference = ReferenceGradient(network, micro_batch)
    assert reference.costs(parameters, inputs, targets, sizes) == pytest.approx(expected, rel=1e-12)
