"""Where the examples of a run lie in the song, in one pass or several (FACTS section 5; D07).

Written apart from `longsong.training`, which it checks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from longsong.audit.run import Run
from longsong.audit.song import examples_that_fit

__all__ = ["examples_due", "first_samples", "heard_in_training"]

Starts = NDArray[np.int64]


def examples_due(run: Run) -> tuple[int, int]:
    """Give the numbers of train and dev examples that a configuration has."""
    if _shift(run) is not None:
        return len(first_samples(run, "train")), len(first_samples(run, "dev"))
    shape, samples, train = (run.of("data.frame"), run.of("data.seq")), run.of("song.samples"), _split(run)
    return (
        examples_that_fit(*shape, 0, train, samples, run.of("data.hop")),
        examples_that_fit(*shape, train, samples, samples, run.of("data.hop")),
    )


def first_samples(run: Run, split: str) -> Starts:
    """Give the first sample of each example of a split, ``train`` or ``dev``, shape (examples,), int64."""
    shift, length = _shift(run), run.of("data.frame") * run.of("data.seq")
    if shift is None:
        start, count = (0, examples_due(run)[0]) if split == "train" else (_split(run), examples_due(run)[1])
        hop: int = run.of("data.hop")
        return start + np.arange(count, dtype=np.int64) * hop
    # One pass behind the other; each example with a last target frame that the song still holds.
    stop = run.of("song.samples") - length - run.of("data.frame") + 1
    every = np.concatenate([np.arange(first, stop, length, dtype=np.int64) for first in range(0, length, shift)])
    cut = len(every) * _split(run) // run.of("song.samples")
    return every[:cut] if split == "train" else every[cut:]


def heard_in_training(run: Run) -> int:
    """Count the dev examples whose inputs share a sample with those of a train example."""
    if _shift(run) is None:
        return 0  # the splits are parts of the song
    train, dev = np.sort(first_samples(run, "train")), first_samples(run, "dev")
    if not len(train):
        return 0
    after = np.searchsorted(train, dev)
    to_next = np.abs(train[np.minimum(after, len(train) - 1)] - dev)
    to_last = np.abs(train[np.maximum(after - 1, 0)] - dev)
    return int((np.minimum(to_next, to_last) < run.of("data.frame") * run.of("data.seq")).sum())


def _split(run: Run) -> int:
    return int(run.of("data.train_samples"))


def _shift(run: Run) -> int | None:
    """Give the shift from pass to pass; None where there is one pass, or what stands there is no shift."""
    shift = run.config["data"].get("example_shift")
    return shift if isinstance(shift, int) and 0 < shift < run.of("data.frame") * run.of("data.seq") else None
