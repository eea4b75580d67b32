"""Generating: the wavefront against the post's way done step by step, carried state, and samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensor_cores import emulate_tensor_cores

from longsong.config import ModelConfig
from longsong.errors import NotFiniteError
from longsong.generation import Renderer, generate_carry, generate_post, post, render
from longsong.model import Network
from longsong.model.fused import Bfloat16Products, Stepper

CELLS = ("gru", "lstm", "rnn")


def network_of(cell: str, frame: int, hidden: int, layers: int, recurrence: str = "time"):
    network = Network(ModelConfig(cell=cell, hidden=hidden, layers=layers, recurrence=recurrence), frame)
    return network, torch.randn(network.size, dtype=torch.float64, generator=torch.Generator().manual_seed(hidden))


def step_by_step(network: Network, flat: torch.Tensor, seeds: torch.Tensor, frames: int) -> torch.Tensor:
    """The post's words: the prediction is given back as the input, and the last frame of each is kept."""
    given = []
    for seed in seeds:
        sequence, kept = seed[None], []
        for _ in range(frames):
            sequence = network.predict(network.named(flat), sequence)
            kept.append(sequence[0, -1])
        given.append(torch.stack(kept))
    return torch.stack(given, 1)


def whole(pieces) -> torch.Tensor:
    return torch.cat(list(pieces))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("recurrence", ["time", "batch"])
@settings(max_examples=20, deadline=None)
@given(
    frame=st.integers(1, 40),
    hidden=st.integers(1, 5),
    layers=st.integers(1, 3),
    seq=st.integers(1, 12),
    frames=st.integers(1, 15) | st.integers(60, 200),
    seeds=st.integers(1, 3),
)
def test_the_wavefront_is_the_posts_way(cell, recurrence, elementwise, frame, hidden, layers, seq, frames, seeds):
    network, flat = network_of(cell, frame, hidden, layers, recurrence)
    flat *= 0.3  # what is chaotic would show the rounding of the one way and the other
    given_seeds = torch.randn(seeds, seq, frame, dtype=torch.float64, generator=torch.Generator().manual_seed(seq))
    expected = step_by_step(network, flat, given_seeds, frames)
    found = whole(generate_post(network, flat, given_seeds, frames, elementwise=elementwise))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_only_iterations_under_way_are_in_memory(monkeypatch):
    network, flat = network_of("gru", 3, 4, 2)
    taken = []

    def stepper(network, parameters, rows, capacity, **others):
        taken.append((rows, capacity))
        return Stepper(network, parameters, rows, capacity, **others)

    monkeypatch.setattr(post, "Stepper", stepper)
    for frames in (7, 20, 2000):
        next(generate_post(network, flat, torch.zeros(2, 7, 3, dtype=torch.float64), frames))
    assert taken == [(14, 32)] * 3


@pytest.mark.parametrize("cell", CELLS)
def test_carried_state_is_one_long_sequence(cell, elementwise):
    network, flat = network_of(cell, 3, 4, 2)
    flat *= 0.3
    seeds = torch.randn(2, 6, 3, dtype=torch.float64)
    pieces = list(generate_carry(network, flat, seeds, 130, elementwise=elementwise))
    assert [len(piece) for piece in pieces] == [64, 64, 2]
    generated = torch.cat(pieces).transpose(0, 1)
    # Teacher forcing with its own output: what the network predicts over seed and output together.
    predicted = network.predict(network.named(flat), torch.cat([seeds, generated[:, :-1]], 1))[:, 5:]
    torch.testing.assert_close(generated, predicted, rtol=0, atol=1e-11)


def test_the_two_ways_agree_on_the_first_frame_and_on_no_other():
    network, flat = network_of("gru", 3, 4, 2)
    seeds = torch.randn(1, 6, 3, dtype=torch.float64)
    post, carry = whole(generate_post(network, flat, seeds, 4)), whole(generate_carry(network, flat, seeds, 4))
    torch.testing.assert_close(post[0], carry[0], rtol=0, atol=1e-12)
    assert not torch.allclose(post[1], carry[1])


def test_bfloat16_products_give_what_rounded_operands_give():
    network, flat = network_of("gru", 30, 20, 2)
    flat = 0.1 * flat.float()
    seeds = torch.randn(1, 6, 30)
    exact = whole(generate_post(network, flat, seeds, 9))
    rounded = whole(generate_post(network, flat, seeds, 9, products=Bfloat16Products()))
    assert 0 < (exact - rounded).abs().max() < 2e-2 * exact.abs().max()


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("generate", [generate_post, generate_carry])
@pytest.mark.parametrize("frame", [4, 30])
def test_weights_that_are_rounded_once_give_what_those_of_each_product_give(cell, generate, frame, monkeypatch):
    network, flat = network_of(cell, frame, 20, 2)
    flat, seeds = 0.1 * flat.float(), torch.randn(2, 6, frame, generator=torch.Generator().manual_seed(1))
    sought = whole(generate(network, flat, seeds, 9, products=Bfloat16Products(native=False)))
    emulate_tensor_cores(monkeypatch)
    found = whole(generate(network, flat, seeds, 9, products=Bfloat16Products(native=False)))
    torch.testing.assert_close(found, sought, rtol=0, atol=1e-5)


def test_progress_is_told_and_grows_to_the_end():
    network, flat = network_of("rnn", 2, 3, 1)
    for generate in (generate_post, generate_carry):
        told: list[float] = []
        whole(generate(network, flat, torch.zeros(1, 3, 2, dtype=torch.float64), 200, on_frames=told.append))
        assert told == sorted(told)
        assert len(told) >= 3
        assert 180 < told[-1] <= 200


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
    assert level.notes() == ["2 samples, from second 0.00 on, were clipped."]


def test_level_and_seconds_are_those_of_all_pieces():
    renderer = Renderer(9, scale=1.0, offset=0.0, sample_rate=2)
    renderer.render(np.array([[0.0, -7.0, 4.0]]))
    renderer.render(np.array([[1.0, 40000.0]]))
    renderer.render(np.array([[2.0]]))
    level = renderer.level
    assert (level.minimum, level.maximum, level.clipped_samples, level.clipped_from) == (-7, 32767, 1, 2.0)
    with pytest.raises(NotFiniteError, match=r"from second 3\.500 on"):
        renderer.render(np.array([[0.0, np.nan]]))


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
