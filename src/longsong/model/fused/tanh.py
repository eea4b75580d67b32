"""The hyperbolic tangent by arithmetic alone, so that a compiler can do many at once."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import numpy as np
import torch

__all__ = ["LEVELS", "SATURATED", "lambert_tanh", "make_tanh"]

LEVELS: Final = {torch.float32: 13, torch.float64: 31}
"""Levels of the continued fraction, by precision: the error is below its rounding."""

SATURATED: Final = {torch.float32: 9.02, torch.float64: 19.1}
"""From here on tanh is 1 in that precision."""


def lambert_tanh(levels: int) -> tuple[list[Fraction], list[Fraction]]:
    """Give tanh(x) / x as a ratio of two polynomials in x^2, lowest power first.

    Lambert's continued fraction (1768), ``x / (1 + x^2 / (3 + x^2 / (5 + ...)))``, cut off after so many levels. All
    coefficients are positive, so that nothing cancels, and the ratio is exact to first order at 0.
    """
    above, below = [Fraction(1)], [Fraction(2 * levels - 1)]
    for level in range(levels - 1, 0, -1):
        shifted = [Fraction(0), *above]
        scaled = [(2 * level - 1) * factor for factor in below]
        length = max(len(shifted), len(scaled))
        padded = [row + [Fraction(0)] * (length - len(row)) for row in (shifted, scaled)]
        above, below = below, [a + b for a, b in zip(*padded, strict=True)]
    return [a / below[0] for a in above], [b / below[0] for b in below]


def make_tanh(dtype: torch.dtype) -> Callable[[Any], Any]:
    """Make a function of one number, for numba to compile."""
    from numba import literal_unroll

    scalar: Any = np.float32 if dtype == torch.float32 else np.float64
    above, below = lambert_tanh(LEVELS[dtype])
    p = tuple(scalar(float(factor)) for factor in reversed(above))
    q = tuple(scalar(float(factor)) for factor in reversed(below))
    most, one = scalar(SATURATED[dtype]), scalar(1)

    def tanh(x):  # type: ignore[no-untyped-def]
        # Not min and max: what is not a number would become one.
        x = most if x > most else x
        x = -most if x < -most else x
        y = x * x
        upper, lower = p[0], q[0]
        for factor in literal_unroll(p[1:]):
            upper = upper * y + factor
        for factor in literal_unroll(q[1:]):
            lower = lower * y + factor
        y = x * upper / lower
        # Rounding may have gone beyond it, and 1 - tanh^2 below 0.
        y = one if y > one else y
        return -one if y < -one else y

    return tanh
