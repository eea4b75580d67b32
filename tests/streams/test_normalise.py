import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streams import Normaliser, Statistics, WindowError

SAMPLES = arrays(np.int16, st.integers(2, 100)).filter(lambda samples: len(set(samples.tolist())) > 1)


def applied(normaliser: Normaliser, samples: np.ndarray) -> np.ndarray:
    out = np.empty(samples.shape, np.float32)
    normaliser.apply(samples, out)
    return out


@given(samples=SAMPLES)
def test_minmax_is_its_formula_to_the_last_bits(samples: np.ndarray) -> None:
    lowest, highest = int(samples.min()), int(samples.max())
    normaliser = Normaliser.of("minmax", Statistics.of(samples))
    exact = [2 * Fraction(x - lowest, highest - lowest) - 1 for x in samples.tolist()]

    # Rounding of scale, product, offset and sum, each at most half a unit in the last place of the largest term.
    room = 2.0**-23 * (1 + abs(highest + lowest) / (highest - lowest)) * 2
    assert all(abs(float(y) - float(x)) <= room for x, y in zip(exact, applied(normaliser, samples), strict=True))


@given(samples=SAMPLES)
def test_stdev_divides_and_does_not_shift(samples: np.ndarray) -> None:
    normaliser = Normaliser.of("stdev", Statistics.of(samples))
    expected = samples / np.std(samples.astype(np.float64))

    assert normaliser.offset == 0
    np.testing.assert_allclose(applied(normaliser, samples), expected, rtol=3e-7)


@given(samples=SAMPLES)
def test_none_leaves_the_samples_as_they_are(samples: np.ndarray) -> None:
    assert np.array_equal(applied(Normaliser.of("none", Statistics.of(samples)), samples), samples)


@given(samples=SAMPLES, scale=st.floats(2**-17, 1, width=32), offset=st.floats(-2, 2, width=32))
def test_two_roundings_and_no_fused_one(samples: np.ndarray, scale: float, offset: float) -> None:
    # float64 holds the product of an int16 and a float32 exactly, and such a sum to well below float32.
    products = (samples.astype(np.float64) * scale).astype(np.float32)
    sums = (products.astype(np.float64) + offset).astype(np.float32)

    assert np.array_equal(applied(Normaliser(scale, offset), samples), sums)


def test_a_fused_rounding_would_be_noticed() -> None:
    normaliser = Normaliser.of("minmax", Statistics(3, 0, 0, -8936, 9124))
    samples = np.arange(-8936, 9125, dtype=np.int16)
    fused = (samples.astype(np.float64) * normaliser.scale + normaliser.offset).astype(np.float32)

    assert not np.array_equal(applied(normaliser, samples), fused)


@given(scale=st.floats(1e-30, 1e30), offset=st.floats(-1e30, 1e30))
def test_scale_and_offset_are_floats_that_float32_holds(scale: float, offset: float) -> None:
    normaliser = Normaliser(scale, offset)

    assert (type(normaliser.scale), type(normaliser.offset)) == (float, float)
    assert (np.float32(scale), np.float32(offset)) == (normaliser.scale, normaliser.offset)
    assert Normaliser(normaliser.scale, normaliser.offset) == normaliser


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, 1e39])
def test_what_float32_does_not_hold_is_refused(wrong: float) -> None:
    with pytest.raises(WindowError, match="scale"):
        Normaliser(wrong, 0.0)
    with pytest.raises(WindowError, match="offset"):
        Normaliser(1.0, wrong)


@pytest.mark.parametrize("nothing", [0.0, -0.0, 1e-50])
def test_a_scale_of_nothing_is_refused(nothing: float) -> None:
    with pytest.raises(WindowError, match="scale"):
        Normaliser(nothing, 0.0)


@pytest.mark.parametrize("kind", ["minmax", "stdev"])
def test_a_constant_song_is_refused(kind: str) -> None:
    silence = Statistics.of(np.full(10, 7, np.int16))

    with pytest.raises(WindowError, match="every sample of the song is 7"):
        Normaliser.of(kind, silence)
    assert Normaliser.of("none", silence) == Normaliser(1.0, 0.0)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(WindowError, match=r"normalise is 'max'.*minmax, stdev, none"):
        Normaliser.of("max", Statistics(2, 1, 1, 0, 1))
