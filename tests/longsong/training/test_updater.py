"""One update: pieces add up to the whole, in any number."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_updater import mini_batch, updater_of

from longsong.errors import NotFiniteError
from longsong.experiments.parity import largest_error
from longsong.model.fused import FusedGradient
from longsong.model.reference import ReferenceGradient


@pytest.mark.parametrize("recurrence", ["time", "batch"])
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@settings(max_examples=12, deadline=None)
@given(batch=st.integers(1, 9), seq=st.integers(1, 8), micro_batch=st.integers(1, 10))
def test_pieces_give_what_the_whole_gives(cell, recurrence, batch, seq, micro_batch):
    inputs, targets = mini_batch(batch, seq)
    whole, pieces = updater_of(cell, recurrence, None), updater_of(cell, recurrence, micro_batch)
    cost, gradient = whole.gradient(inputs, targets)
    cost_of_pieces, gradient_of_pieces = pieces.gradient(inputs, targets)
    assert cost_of_pieces == pytest.approx(cost, rel=1e-12)
    for name, part in whole.network.named(gradient).items():
        assert largest_error(pieces.network.named(gradient_of_pieces)[name], part) < 1e-12, name
    assert pieces.cost(inputs, targets) == pytest.approx(cost, rel=1e-12)


@pytest.mark.parametrize("recurrence", ["time", "batch"])
def test_in_float32_pieces_differ_in_the_last_bits_only(recurrence):
    inputs, targets = mini_batch(9, 7, torch.float32)
    whole, pieces = (updater_of("gru", recurrence, n, torch.float32) for n in (None, 2))
    (cost, gradient), (other_cost, other) = whole.gradient(inputs, targets), pieces.gradient(inputs, targets)
    assert other_cost == pytest.approx(cost, rel=1e-5)
    for name, part in whole.network.named(gradient).items():
        assert largest_error(whole.network.named(other)[name], part) < 1e-5, name


def test_the_cost_is_the_mean_over_every_element_before_the_update():
    one = updater_of("rnn", "time", None)
    inputs, targets = mini_batch(4, 5)
    predictions = one.network.predict(one.network.named(one.parameters.detach()), inputs)
    expected = ((predictions - targets) ** 2).mean().item()
    cost, _ = one.update(inputs, targets)
    assert cost == pytest.approx(expected, rel=1e-13)
    assert one.cost(inputs, targets) < cost


@pytest.mark.parametrize("form", [ReferenceGradient, FusedGradient])
@pytest.mark.parametrize("recurrence", ["time", "batch"])
def test_a_short_last_mini_batch_counts_as_much_as_a_full_one(recurrence, form):
    one = updater_of("rnn", recurrence, form=form)
    frames = torch.cat([torch.stack(mini_batch(4, 5)), torch.stack(mini_batch(1, 5))], dim=1)
    full, short = frames[:, :4], frames[:, 4:]
    expected = (one.cost(*full) + one.cost(*short)) / 2
    for groups in ([(*full, [4]), (*short, [1])], [(*frames, [4, 1])]):
        mean, count = one.evaluate(groups)
        assert count == 2
        assert mean == pytest.approx(expected, rel=1e-13)
    assert one.evaluate([]) == (None, 0)


@pytest.mark.parametrize("form", [ReferenceGradient, FusedGradient])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e200])
def test_what_is_not_finite_changes_no_parameter(value, form):
    one = updater_of("gru", "time", form=form)
    before = one.parameters.detach().clone()
    inputs, targets = mini_batch(2, 3)
    targets = targets.clone()
    targets[0, 0, 0] = value
    with pytest.raises(NotFiniteError):
        one.update(inputs, targets)
    assert torch.equal(one.parameters.detach(), before)
    assert not one.optimiser.mean_square.any()
