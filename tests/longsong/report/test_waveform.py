"""Waveforms: no peak lost, no gap, and where a sample is drawn is where it belongs."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from longsong.errors import ConfigError
from longsong.report.waveform import COLUMNS, HEIGHT, envelope, outline, range_for

SOUNDS = arrays(np.int16, st.integers(1, 900), elements=st.integers(-32768, 32767))


def drawn(path: str) -> tuple[list[int], list[int]]:
    """Follow a path: rows along its upper edge, and along its lower edge from the left."""
    y, edges = 0, {"h1": [], "h-1": []}
    for letter, number in re.findall(r"([MvVh])(-?\d+)", re.sub(r"M0 (\d+)", r"V\1", path)):
        if letter == "h":
            edges[letter + number].append(y)
        else:
            y = int(number) if letter == "V" else y + int(number)
    return edges["h1"], edges["h-1"][::-1]


@given(SOUNDS, st.integers(1, 500))
def test_no_peak_is_lost_and_there_is_no_gap(samples: np.ndarray, columns: int) -> None:
    least, largest = envelope(samples, columns)
    assert len(least) == len(largest) == min(columns, len(samples))
    assert (least.min(), largest.max()) == (samples.min(), samples.max())
    assert (least <= largest).all()
    assert (least[1:] <= largest[:-1]).all()
    assert (largest[1:] >= least[:-1]).all()


def test_a_peak_is_in_its_own_column() -> None:
    samples = np.zeros(4000, np.int16)
    samples[1234], samples[2999] = 20000, -10000
    least, largest = envelope(samples, 400)
    assert np.flatnonzero(largest).tolist() == [123]
    assert np.flatnonzero(least).tolist() == [299, 300]  # the sample before a stretch is drawn with it


@given(st.floats(0, 1))
def test_the_axis_is_as_short_as_round_numbers_allow(peak: float) -> None:
    end = range_for(peak)
    assert end >= peak * (1 - 1e-9)
    assert f"{end:.0e}"[0] in "125"
    assert end == pytest.approx(1e-4) or end / 2.5 <= peak * (1 + 1e-9)


def test_round_peaks_have_axes_of_their_own_length() -> None:
    peaks = [1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001, 0.0001]
    assert [range_for(peak) for peak in peaks] == pytest.approx(peaks)


@given(SOUNDS, st.sampled_from([1.0, 0.5, 0.01]))
def test_samples_are_drawn_where_they_belong(samples: np.ndarray, end: float) -> None:
    least, largest = envelope(samples, 100)
    tops, bottoms = drawn(outline(least, largest, end))
    for rows, values in ((tops, largest), (bottoms, least)):
        due = np.clip(HEIGHT / 2 - values / 32768 / end * HEIGHT / 2, 0, HEIGHT)
        assert rows == pytest.approx(due.tolist(), abs=0.5 + 1e-9)


def test_an_outline_is_small_whatever_the_length() -> None:
    noise = np.random.default_rng(0).integers(-32768, 32767, 500_000).astype(np.int16)
    path = outline(*envelope(noise), 1.0)
    assert len(path) < 14 * COLUMNS


def test_what_is_no_sound_is_refused() -> None:
    with pytest.raises(ConfigError, match="float64 of shape"):
        envelope(np.zeros(10))
    with pytest.raises(ConfigError, match=r"shape \(0,\)"):
        envelope(np.zeros(0, np.int16))
