"""The logistic function of the compiled loops: as exact for closed gates as for open ones."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longsong.model.fused import compiled_available
from longsong.model.fused.exponential import DEGREE, split_log_2

DTYPES = tuple(DEGREE)
ROUNDINGS = 2.5
"""What it may be off, in units in the last place: the power, a sum and a ratio are each rounded."""


@pytest.fixture(scope="module", params=DTYPES)
def sigmoid(request):
    """The function over arrays, and the type that they are of."""
    if compiled_available() is not None:
        pytest.skip(f"no compiled loops: {compiled_available()}")
    from numba import njit

    from longsong.model.fused.loops import make_kit

    kit, real = make_kit(request.param), np.dtype("f4" if request.param == torch.float32 else "f8")
    compiled = kit.sigmoid

    @njit(**kit.options)
    def every(x, out):
        for i in range(len(x)):
            out[i] = compiled(x[i])

    def over(values):
        x = np.array(values, dtype=real)
        out = np.empty_like(x)
        every(x, out)
        return x, out

    return over, real


def exactly(x: np.floating) -> Decimal:
    return 1 / (1 + (-Decimal(float(x))).exp())


def test_relatively_it_is_off_by_roundings_alone(sigmoid):
    over, real = sigmoid
    info = np.finfo(real)
    lowest, highest = np.ceil(np.log(info.tiny)), -np.log(info.eps)

    @given(st.lists(st.floats(lowest, 2 * highest), min_size=1, max_size=40))
    def holds(values):
        x, found = over(values)
        with localcontext(prec=40):
            for one, other in zip(x, found, strict=True):
                assert abs(Decimal(float(other)) / exactly(one) - 1) <= Decimal(ROUNDINGS * float(info.eps))

    holds()


def test_it_rises_from_nothing_to_1_and_never_beyond(sigmoid):
    over, real = sigmoid
    x, found = over(np.linspace(-1000, 1000, 400_001))
    assert found.max() == 1
    assert found.min() > 0
    assert found.min() <= 4 * np.finfo(real).tiny
    assert (np.diff(found) >= -ROUNDINGS * np.finfo(real).eps * found[1:]).all()
    assert found[x == 0] == 0.5


def test_what_is_not_a_number_stays_so_and_what_is_infinite_ends(sigmoid):
    over, _ = sigmoid
    _, found = over([0.5, float("nan"), float("inf"), -float("inf"), 1e30, -1e30])
    assert np.isnan(found).tolist() == [False, True, False, False, False, False]
    assert found[[2, 4]].tolist() == [1, 1]
    assert (found[[3, 5]] < 1e-37).all()


@given(st.integers(1, 60))
def test_ln_2_in_two_parts_is_ln_2(kept_bits):
    most, rest = split_log_2(kept_bits)
    assert most * 2**kept_bits == int(most * 2**kept_bits)
    assert abs(rest) <= 0.5**kept_bits / 2
    with localcontext(prec=50):
        assert abs((Decimal(most.numerator) / most.denominator + Decimal(float(rest))) / Decimal(2).ln() - 1) < 1e-15


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_series_is_long_enough_and_no_longer(dtype):
    left_out = [
        (np.log(2) / 2) ** (degree + 1) / float(np.prod(range(1, degree + 2), dtype=float))
        for degree in (DEGREE[dtype], DEGREE[dtype] - 2)
    ]
    assert left_out[0] < torch.finfo(dtype).eps / 4 < left_out[1]
