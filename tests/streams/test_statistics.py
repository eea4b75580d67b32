import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streams import ArraySong, Statistics
from streams import statistics as statistics_module

SAMPLES = arrays(np.int16, st.integers(1, 200))


@given(samples=SAMPLES, cut=st.integers(1, 199))
def test_exact_and_the_same_in_parts(samples: np.ndarray, cut: int) -> None:
    found, numbers = Statistics.of(samples), samples.tolist()

    assert found == Statistics(len(numbers), sum(numbers), sum(x * x for x in numbers), min(numbers), max(numbers))
    if cut < len(samples):
        assert Statistics.of(samples[:cut]) + Statistics.of(samples[cut:]) == found


@given(samples=SAMPLES)
def test_mean_and_standard_deviation(samples: np.ndarray) -> None:
    found, numbers = Statistics.of(samples), [Fraction(x) for x in samples.tolist()]
    mean = sum(numbers) / len(numbers)
    variance = sum((x - mean) ** 2 for x in numbers) / len(numbers)

    assert found.mean == pytest.approx(float(mean), rel=1e-15)
    assert found.standard_deviation == pytest.approx(math.sqrt(variance), rel=1e-14)


def test_nothing_overflows_or_cancels() -> None:
    hours = 10**11
    song = Statistics(hours, hours * 32767 - 1, (hours - 1) * 32767**2 + 32766**2, 32766, 32767)

    assert song.standard_deviation == pytest.approx(math.sqrt(1 / hours), rel=1e-9)


def test_loud_samples_in_many_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics_module, "_PIECE", 7)
    loud = np.full(100, -32768, np.int16)

    assert ArraySong(loud, 16000).statistics == Statistics(100, -3276800, 100 * 2**30, -32768, -32768)
