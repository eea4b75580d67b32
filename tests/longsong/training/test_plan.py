"""The estimate of memory against what autograd really holds, and the choice that follows from it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longsong.config import DataConfig, ModelConfig
from longsong.errors import SpaceError
from longsong.model import Network, sum_of_squares
from longsong.training.plan import bytes_per_row, choose_micro_batch


def bytes_held(data: DataConfig, model: ModelConfig, rows: int) -> int:
    """Count what the graph of one update's cost keeps alive, each storage once, without the parameters."""
    network = Network(model, data.frame)
    flat = network.initial_parameters(1).float().requires_grad_()
    storages: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage
        return tensor

    x = torch.zeros(rows, data.seq, data.frame)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        predictions, _ = network.steps(network.named(flat), network.to_steps(x))
        sum_of_squares(predictions, network.to_steps(x + 1))
    return sum(s.nbytes() for s in storages.values() if s.data_ptr() != flat.untyped_storage().data_ptr())


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize(("frame", "seq", "hidden", "layers"), [(40, 30, 64, 2), (400, 20, 16, 1), (10, 50, 100, 3)])
def test_the_estimate_covers_what_is_held_and_is_not_wild(cell, frame, seq, hidden, layers):
    data, model = DataConfig(frame, seq), ModelConfig(cell=cell, hidden=hidden, layers=layers)
    held, estimate = bytes_held(data, model, 8), 8 * bytes_per_row(data, model, 4)
    # Beside what the graph holds there are the gradients that the backward pass is working on.
    assert held < estimate < 4 * held


@given(st.integers(1, 300), st.integers(1, 50), st.integers(10, 40))
def test_the_choice_is_pieces_of_equal_size_that_fit(batch, seq, bits):
    data, model = DataConfig(20, seq, batch=batch), ModelConfig(hidden=8)
    each = bytes_per_row(data, model, 4)
    free = 2**bits
    if free / 2 < each:
        with pytest.raises(SpaceError, match="20x"):
            choose_micro_batch(data, model, 4, free)
        return
    rows = choose_micro_batch(data, model, 4, free)
    assert 1 <= rows <= batch
    assert rows * each <= free / 2
    pieces = -(-batch // rows)
    assert rows == batch or -(-batch // (pieces - 1)) * each > free / 2  # one piece less would not fit


def test_over_the_mini_batch_rows_are_positions():
    data = DataConfig(20, 40, batch=10)
    time, batch = (ModelConfig(hidden=8, recurrence=r) for r in ("time", "batch"))
    assert choose_micro_batch(data, time, 4, 2**40) == 10
    assert choose_micro_batch(data, batch, 4, 2**40) == 40
    assert bytes_per_row(data, time, 4) == 4 * bytes_per_row(data, batch, 4)
