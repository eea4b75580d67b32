"""Spectra of sounds whose spectrum is known; the same in pieces as in one go."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_sounds import RATE, music, sine, white

from longsong.audit.short_time import BANDS, Analysis, require_split
from longsong.errors import ConfigError
from streams import ArraySong

ANALYSIS = Analysis(RATE)


def powers(samples: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros((0, ANALYSIS.bins), np.float32), *ANALYSIS.powers(samples)])


def test_a_sine_of_full_scale_has_a_power_of_1_at_its_frequency() -> None:
    found = powers(sine(1000, 32767, 1))
    assert (found.argmax(1) == 1000 * ANALYSIS.window // RATE).all()
    assert found.max(1) == pytest.approx(1, rel=1e-3)


def test_silence_is_at_the_level_of_rounding() -> None:
    """White noise rounded to int16 has an error of that power beside it: uniform, so 1/12 of a step squared."""
    error = np.random.default_rng(0).uniform(-0.5, 0.5, 20 * RATE)
    measured = np.mean([p.mean(0) for p in ANALYSIS.powers(np.rint(error * 30_000).astype(np.int16))], 0) / 30_000**2
    assert measured[2:-2].mean() == pytest.approx(ANALYSIS.floor, rel=0.02)


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 44_100, 48_000])
def test_every_band_hears_something(rate: int) -> None:
    analysis = Analysis(rate)
    assert 0.04 < analysis.window / rate < 0.1
    assert np.isfinite(analysis.mel_bank).all()
    assert analysis.mel_bank.shape == (analysis.bins, BANDS)
    assert analysis.mel_bank.sum(0) == pytest.approx(1, abs=1e-5)
    assert (np.diff(analysis.mel_bank.argmax(0)) >= 0).all()


def test_a_tone_is_loudest_in_its_band() -> None:
    """1000 Hz is 1000 mel, of 2840 at 8 kHz."""
    band = 1000 / (2595 * np.log10(1 + 8000 / 700)) * (BANDS + 1) - 1
    log_mel = ANALYSIS.log_mel(powers(sine(1000, 8000, 0.5)))
    assert abs(log_mel.mean(0).argmax() - band) <= 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 5000), st.integers(0, 40_000))
def test_windows_are_counted_and_lie_within(start: int, length: int) -> None:
    song = ArraySong(white(1000, 3), RATE)
    stop = min(start + length, len(song))
    found = list(ANALYSIS.powers_of_split(song, start, stop))
    assert sum(len(p) for _, p in found) == ANALYSIS.windows_in(stop - start) == len(powers(song[start:stop]))
    assert all(end <= stop for end, _ in found)


def test_pieces_of_a_song_make_the_spectra_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = music(4)
    whole = powers(samples[100:])
    monkeypatch.setattr("longsong.audit.short_time._WINDOWS_AT_ONCE", 7)
    pieces = [p for _, p in ANALYSIS.powers_of_split(ArraySong(samples, RATE), 100, len(samples))]
    assert len(pieces) > 10
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="sample-rate"):
        Analysis(12)
    song = ArraySong(np.zeros(10, np.int16), RATE)
    with pytest.raises(ConfigError, match="train-samples is 11"):
        require_split(song, 11)
    with pytest.raises(ConfigError, match="train-samples"):
        require_split(song, 0)
