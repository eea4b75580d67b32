"""The exponential and the logistic function by arithmetic alone, so that a compiler can do many at once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from math import factorial
from typing import Any, Final

import numpy as np
import torch

__all__ = ["DEGREE", "make_sigmoid", "split_log_2"]

DEGREE: Final = {torch.float32: 7, torch.float64: 13}
"""Of the power series on half an octave, by precision: what is left out is below its rounding."""

_KEPT_BITS = {torch.float32: 9, torch.float64: 32}
"""Of ln 2 in its first part, so few that its product with any exponent is exact."""


def split_log_2(kept_bits: int) -> tuple[Fraction, Fraction]:
    """Give ln 2 as a number of so many binary places, and what is left of it, to 60 digits (Cody and Waite, 1980)."""
    with localcontext() as context:
        context.prec = 60
        exact = Fraction(Decimal(2).ln())
    most = Fraction(round(exact * 2**kept_bits), 2**kept_bits)
    return most, exact - most


def make_sigmoid(dtype: torch.dtype, njit: Callable[..., Any], options: dict[str, Any]) -> Any:
    """Make ``1 / (1 + exp(-x))`` of one number, compiled, exact to a few roundings wherever it is a normal number.

    ``exp(y) = 2^n exp(y - n ln 2)``, n the nearest whole number, and a power series for the rest. By tanh it would be
    exact for open gates alone: ``1 + tanh`` cancels for closed ones.

    Parameters
    ----------
    dtype : torch.float32 or torch.float64
    njit : callable
        numba's, with its `options`.
    """
    from numba import literal_unroll

    scalar: Any = np.float32 if dtype == torch.float32 else np.float64
    whole: Any = np.int32 if dtype == torch.float32 else np.int64
    info = torch.finfo(dtype)
    mantissa = int(-np.log2(info.eps))
    bias = whole((1 << (8 * dtype.itemsize - mantissa - 2)) - 1)
    shift = whole(mantissa)
    series = tuple(scalar(1 / factorial(n)) for n in range(DEGREE[dtype], -1, -1))
    most, rest = (scalar(float(part)) for part in split_log_2(_KEPT_BITS[dtype]))
    octaves = scalar(1 / np.log(2))
    # Added to a number of up to this size, it leaves no room behind the point, and the whole number in the last bits.
    rounder = scalar(1.5 * 2**mantissa)
    highest, lowest = scalar(np.floor(np.log(info.max))), scalar(np.ceil(np.log(info.tiny)))
    one = scalar(1)
    to_bits, from_bits = _bitcasts(dtype)

    @njit(**options)
    def sigmoid(x):  # type: ignore[no-untyped-def]
        y = -x
        # Not min and max: what is not a number would become one.
        y = highest if y > highest else y
        y = lowest if y < lowest else y
        rounded = y * octaves + rounder
        n = rounded - rounder
        r = (y - n * most) - n * rest
        power = series[0]
        for factor in literal_unroll(series[1:]):
            power = power * r + factor
        exponent = (to_bits(rounded) - to_bits(rounder)) + bias
        return one / (one + power * from_bits(exponent << shift))

    return sigmoid


def _bitcasts(dtype: torch.dtype) -> tuple[Any, Any]:
    """Make what numba has no word for: a number's bits as a whole number, and back."""
    from numba import types
    from numba.extending import intrinsic

    real, whole = (types.float32, types.int32) if dtype == torch.float32 else (types.float64, types.int64)

    def cast(result: Any, given: Any) -> Any:
        @intrinsic  # type: ignore[untyped-decorator]
        def bits(typing_context: Any, value: Any) -> Any:
            def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
                return builder.bitcast(arguments[0], context.get_value_type(result))

            return result(given), generate

        return bits

    return cast(whole, real), cast(real, whole)
