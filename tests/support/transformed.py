"""Transformers, and what they give, for the tests of streams.transformers."""

from collections.abc import Callable

import numpy as np

from streams.transformers import Batch, Cast, Mapping, Rename, ScaleAndShift, Stream

FOUR = ("a", "b", "c", "d")


def halves(batch: Batch) -> Batch:
    return tuple(array / 2 for array in batch)


def loudness(batch: Batch) -> Batch:
    return (np.abs(batch[0]).mean(axis=(1, 2)),)


def doubled_in_place(batch: Batch) -> Batch:
    for array in batch:
        array *= 2
    return batch


def all_of(stream: Stream, count: int | None = None) -> list[Batch]:
    """Give the mini-batches that are left of an epoch, or the next `count` of them."""
    found: list[Batch] = []
    for batch in stream.get_epoch_iterator():
        found.append(batch)
        if len(found) == count:
            break
    return found


def assert_same(ours: Batch, theirs: Batch) -> None:
    assert len(ours) == len(theirs)
    for mine, yours in zip(ours, theirs, strict=True):
        assert (mine.dtype, mine.shape) == (yours.dtype, yours.shape)
        assert np.array_equal(mine, yours)


Wrap = Callable[[Stream], Stream]

LINKS: dict[str, Wrap] = {
    "scale": lambda stream: ScaleAndShift(stream, 0.5, 0.25),
    "first": lambda stream: ScaleAndShift(stream, 3, 0, stream.sources[:1]),
    "cast": lambda stream: Cast(stream, "float64"),
    "rename": lambda stream: Rename(stream, {stream.sources[0]: stream.sources[0] + "'"}),
    "mapping": lambda stream: Mapping(stream, halves),
    "added": lambda stream: Mapping(
        stream, lambda batch: (batch[0].sum(axis=1),), [f"+{len(stream.sources)}"], name="+"
    ),
}


def chained(stream: Stream, links: list[str]) -> Stream:
    for link in links:
        stream = LINKS[link](stream)
    return stream
