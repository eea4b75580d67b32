"""Generating: the wavefront against the post's way done step by step, carried state, and samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from longsong.config import ModelConfig
from longsong.errors import NotFiniteError
from longsong.generation import generate_carry, generate_post, render
from longsong.model import Network

CELLS = ("gru", "lstm", "rnn")


def network_of(cell: str, frame: int, hidden: int, layers: int, recurrence: str = "time"):
    network = Network(ModelConfig(cell=cell, hidden=hidden, layers=layers, recurrence=recurrence), frame)
    return network, torch.randn(network.size, dtype=torch.float64, generator=torch.Generator().manual_seed(hidden))


def step_by_step(network: Network, flat: torch.Tensor, seed: torch.Tensor, frames: int) -> torch.Tensor:
    """The post's words: the prediction is given back as the input, and the last frame of each is kept."""
    sequence, last = seed[None], []
    for _ in range(frames):
        sequence = network.predict(network.named(flat), sequence)
        last.append(sequence[0, -1])
    return torch.stack(last)


@pytest.mark.parametrize("cell", CELLS)
@settings(max_examples=20, deadline=None)
@given(
    frame=st.integers(1, 4),
    hidden=st.integers(1, 5),
    layers=st.integers(1, 3),
    seq=st.integers(1, 12),
    frames=st.integers(1, 15),
)
def test_the_wavefront_is_the_posts_way(cell, frame, hidden, layers, seq, frames):
    network, flat = network_of(cell, frame, hidden, layers)
    seed = torch.randn(seq, frame, dtype=torch.float64, generator=torch.Generator().manual_seed(seq))
    expected = step_by_step(network, flat, seed, frames)
    torch.testing.assert_close(generate_post(network, flat, seed, frames), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("cell", CELLS)
def test_with_the_recurrence_over_the_mini_batch_too(cell):
    network, flat = network_of(cell, 3, 4, 2, "batch")
    seed = torch.randn(5, 3, dtype=torch.float64)
    expected = step_by_step(network, flat, seed, 6)
    torch.testing.assert_close(generate_post(network, flat, seed, 6), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_carried_state_is_one_long_sequence(cell):
    network, flat = network_of(cell, 3, 4, 2)
    seed = torch.randn(6, 3, dtype=torch.float64)
    generated = generate_carry(network, flat, seed, 9)
    # Teacher forcing with its own output: what the network predicts over seed and output together.
    sequence = torch.cat([seed, generated[:-1]])[None]
    predicted = network.predict(network.named(flat), sequence)[0, 5:]
    torch.testing.assert_close(generated, predicted, rtol=0, atol=1e-12)


def test_the_two_ways_agree_on_the_first_frame_and_on_no_other():
    network, flat = network_of("gru", 3, 4, 2)
    seed = torch.randn(6, 3, dtype=torch.float64)
    post, carry = generate_post(network, flat, seed, 4), generate_carry(network, flat, seed, 4)
    torch.testing.assert_close(post[0], carry[0], rtol=0, atol=1e-12)
    assert not torch.allclose(post[1], carry[1])


def test_progress_is_told():
    network, flat = network_of("rnn", 2, 3, 1)
    for generate in (generate_post, generate_carry):
        told: list[int] = []
        generate(network, flat, torch.zeros(3, 2, dtype=torch.float64), 200, told.append)
        assert told == [64, 128, 192]


@given(st.integers(-32768, 32766).flatmap(lambda low: st.tuples(st.just(low), st.integers(low + 1, 32767))), st.data())
def test_rendering_undoes_the_normalisation(span, data):
    low, high = span
    samples = np.array(data.draw(st.lists(st.integers(low, high), min_size=1, max_size=50)), dtype=np.int16)
    scale, offset = float(np.float32(2 / (high - low))), float(np.float32(-(high + low) / (high - low)))
    normalised = samples * np.float32(scale) + np.float32(offset)
    rendered, level = render(normalised[None], len(samples), scale=scale, offset=offset, sample_rate=16000)
    assert np.abs(rendered.astype(int) - samples).max() <= max(1, 2e-7 * 65536)
    assert (level.minimum, level.maximum) == (rendered.min(), rendered.max())
    assert level.clipped_samples == 0


def test_level_and_clipping_are_told_as_they_are():
    frames = np.array([[0.0, 3.0, -4.0, 40000.0], [-50000.0, 0.0, 0.0, 9.0]])
    rendered, level = render(frames, 7, scale=1.0, offset=0.0, sample_rate=16000)
    assert rendered.tolist() == [0, 3, -4, 32767, -32768, 0, 0]
    assert level.clipped_samples == 2
    assert level.peak == 32768
    assert level.rms == pytest.approx(np.sqrt((9 + 16 + 32767**2 + 32768**2) / 7))
    assert any("2 samples" in note for note in level.notes())


def test_silence_and_constants_are_noted():
    for value, word in ((0.2, "constant"), (5.0, "constant")):
        _, level = render(np.full((2, 3), value), 6, scale=1.0, offset=0.0, sample_rate=16000)
        assert word in level.notes()[0]
    _, level = render(np.array([[0.0, 1.0, 0.0, 0.0, 0.0, 0.0]]), 6, scale=1.0, offset=0.0, sample_rate=16000)
    assert "silent" in level.notes()[0]
    _, level = render(np.array([[0.0, 100.0, -80.0]]), 3, scale=1.0, offset=0.0, sample_rate=16000)
    assert level.notes() == []


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_never_rendered(value):
    frames = np.zeros((4, 8000))
    frames[3, 0] = value
    with pytest.raises(NotFiniteError, match=r"second 1\.500"):
        render(frames, 32000, scale=1.0, offset=0.0, sample_rate=16000)
