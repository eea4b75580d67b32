"""Levels of sounds that have a known one, and the second at which a sound collapses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_sounds import RATE, music, sine, white

from longsong.audit.levels import collapse, dbfs, level_figures, root_mean_square
from longsong.errors import ConfigError


def test_a_sine_of_full_scale_is_0_dbfs() -> None:
    found = level_figures(sine(1000, 32767, 2), RATE)
    assert found["rms_dbfs"] == pytest.approx(0, abs=0.001)
    assert found["crest"] == pytest.approx(math.sqrt(2), abs=1e-3)
    assert found["peak"] == pytest.approx(1, abs=1e-4)
    assert found["dc"] == pytest.approx(0, abs=1e-6)
    assert found["quiet_share"] == 0


def test_a_square_wave_has_a_crest_of_1_and_is_clipped() -> None:
    square = np.where(np.arange(RATE) // 40 % 2 == 0, 32767, -32768).astype(np.int16)
    found = level_figures(square, RATE)
    assert found["crest"] == pytest.approx(1, abs=1e-4)
    assert (found["clipped_share"], found["longest_clip"]) == (1.0, RATE)


def test_samples_one_step_below_full_scale_are_not_clipped() -> None:
    samples = np.full(1000, 32766, np.int16)
    samples[[10, 500, 501, 502]] = [-32768, 32767, 32767, 32767]
    found = level_figures(samples, RATE)
    assert (found["clipped_share"], found["longest_clip"]) == (0.004, 3)


def test_level_over_time_and_silence() -> None:
    loud = sine(500, 3000, 1)
    found = level_figures(np.concatenate([loud, np.zeros(2 * RATE, np.int16), loud // 2]), RATE)
    over_time = found["over_time"]
    assert found["quiet_share"] == 0.5
    assert over_time["rms_dbfs"][1:3] == over_time["crest"][1:3] == [None, None]
    assert [round(peak * 32768) for peak in over_time["peak"]] == [3000, 0, 0, 1500]
    assert over_time["crest"][0] == pytest.approx(math.sqrt(2), abs=1e-3)
    assert over_time["seconds"] == 1
    assert over_time["rms_dbfs"][0] - over_time["rms_dbfs"][3] == pytest.approx(20 * math.log10(2), abs=0.01)


def test_mean_is_told_as_a_share_of_full_scale() -> None:
    assert level_figures(sine(100, 1000, 1) + np.int16(3277), RATE)["dc"] == pytest.approx(0.1, abs=1e-4)


@given(st.integers(1, 3), st.integers(0, 1000))
def test_twice_the_amplitude_is_6_db_more(doublings: int, seed: int) -> None:
    samples = white(400, 0.1, seed)
    factor = 2**doublings
    softer, louder = level_figures(samples, RATE), level_figures(samples * np.int16(factor), RATE)
    assert louder["rms_dbfs"] - softer["rms_dbfs"] == pytest.approx(20 * math.log10(factor))
    assert louder["crest"] == pytest.approx(softer["crest"])


def test_dbfs_of_nothing() -> None:
    assert dbfs(0) is None
    assert root_mean_square(np.array([3, -3], np.int16)) == 3


@pytest.mark.parametrize(
    ("rest", "kind"),
    [
        (np.zeros(2 * RATE), "silent"),
        (np.tile([0, 1, -1, 1], RATE // 2), "silent"),
        (np.full(2 * RATE, -4000), "constant"),
        (np.full(2 * RATE, 32767), "full scale"),
        (np.repeat(np.tile([32767, -32768], RATE // 40), 40), "full scale"),
    ],
)
def test_collapse_is_found_to_the_stretch(rest: np.ndarray, kind: str) -> None:
    sound = np.concatenate([music(3), white(2000, 1.5), rest.astype(np.int16)])
    assert collapse(sound, RATE) == {"second": pytest.approx(4.5, abs=0.0101), "kind": kind}


def test_what_comes_back_did_not_collapse() -> None:
    silence = np.zeros(2 * RATE, np.int16)
    assert collapse(np.concatenate([music(2), silence, white(2000, 0.1)]), RATE) is None
    assert collapse(music(3), RATE) is None
    # A rest of a quarter of a second at the end.
    assert collapse(np.concatenate([white(2000, 2), silence[: RATE // 4]]), RATE) is None


def test_a_slow_wave_is_not_constant() -> None:
    """In 10 ms a sine of 1 Hz hardly moves."""
    assert collapse(sine(1, 1000, 4), RATE) is None


def test_all_of_a_short_sound_may_be_silent() -> None:
    assert collapse(np.zeros(100, np.int16), RATE) == {"second": 0.0, "kind": "silent"}


@pytest.mark.parametrize("wrong", [np.zeros(0, np.int16), np.zeros((2, 3), np.int16), np.zeros(5)])
def test_what_is_no_sound_is_refused(wrong: np.ndarray) -> None:
    for figures in (level_figures, collapse):
        with pytest.raises(ConfigError, match="int16"):
            figures(wrong, RATE)
