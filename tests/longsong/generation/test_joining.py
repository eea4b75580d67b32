"""Joining predicted frames: the post's way, and without ticks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longsong.generation import Crossfade, LastFrame
from longsong.generation.joining import LinearPrediction


def tones(samples: int) -> np.ndarray:
    t = np.arange(samples)
    return np.sin(t / 7) + 0.4 * np.sin(t / 3.1 + 1) + 0.1


def test_the_posts_way_is_end_to_end():
    frames = np.random.default_rng(1).normal(size=(2, 7, 3))
    assert np.array_equal(LastFrame().join(frames), frames)


def test_a_tone_goes_on():
    sound = tones(1024 + 64)
    np.testing.assert_allclose(LinearPrediction(sound[:1024]).continued(sound[:1024], 64), sound[1024:], atol=0.05)


@given(st.integers(1, 300), st.integers(0, 2**32 - 1), st.sampled_from(["noise", "silence", "constant", "step"]))
def test_whatever_it_was_it_does_not_grow(samples, seed, kind):
    random = np.random.default_rng(seed)
    heard = {
        "noise": random.normal(size=samples),
        "silence": np.zeros(samples),
        "constant": np.full(samples, 0.3),
        "step": np.repeat([0.0, 1.0], (samples + 1) // 2)[:samples],
    }[kind]
    onward = LinearPrediction(heard).continued(heard, 200)
    assert np.isfinite(onward).all()
    assert np.abs(onward).max() <= 4 * max(np.abs(heard).max(), 1e-9)
    if kind in ("silence", "constant"):
        np.testing.assert_allclose(onward, heard[-1], atol=1e-12)


@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4), frame=st.integers(1, 90), seeds=st.integers(1, 3))
def test_it_is_the_same_whatever_the_pieces_and_each_sound_by_itself(sizes, frame, seeds):
    frames = np.random.default_rng(frame).normal(size=(seeds, sum(sizes), frame))
    whole = Crossfade().join(frames)
    joining, at, found = Crossfade(), np.cumsum([0, *sizes]), []
    for first, stop in pairwise(at):
        found.append(joining.join(frames[:, first:stop]))
    np.testing.assert_array_equal(np.concatenate(found, 1), whole)
    for number in range(seeds):
        np.testing.assert_array_equal(Crossfade().join(frames[number : number + 1])[0], whole[number])
    np.testing.assert_array_equal(whole[:, 0], frames[:, 0])
    np.testing.assert_array_equal(whole[:, :, 64:], frames[:, :, 64:])


@pytest.mark.parametrize("frame", [40, 200])
def test_a_jump_at_each_border_is_no_tick_any_more(frame):
    off = np.random.default_rng(3).normal(size=(1, 60, 1))
    frames = tones(60 * frame).reshape(1, 60, frame) + off
    hard, soft = frames.reshape(-1), Crossfade().join(frames).reshape(-1)
    border = np.arange(frame - 1, 60 * frame - 1, frame)

    def ratio(sound: np.ndarray) -> float:
        steps = np.abs(np.diff(sound))
        return float(steps[border].mean() / np.delete(steps, border).mean())

    assert ratio(hard) > 3
    assert ratio(soft) < 1.5


def test_where_there_is_no_tick_little_is_changed():
    frames = tones(4000).reshape(1, 100, 40)
    soft = Crossfade().join(frames)
    assert np.abs(soft - frames)[:, 30:].max() < 0.1
    assert soft.dtype == frames.dtype
    assert Crossfade().join(frames.astype(np.float32)).dtype == np.float32
