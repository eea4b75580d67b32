"""Guard rails: what they keep, what they leave alone, and that they act on what is fed back."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longsong.config import ModelConfig
from longsong.generation import generate_carry, generate_post
from longsong.generation.guards import clip, hold_level
from longsong.model import Network


def level(frames: torch.Tensor, zero: float) -> torch.Tensor:
    return (frames - zero).square().mean(-1).sqrt()


@given(zero=st.floats(-0.5, 0.5), gain=st.floats(1e-3, 1e3), seeds=st.integers(1, 3), rows=st.integers(1, 4))
def test_levels_are_held_near_that_of_each_ones_seed(zero, gain, seeds, rows):
    generator = torch.Generator().manual_seed(seeds)
    of_seeds = (
        zero
        + torch.randn(seeds, 5, 8, dtype=torch.float64, generator=generator) * torch.arange(1, seeds + 1)[:, None, None]
    )
    frames = zero + gain * torch.randn(rows * seeds, 8, dtype=torch.float64, generator=generator)
    before = frames.clone()
    hold_level(of_seeds, zero)(frames)
    target = level(of_seeds.reshape(seeds, -1), zero).repeat(rows)
    found, was = level(frames, zero), level(before, zero)
    assert (found <= 4 * target * (1 + 1e-9)).all()
    assert (found >= target / 4 * (1 - 1e-9)).all()
    untouched = (was <= 4 * target) & (was >= target / 4)
    torch.testing.assert_close(frames[untouched], before[untouched], rtol=0, atol=1e-12)
    # The shape of a frame stays as it was.
    torch.testing.assert_close((frames - zero) * (was / found)[:, None], before - zero, rtol=1e-9, atol=1e-9)


def test_silence_stays_silence():
    frames = torch.full((2, 4), 0.25)
    hold_level(torch.randn(1, 5, 4), 0.25)(frames)
    assert torch.equal(frames, torch.full((2, 4), 0.25))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_not_hidden(value):
    for guard in (clip(-1, 1), hold_level(torch.randn(1, 5, 4), 0.0)):
        frames = torch.tensor([[0.0, value, 1.0, 2.0]])
        guard(frames)
        assert frames.isnan().any()


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_level_of_any_finite_frame_is_held(scale):
    """Squares of such numbers are none that a float32 holds."""
    frames = scale * torch.tensor([[1.0, -1.0, 1.0, -1.0]])
    hold_level(torch.tensor([[[1.0, -1.0]]]), 0.0)(frames)
    torch.testing.assert_close(frames.abs(), torch.full((1, 4), 4.0 if scale > 1 else 0.25))


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_they_act_before_a_prediction_is_fed_back(cell):
    network = Network(ModelConfig(cell=cell, hidden=4), 3)
    flat = 0.3 * torch.randn(network.size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    seeds = 2 * torch.randn(2, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

    def both(frames: torch.Tensor) -> None:
        hold_level(seeds, 0.1)(frames)
        clip(-0.2, 0.2)(frames)

    given_frames = []
    sequences = seeds
    for _ in range(20):
        predicted = network.predict(network.named(flat), sequences)
        frames = predicted.transpose(0, 1).reshape(-1, 3)  # rows of all seeds, again and again
        both(frames)
        sequences = frames.view(6, 2, 3).transpose(0, 1)
        given_frames.append(sequences[:, -1])
    found = torch.cat(list(generate_post(network, flat, seeds, 20, guard=both)))
    torch.testing.assert_close(found, torch.stack(given_frames), rtol=0, atol=1e-10)
    carried = torch.cat(list(generate_carry(network, flat, seeds, 20, guard=both)))
    assert carried.abs().max() <= 0.2
    plain = torch.cat(list(generate_carry(network, flat, seeds, 20)))
    assert plain.abs().max() > 0.2
