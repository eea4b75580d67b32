"""Lambert's continued fraction against numpy's tanh, and the loops that are compiled of it."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch

from longsong.model.fused import compiled_available, recurrence
from longsong.model.fused.tanh import LEVELS, SATURATED, lambert_tanh

ROUNDINGS = 6
"""What a compiled tanh may be off, in units in the last place of 1: those of two polynomials, and of their ratio."""

DTYPES = tuple(LEVELS)


def exactly(x: Fraction, levels: int) -> Fraction:
    above, below = lambert_tanh(levels)
    return x * sum(a * x ** (2 * n) for n, a in enumerate(above)) / sum(b * x ** (2 * n) for n, b in enumerate(below))


def decimal(x: Fraction) -> Decimal:
    return Decimal(x.numerator) / x.denominator


def compiled_tanh(x: torch.Tensor) -> torch.Tensor:
    """Give tanh as the loops have it: of a simple recurrent unit whose state is looked at by nobody, tanh(1 x)."""
    if compiled_available() is not None:
        pytest.skip(f"no compiled loops: {compiled_available()}")
    one, zero = x.new_ones(1, 1), x.new_zeros(1, 1)
    parameters = {"linear0.W": one, "linear0.b": zero[0], "rnn0.W": zero}
    h, _ = recurrence("rnn", x.view(1, -1, 1), parameters, [x.new_zeros(len(x), 1)], elementwise="compiled")
    return h.view(-1)


def grid(dtype: torch.dtype) -> torch.Tensor:
    """Give 200,000 numbers from 0 to where tanh is 1, and many close to 0."""
    even = torch.linspace(0, SATURATED[dtype], 100_000, dtype=torch.float64)
    near = torch.logspace(-30, np.log10(SATURATED[dtype]), 100_000, dtype=torch.float64)
    return torch.cat([even, near]).to(dtype).sort().values


def error_of_the_fraction(levels: int, most: float) -> float:
    """Give its largest relative error from 0 to `most`, with nothing rounded: to 40 digits."""
    points = [Fraction(most) * k / 500 for k in range(1, 501)]
    with localcontext(prec=60):
        errors = []
        for x in points:
            squared = (2 * decimal(x)).exp()
            errors.append(abs(decimal(exactly(x, levels)) * (squared + 1) / (squared - 1) - 1))
        return float(max(errors))


@pytest.mark.parametrize("dtype", DTYPES)
def test_levels_are_enough_for_the_precision(dtype):
    assert error_of_the_fraction(LEVELS[dtype], SATURATED[dtype]) < torch.finfo(dtype).eps / 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_some_fewer_would_not_be(dtype):
    assert error_of_the_fraction(LEVELS[dtype] - 4, SATURATED[dtype]) > torch.finfo(dtype).eps / 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_from_where_it_is_cut_off_tanh_is_1(dtype):
    cut = torch.tensor(SATURATED[dtype], dtype=dtype)
    assert torch.tanh(cut) == 1
    assert 1 - float(torch.tanh(cut.double() - 0.2)) > torch.finfo(dtype).eps / 8


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_fraction_is_odd_and_rises(dtype):
    levels = LEVELS[dtype]
    points = [Fraction(k, 32) for k in range(int(32 * SATURATED[dtype]) + 1)]
    values = [exactly(x, levels) for x in points]
    assert values[0] == 0
    assert all(one < other for one, other in pairwise(values))
    assert all(exactly(-x, levels) == -value for x, value in zip(points[::50], values[::50], strict=True))


def test_the_fraction_is_that_of_lambert():
    # x / (1 + x^2 / (3 + x^2 / 5)) = x (15 + x^2) / (15 + 6 x^2), by hand
    assert lambert_tanh(3) == ([1, Fraction(1, 15)], [1, Fraction(6, 15)])


@pytest.mark.parametrize("dtype", DTYPES)
def test_compiled_it_is_tanh(dtype):
    x = grid(dtype)
    found, sought = compiled_tanh(x).double(), torch.from_numpy(np.tanh(x.double().numpy()))
    assert torch.equal(found[x == 0], sought[x == 0])
    assert float((found / sought - 1)[x > 0].abs().max()) <= ROUNDINGS * torch.finfo(dtype).eps
    assert float(found.max()) == 1  # beyond it, 1 - tanh^2 would be negative


@pytest.mark.parametrize("dtype", DTYPES)
def test_compiled_it_is_odd_and_rises(dtype):
    x = grid(dtype)
    found = compiled_tanh(x)
    assert torch.equal(compiled_tanh(-x), -found)
    # But for rounding: what is larger is nowhere smaller by more than that.
    assert float((found.cummax(0).values - found).max()) <= 2 * ROUNDINGS * torch.finfo(dtype).eps


@pytest.mark.parametrize("dtype", DTYPES)
def test_compiled_it_leaves_what_is_not_a_number(dtype):
    far = SATURATED[dtype] + 1
    assert torch.isnan(compiled_tanh(torch.tensor([0.5, float("nan"), 2.0], dtype=dtype))).tolist() == [0, 1, 0]
    for x in (far, 1e30, float("inf")):
        found = compiled_tanh(torch.tensor([x, -x], dtype=dtype)).double()
        sought = torch.tensor([1.0, -1.0], dtype=torch.float64)
        assert float((found - sought).abs().max()) <= ROUNDINGS * torch.finfo(dtype).eps
