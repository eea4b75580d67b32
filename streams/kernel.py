"""The one inner loop of the data layer, in numpy: runs of int16 samples, gathered and normalised.

`streams.compiled` has it a second time; both give the same bits. This form needs numpy alone and is fast for long
rows; the compiled one is fast for all, takes its time to load, and is therefore loaded only once much was read.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from streams.normalise import Normaliser

__all__ = ["Runs", "copy_plain", "gather_plain"]

Samples = npt.NDArray[np.int16]
Numbers = npt.NDArray[np.int64]
ViewOf = Callable[[int], Samples | None]

Runs = tuple[Numbers, Numbers, Numbers]
"""Runs of samples to read, each of shape (runs,), int64: first sample, how many, place in the output of the first."""

_PIECE = 1 << 17
"""Samples normalised at once: what was multiplied is still in the cache when it is added to."""


def gather_plain(
    runs: Runs, borders: Numbers, view_of: ViewOf, normaliser: Normaliser, out: npt.NDArray[np.float32]
) -> int:
    """Normalise runs of samples into their places.

    Parameters
    ----------
    runs : Runs
    borders : ndarray, shape (blocks + 1,), int64
        First sample of each block, and the length of the song.
    view_of : callable
        Gives the samples of a block by its number, int16, or None where it cannot be read.
    normaliser : Normaliser
    out : ndarray, shape (n,), float32

    Returns
    -------
    int
        The number of runs that are done: all, or those before one that meets a block that cannot be read.
    """

    def write(samples: Samples, at: int) -> None:
        for piece in range(0, len(samples), _PIECE):
            taken = samples[piece : piece + _PIECE]
            normaliser.apply(taken, out[at + piece : at + piece + len(taken)])

    return _each_run(runs, borders, view_of, write)


def copy_plain(runs: Runs, borders: Numbers, view_of: ViewOf, out: Samples) -> int:
    """Copy runs of samples to their places in `out`, shape (n,), int16; else as `gather_plain`."""

    def write(samples: Samples, at: int) -> None:
        out[at : at + len(samples)] = samples

    return _each_run(runs, borders, view_of, write)


def _each_run(runs: Runs, borders: Numbers, view_of: ViewOf, write: Callable[[Samples, int], None]) -> int:
    starts, counts, places = runs
    blocks = np.searchsorted(borders, starts, side="right") - 1
    firsts = starts - borders[blocks]
    for run, (block, first, left, at) in enumerate(
        zip(blocks.tolist(), firsts.tolist(), counts.tolist(), places.tolist(), strict=True)
    ):
        while left:
            view = view_of(block)
            if view is None:
                return run
            samples = view[first : first + left]
            write(samples, at)
            left, at = left - len(samples), at + len(samples)
            block, first = block + 1, 0
    return len(starts)
