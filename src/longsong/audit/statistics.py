"""Paired differences over random seeds, with Student's interval (P08, P09); no scipy needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from longsong.errors import ConfigError

__all__ = ["Paired", "paired", "t_quantile"]

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Paired:
    """A mean of paired differences.

    Attributes
    ----------
    pairs : int
        How many pairs.
    mean, spread : float
        Mean and standard deviation (n - 1) of the differences.
    low, high : float
        Ends of the 95 % interval of the mean.
    """

    pairs: int
    mean: float
    spread: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies wholly on one side of zero: a difference that was seen."""
        return self.low > 0 or self.high < 0


def paired(differences: Sequence[float]) -> Paired:
    """Give mean, spread and 95 % interval of paired differences.

    Raises
    ------
    ConfigError
        Fewer than two differences: they have no spread.
    """
    n = len(differences)
    if n < 2:
        raise ConfigError(f"an interval needs at least two pairs, not {n}; run more seeds")
    mean = math.fsum(differences) / n
    spread = math.sqrt(math.fsum((d - mean) ** 2 for d in differences) / (n - 1))
    half = t_quantile(0.5 + _CONFIDENCE / 2, n - 1) * spread / math.sqrt(n)
    return Paired(n, mean, spread, mean - half, mean + half)


def t_quantile(probability: float, freedom: int) -> float:
    """Give the quantile of Student's t distribution, by bisection.

    Parameters
    ----------
    probability : float
        Between 0.5 and 1, both excluded.
    freedom : int
        Degrees of freedom, at least 1.
    """
    low, high = 0.0, 1.0
    while _t_below(high, freedom) < probability:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if _t_below(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _t_below(t: float, freedom: int) -> float:
    """Give P(T <= t) for t >= 0 in closed form (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2 == 1
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for k in range((freedom - 1) // 2 if odd else freedom // 2):
        total += term
        term *= cosine * cosine * ((2 * k + 2) / (2 * k + 3) if odd else (2 * k + 1) / (2 * k + 2))
    two_sided = (angle + sine * total) * 2 / math.pi if odd else sine * total
    return 0.5 + two_sided / 2
