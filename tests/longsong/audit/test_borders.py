"""Ticks put in at the borders of frames, and sounds without."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_sounds import music, sine, white

from longsong.audit.borders import border_figures, correlation_at
from longsong.errors import ConfigError


@given(st.integers(2, 300), st.integers(0, 50))
def test_steps_are_told_apart_by_where_they_are(frame: int, more: int) -> None:
    """A staircase whose frames are ramps: steps of 3 inside, of 30 at borders."""
    steps = np.full(frame * 12 + more, 3)
    steps[::frame] = 30
    samples = np.cumsum(np.where(np.arange(len(steps)) // frame % 2 == 0, steps, -steps)).astype(np.int16)
    found = border_figures(samples, frame)
    assert found["border_step"] * 32768 == pytest.approx(30)
    assert found["inside_step"] * 32768 == pytest.approx(3)
    assert found["step_ratio"] == pytest.approx(10)


@pytest.mark.parametrize("sound", [music(30), white(3000, 5)])
def test_a_sound_without_borders_has_a_ratio_of_1(sound: np.ndarray) -> None:
    assert border_figures(sound, 100)["step_ratio"] == pytest.approx(1, abs=0.05)


def test_ticks_repeat_at_the_frame_length() -> None:
    sound = white(100, 5)
    ticking = sound.copy()
    ticking[::250] += 4000
    without, found = border_figures(sound, 250), border_figures(ticking, 250)
    assert found["step_autocorrelation"] > 0.9
    assert abs(without["step_autocorrelation"]) < 0.02
    assert found["step_ratio"] > 10
    # At another length than that of the ticks there is nothing.
    assert abs(border_figures(ticking, 240)["step_autocorrelation"]) < 0.05


def test_a_tone_that_fits_in_the_frame_has_no_ticks() -> None:
    found = border_figures(sine(160, 5000, 2), 100)
    assert found["autocorrelation"] == pytest.approx(1, abs=1e-4)
    assert found["step_ratio"] == pytest.approx(1.57, abs=0.02)  # the frame begins where a sine is steepest: pi / 2


@given(st.integers(2, 400), st.integers(1, 40))
def test_correlation_does_not_depend_on_level_or_mean(length: int, lag: int) -> None:
    values = np.random.default_rng(length).normal(size=length)
    first, second = correlation_at(values, lag), correlation_at(7 - 3 * values, lag)
    assert first == (None if second is None else pytest.approx(second))
    assert first is None or abs(first) <= 1 + 1e-12


@pytest.mark.parametrize(("samples", "frame"), [(50, 50), (3, 100), (1, 1), (100, 1)])
def test_without_borders_or_inside_there_is_no_figure(samples: int, frame: int) -> None:
    assert set(border_figures(np.arange(samples, dtype=np.int16), frame).values()) == {None}


def test_frames_that_stand_still_have_no_ratio() -> None:
    found = border_figures(np.repeat([0, 100, -50, 30], 40).astype(np.int16), 40)
    assert found["step_ratio"] is None
    assert found["border_step"] > 0 == found["inside_step"]


def test_a_frame_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="frame"):
        border_figures(np.zeros(10, np.int16), 0)
