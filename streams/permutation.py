"""A shuffle that is computed: position -> item for any position, and no list of the items."""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt

import numpy as np
import numpy.typing as npt

from streams.checks import whole
from streams.errors import SchemeError

__all__ = ["LARGEST", "ROUNDS", "TABLE", "Permutation", "derive_key"]

LARGEST = 2**62
"""Items of a permutation at most: the halves of a position stay below 2**32, and all sums below 2**64."""

ROUNDS = 8
"""Of the network; `Permutation` says why."""

TABLE = 4096
"""Items up to which their order is sorted once and kept: 32 KiB at most."""

_WORD = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15

Words = npt.NDArray[np.uint64]


def derive_key(*parts: int) -> int:
    """Give one key of 64 bits for several whole numbers; their order counts.

    Parameters
    ----------
    *parts : int
        Such as seed and epoch; of each, the lower 64 bits count.
    """
    state: Words = np.zeros(1, dtype=np.uint64)
    for part in parts:
        state = _mix(state + _GOLDEN) ^ np.uint64(part & _WORD)
    return int(_mix(state + _GOLDEN)[0])


class Permutation:
    """A permutation of ``0 .. n - 1``: a pure function of n and a key, the same on every machine.

    Up to `TABLE` items are sorted by a hash of each. More are computed where they are asked for: a position is
    a pair (left, right), left in ``range(a)`` and right in ``range(b)``, where a is the square root of n,
    rounded up, and b the least number with ``a * b >= n``. Each round adds a hash of the one half to the
    other, in turns, modulo a or b: a generalised Feistel network (Luby and Rackoff 1988, "How to construct
    pseudorandom permutations from pseudorandom functions"; Black and Rogaway 2002, "Ciphers with arbitrary
    finite domains"). What lands at n or above goes through again until it does not ("cycle walking", the same
    paper); fewer than a of the a * b pairs do, where halves of whole bits would send back up to one in two.
    The hash is the finaliser of splitmix64, its key the numbers that splitmix64 gives (Steele, Lea and Flood
    2014, "Fast splittable pseudorandom number generators").

    It is a shuffle and no cipher: nobody is kept from finding the key. Too few rounds show in pairs of
    positions that share a half: too many of them share one again, or keep the distance of the other. The table
    by rounds of `python -m benchmarks.shuffle_quality` counts these pairs against those of true shuffles.
    Through 5 rounds some come twice as often; with 6 and 7 they are still too many by some 1 / a of them;
    `ROUNDS` is the first number at which nothing is seen at 4099 items, where a is near its smallest. (Theory
    agrees: Patarin 2001, "Generic attacks on Feistel schemes", advises more than 6 rounds where many
    permutations of few items are drawn.)

    Parameters
    ----------
    n : int
        How many items, up to `LARGEST`.
    key : int
        Its lower 64 bits count; see `derive_key`.
    rounds : int
        Of the network; another number is of use to measure what it does.

    Attributes
    ----------
    n : int
        How many items.
    halves : tuple of int
        a and b.

    Raises
    ------
    SchemeError
        A number that is not whole, or out of its range.
    """

    def __init__(self, n: int, key: int, rounds: int = ROUNDS) -> None:
        self.n = whole("items of a permutation", n, SchemeError, at_least=0, at_most=LARGEST)
        rounds = whole("rounds", rounds, SchemeError, at_least=1)
        most = max(self.n, 1)
        a = isqrt(most - 1) + 1
        self.halves = (a, -(-most // a))
        self._keys: list[int] = _splitmix(key, rounds).tolist()
        self._table: npt.NDArray[np.int64] | None = None
        if self.n <= TABLE:
            self._table = np.argsort(_splitmix(key, self.n), kind="stable")

    def __call__(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Give the items at some positions.

        Parameters
        ----------
        positions : ndarray, shape (count,), int64
            Each from 0 to n - 1.

        Returns
        -------
        items : ndarray, shape (count,), int64

        Raises
        ------
        SchemeError
            There is no such position.
        """
        self._check(positions)
        if self._table is not None:
            return self._table[positions]
        return self._walk(positions, self._forward)

    def inverse(self, items: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Give the positions of some items: the inverse of calling the permutation; same shapes and errors."""
        self._check(items)
        if self._table is not None:
            return np.argsort(self._table)[items]
        return self._walk(items, self._backward)

    def _check(self, values: npt.NDArray[np.int64]) -> None:
        if values.size and not (values.min() >= 0 and values.max() < self.n):
            raise SchemeError(
                f"from {values.min()} to {values.max()}, of a permutation of {self.n} items: "
                f"give whole numbers from 0 to {self.n - 1}"
            )

    def _walk(self, values: npt.NDArray[np.int64], network: Callable[[Words], Words]) -> npt.NDArray[np.int64]:
        out = network(values.astype(np.uint64))
        while (outside := out >= self.n).any():
            out[outside] = network(out[outside])
        return out.astype(np.int64)

    def _forward(self, values: Words) -> Words:
        a, b = self.halves
        left, right = np.divmod(values, np.uint64(b))
        for number, key in enumerate(self._keys):
            if number % 2 == 0:
                left += _mix(right + key) >> 1
                left %= a
            else:
                right += _mix(left + key) >> 1
                right %= b
        return left * b + right

    def _backward(self, values: Words) -> Words:
        a, b = self.halves
        left, right = np.divmod(values, np.uint64(b))
        for number, key in reversed(list(enumerate(self._keys))):
            if number % 2 == 0:
                left += a - (_mix(right + key) >> 1) % a
                left %= a
            else:
                right += b - (_mix(left + key) >> 1) % b
                right %= b
        return left * b + right


def _splitmix(key: int, count: int) -> Words:
    """Give the first numbers that splitmix64 draws, begun at `key`: ndarray, shape (count,)."""
    return _mix(np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN + (key & _WORD))


def _mix(values: Words) -> Words:
    """Give the finaliser of splitmix64 of each value; `values` are written over."""
    values ^= values >> 30
    values *= 0xBF58476D1CE4E5B9
    values ^= values >> 27
    values *= 0x94D049BB133111EB
    values ^= values >> 31
    return values
