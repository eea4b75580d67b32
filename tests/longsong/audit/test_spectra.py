"""Distances of spectra against their closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_sounds import RATE, music, sine, white

from longsong.audit.short_time import BANDS, Analysis
from longsong.audit.spectra import (
    SpectralMoments,
    SpectralTally,
    frechet_between,
    frechet_distance,
    log_spectral_distance,
    moments_of_silence,
    spectral_figures,
)
from longsong.errors import ConfigError

ANALYSIS = Analysis(RATE)


def moments(samples: np.ndarray) -> SpectralMoments:
    tally = SpectralTally(ANALYSIS)
    for powers in ANALYSIS.powers(samples):
        tally.add(powers)
    found = tally.moments()
    assert found is not None
    return found


def test_white_noise_is_as_flat_as_theory_says() -> None:
    """The logarithm of a periodogram's value has a mean of -0.5772 (Euler's constant) beside that of its mean."""
    assert moments(white(2000, 20)).flatness == pytest.approx(math.exp(-np.euler_gamma), abs=0.01)
    assert moments(sine(1000, 20_000, 2)).flatness < 1e-4  # type: ignore[operator]
    assert moments(np.zeros(RATE, np.int16)).flatness is None


def test_silent_windows_say_nothing_of_flatness() -> None:
    sound = white(2000, 10)
    padded = np.concatenate([sound, np.zeros(10 * RATE, np.int16)])
    assert moments(padded).flatness == pytest.approx(moments(sound).flatness, abs=0.002)


@pytest.mark.parametrize("samples", [white(1500, 5), sine(440, 4000, 5), sine(20, 4000, 5)])
def test_mean_square_is_that_of_the_samples(samples: np.ndarray) -> None:
    exact = np.mean(np.square(samples / 32768))
    assert moments(samples).mean_square == pytest.approx(exact, rel=0.01)


def test_moments_in_pieces_are_those_of_all() -> None:
    """Against the mean and covariance of numpy, over all windows at once."""
    samples = music(3)
    powers = np.concatenate(list(ANALYSIS.powers(samples)))
    log_mel = ANALYSIS.log_mel(powers)
    tally = SpectralTally(ANALYSIS)
    for piece in np.array_split(powers, 5):
        tally.add(piece)
    found = tally.moments()
    assert found is not None
    assert found.windows == len(powers)
    np.testing.assert_allclose(found.mel_mean, log_mel.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found.mel_covariance, np.cov(log_mel.T, ddof=0), atol=1e-4)


def test_silence_is_what_its_samples_give() -> None:
    found, due = moments(np.zeros(RATE, np.int16)), moments_of_silence(ANALYSIS)
    np.testing.assert_allclose(found.mel_mean, due.mel_mean, rtol=1e-6)
    np.testing.assert_allclose(found.log_power, due.log_power, rtol=1e-6)
    np.testing.assert_allclose(found.mel_covariance, 0, atol=1e-8)


def test_a_sound_against_itself_and_softer() -> None:
    """Ten times softer is 20 dB at every frequency, and the same shape."""
    sound = white(9000, 10)
    same = spectral_figures(moments(sound), moments(sound))
    assert same["log_spectral_distance"] == same["log_spectral_distance_of_shapes"] == 0
    assert same["frechet_log_mel"] == pytest.approx(0, abs=1e-3)
    softer = spectral_figures(moments((sound // 10).astype(np.int16)), moments(sound))
    assert softer["log_spectral_distance"] == pytest.approx(20, abs=0.05)
    assert softer["log_spectral_distance_of_shapes"] == pytest.approx(0, abs=0.05)
    assert softer["frechet_log_mel"] == pytest.approx(20 * math.sqrt(BANDS), rel=0.01)


@given(st.lists(st.floats(-100, 0), min_size=2, max_size=20), st.floats(-30, 30))
def test_log_spectral_distance_of_a_shift_is_the_shift(spectrum: list[float], shift: float) -> None:
    a = np.array(spectrum)
    assert log_spectral_distance(a, a + shift) == pytest.approx(abs(shift), abs=1e-9)
    assert log_spectral_distance(a + shift, a) == pytest.approx(abs(shift), abs=1e-9)


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(0, 4), st.floats(0, 4))
def test_frechet_distance_of_one_dimension(mean_a: float, mean_b: float, spread_a: float, spread_b: float) -> None:
    one = np.ones(1)
    found = frechet_distance(one * mean_a, np.eye(1) * spread_a**2, one * mean_b, np.eye(1) * spread_b**2)
    assert found == pytest.approx(math.hypot(mean_a - mean_b, spread_a - spread_b), abs=1e-6)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_frechet_distance_of_covariances_that_commute(seed: int, n: int) -> None:
    """With the same eigenvectors the covariances part into one dimension each."""
    random = np.random.default_rng(seed)
    axes = np.linalg.qr(random.normal(size=(n, n)))[0]
    spread_a, spread_b = random.uniform(0, 3, n), random.uniform(0, 3, n)
    mean_a, mean_b = random.normal(size=n), random.normal(size=n)
    a, b = (axes * spread_a**2) @ axes.T, (axes * spread_b**2) @ axes.T
    due = math.sqrt(np.square(mean_a - mean_b).sum() + np.square(spread_a - spread_b).sum())
    assert frechet_distance(mean_a, a, mean_b, b) == pytest.approx(due, abs=1e-5)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8))
def test_frechet_distance_against_the_matrix_root(seed: int, n: int) -> None:
    """The form of the paper, with scipy's root of a matrix; and the same both ways round."""
    from scipy.linalg import sqrtm

    random = np.random.default_rng(seed)
    a, b = (x @ x.T + 0.1 * np.eye(n) for x in random.normal(size=(2, n, n)))
    mean_a, mean_b = random.normal(size=(2, n))
    square = np.square(mean_a - mean_b).sum() + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert frechet_distance(mean_a, a, mean_b, b) == pytest.approx(math.sqrt(max(square, 0)), rel=1e-5, abs=1e-5)
    assert frechet_distance(mean_b, b, mean_a, a) == pytest.approx(frechet_distance(mean_a, a, mean_b, b), abs=1e-5)


def test_frechet_distance_to_silence_is_in_closed_form() -> None:
    """Of what has no variance the mean and the other's variance are all that counts."""
    sound, silence = moments(music(3)), moments_of_silence(ANALYSIS)
    due = np.square(sound.mel_mean - silence.mel_mean).sum() + np.trace(sound.mel_covariance)
    assert frechet_between(sound, silence) == pytest.approx(math.sqrt(due), rel=1e-9)


def test_shapes_that_do_not_agree_are_refused() -> None:
    with pytest.raises(ConfigError, match="shapes"):
        frechet_distance(np.zeros(2), np.eye(2), np.zeros(3), np.eye(3))
