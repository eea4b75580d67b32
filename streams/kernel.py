"""The one inner loop of the data layer: runs of int16 samples, gathered and normalised, in two forms.

Both give the same bits. The plain form needs numpy alone and is fast for long rows; the compiled one (numba, if
it is installed) is fast for all, takes its time to load, and is therefore loaded only once much was read.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.normalise import Normaliser

__all__ = ["Runs", "compile_gather", "copy_plain", "gather_plain"]

Samples = npt.NDArray[np.int16]
Numbers = npt.NDArray[np.int64]

Runs = tuple[Numbers, Numbers, Numbers]
"""Runs of samples to read, each of shape (runs,), int64: first sample, how many, place in the output of the first."""

_PIECE = 1 << 16
"""Samples normalised at once: what was multiplied is still in the cache when it is added to."""


def gather_plain(
    runs: Runs, borders: Numbers, views: Mapping[int, Samples], normaliser: Normaliser, out: npt.NDArray[np.float32]
) -> int:
    """Normalise runs of samples into their places.

    Parameters
    ----------
    runs : Runs
    borders : ndarray, shape (blocks + 1,), int64
        First sample of each block, and the length of the song.
    views : mapping of int to ndarray, int16
        The blocks that can be read, by number.
    normaliser : Normaliser
    out : ndarray, shape (n,), float32

    Returns
    -------
    int
        The number of runs that are done: all, or those before one that meets a block that is not in `views`.
    """

    def write(samples: Samples, at: int) -> None:
        for piece in range(0, len(samples), _PIECE):
            taken = samples[piece : piece + _PIECE]
            normaliser.apply(taken, out[at + piece : at + piece + len(taken)])

    return _each_run(runs, borders, views, write)


def copy_plain(runs: Runs, borders: Numbers, views: Mapping[int, Samples], out: Samples) -> int:
    """Copy runs of samples to their places in `out`, shape (n,), int16; else as `gather_plain`."""

    def write(samples: Samples, at: int) -> None:
        out[at : at + len(samples)] = samples

    return _each_run(runs, borders, views, write)


def _each_run(runs: Runs, borders: Numbers, views: Mapping[int, Samples], write: Callable[[Samples, int], None]) -> int:
    starts, counts, places = runs
    blocks = np.searchsorted(borders, starts, side="right") - 1
    firsts = starts - borders[blocks]
    for run, (block, first, left, at) in enumerate(
        zip(blocks.tolist(), firsts.tolist(), counts.tolist(), places.tolist(), strict=True)
    ):
        while left:
            view = views.get(block)
            if view is None:
                return run
            samples = view[first : first + left]
            write(samples, at)
            left, at = left - len(samples), at + len(samples)
            block, first = block + 1, 0
    return len(starts)


def compile_gather() -> Callable[..., int] | None:
    """Compile the loop; None where numba is not installed or does not fit.

    Returns
    -------
    callable
        ``gather(starts, counts, places, borders, addresses, scale, offset, out) -> int``, as `gather_plain`,
        with the address of the first sample of each block in place of its view, 0 where it cannot be read:
        shape (blocks,), int64. It runs without the interpreter's lock.
    """
    if sys.byteorder != "little":
        return None
    try:
        return _compiled()
    except ImportError:
        return None


def _compiled() -> Callable[..., int]:
    import numba
    from numba import carray, types
    from numba.extending import intrinsic

    pointers = types.CPointer(types.int16)

    @intrinsic  # type: ignore[untyped-decorator]
    def pointer(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(pointers))

        return pointers(address), generate

    numbers, number, real = types.Array(types.int64, 1, "C", readonly=True), types.int64, types.float32
    # Nothing is kept on disk: numba would pickle it. And no fast-math: a fused multiplication and addition
    # would give other bits.
    signature = number(numbers, numbers, numbers, numbers, types.int64[::1], real, real, types.float32[::1])

    @numba.njit(signature, nogil=True, fastmath=False, cache=False)
    def gather(starts, counts, places, borders, addresses, scale, offset, out):  # type: ignore[no-untyped-def]
        for run in range(len(starts)):
            sample, left, at = starts[run], counts[run], places[run]
            low, high = 0, len(addresses)
            while high - low > 1:
                middle = (low + high) >> 1
                if borders[middle] <= sample:
                    low = middle
                else:
                    high = middle
            while left > 0:
                if addresses[low] == 0:
                    return run
                taken = min(left, borders[low + 1] - sample)
                # As pointers, so that no check of an index's sign stands in the way of vector instructions.
                source = carray(pointer(addresses[low] + 2 * (sample - borders[low])), taken, np.int16)
                target = out[at : at + taken]
                for i in range(taken):
                    target[i] = np.float32(source[i]) * scale + offset
                sample, left, at = sample + taken, left - taken, at + taken
                low += 1
        return len(starts)

    compiled: Callable[..., int] = gather
    return compiled
