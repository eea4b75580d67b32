"""Sounds that go round in circles of a known length, and sounds that do not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_sounds import RATE, music, sine, white

from longsong.audit.repetition import lagged_correlation, period_lock, self_similarity
from longsong.audit.short_time import BANDS, Analysis
from longsong.errors import ConfigError

ANALYSIS = Analysis(RATE)


def log_mel(samples: np.ndarray) -> np.ndarray:
    return np.concatenate([ANALYSIS.log_mel(powers) for powers in ANALYSIS.powers(samples)])


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.integers(130, 6000))
def test_the_period_of_what_repeats_exactly(seed: int, period: int) -> None:
    cycle = white(2000, period / RATE, seed)
    found = period_lock(np.tile(cycle, 2 + 20_000 // len(cycle))[: max(20_000, 2 * len(cycle))], RATE, 100)
    assert found is not None
    assert found["lag"] == len(cycle)
    assert found["strength"] == pytest.approx(1, abs=1e-9)
    assert found["seconds"] == found["lag"] / RATE


def test_a_cycle_with_noise_is_found_weaker() -> None:
    cycle = np.tile(white(2000, 0.2), 20)
    found = period_lock(cycle + white(2000, 4, seed=1), RATE, 40)
    assert found is not None
    assert found["lag"] == 3200
    assert found["strength"] == pytest.approx(0.5, abs=0.05)  # half of the power repeats


def test_what_repeats_with_the_frame_is_no_lock_by_that_alone() -> None:
    """Lags up to a frame are left to the borders; the period that is given is the first beyond."""
    found = period_lock(np.tile(white(2000, 0.005), 100), RATE, 80)
    assert found is not None
    assert found["lag"] == 160


def test_what_does_not_repeat_has_no_strength() -> None:
    found = period_lock(white(2000, 10), RATE, 40)
    assert found is not None
    assert abs(found["strength"]) < 0.05


@pytest.mark.parametrize(
    "samples", [np.zeros(9000, np.int16), np.full(9000, 500, np.int16), white(900, 0.004), white(900, 1 / RATE)]
)
def test_silence_and_what_is_too_short_have_no_period(samples: np.ndarray) -> None:
    assert period_lock(samples, RATE, 40) is None


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 1000), st.integers(2, 90))
def test_lagged_correlation_is_that_of_its_definition(seed: int, n: int) -> None:
    x = np.random.default_rng(seed).normal(size=n)
    found = lagged_correlation(x, n - 1)
    due = [x[: n - lag] @ x[lag:] / np.sqrt((x[: n - lag] ** 2).sum() * (x[lag:] ** 2).sum()) for lag in range(n)]
    np.testing.assert_allclose(found, due, atol=1e-9)
    assert np.abs(found).max() <= 1 + 1e-9


def test_lags_beyond_the_sound_are_refused() -> None:
    with pytest.raises(ConfigError, match="lags up to 5"):
        lagged_correlation(np.ones(5), 5)


def test_a_sound_that_stands_still_is_like_itself() -> None:
    song = log_mel(music(20, seed=1)).mean(0)
    still = self_similarity(log_mel(sine(500, 4000, 6)), song, 16)
    lively = self_similarity(log_mel(music(6)), song, 16)
    assert still["mean"] > 0.99
    assert lively["mean"] < 0.7


def test_a_sound_that_comes_again_is_nearest_to_itself() -> None:
    """A phrase of 4 s, twice, of a whole number of stretches: each has its like, but the mean pair is unlike."""
    song = log_mel(music(20, seed=1)).mean(0)
    phrase = music(16 * 512 * 8 / RATE, seed=2)
    twice, once = (self_similarity(log_mel(sound), song, 16) for sound in (np.tile(phrase, 2), phrase))
    assert twice["nearest"] > 0.95 > once["nearest"]
    assert twice["mean"] < 0.7


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 10))
def test_similarity_is_that_of_directions(seed: int, scale: float) -> None:
    """Cosines do not change with the length of the vectors, and lie between -1 and 1."""
    rows = np.random.default_rng(seed).normal(size=(30, BANDS))
    centre = np.zeros(BANDS)
    found, scaled = self_similarity(rows, centre, 3), self_similarity(rows * scale, centre, 3)
    assert found["stretches"] == 10
    assert scaled["mean"] == pytest.approx(found["mean"], abs=1e-9)
    assert -1 - 1e-9 <= found["mean"] <= found["nearest"] <= 1 + 1e-9


def test_a_sound_is_not_like_itself_for_being_so_a_moment_ago() -> None:
    one, other = np.eye(2, BANDS)
    assert self_similarity(np.stack([one, one, other, other]), np.zeros(BANDS), 1) == {
        "stretches": 4, "mean": 0.0, "nearest": 0.0,
    }  # fmt: skip


def test_too_few_stretches_have_no_similarity() -> None:
    assert self_similarity(np.ones((5, BANDS)), np.zeros(BANDS), 2) == {"stretches": 2, "mean": None, "nearest": None}
    with pytest.raises(ConfigError, match="centre"):
        self_similarity(np.ones((5, 3)), np.zeros(BANDS), 2)
    with pytest.raises(ConfigError, match="windows-together"):
        self_similarity(np.ones((5, BANDS)), np.zeros(BANDS), 0)
