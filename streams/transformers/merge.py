"""Several songs side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from streams.errors import StateError, TransformerError
from streams.transformers.base import Transformer
from streams.transformers.protocol import Batch, Stream

__all__ = ["Merge"]

Number = TypeVar("Number", bound=np.generic)


class Merge(Transformer):
    """Gives the arrays of several streams in one mini-batch: row b of one beside row b of the other.

    The streams go in step, and the state holds the state of each. They have the same number of examples, in
    mini-batches of the same size, split over the same ranks. Fuel ends an epoch with the shortest stream; what
    is left of the longer ones is then lost or not, after how each was made, and no state says which. Here such
    streams are refused: give each `Windows` a `stop` after which they have the same number of examples.

    `indices` has a column for each stream, shape (batch, streams). A row is reset where one of its streams
    resets it.

    Parameters
    ----------
    streams : sequence of Stream
        Two or more, none of them twice.
    sources : sequence of str
        Names for the sources of all, in order.

    Raises
    ------
    TransformerError
        Fewer than two streams, one that stands twice, other numbers of examples, mini-batches or ranks, or
        another number of names than there are sources.
    """

    def __init__(self, streams: Sequence[Stream], sources: Iterable[str]) -> None:
        super().__init__(streams, sources)
        if len(self.streams) < 2:
            raise TransformerError(f"{len(self.streams)} stream(s) to merge: give two or more")
        roots = [id(root) for stream in self.streams for root in _roots(stream)]
        if len(set(roots)) < len(roots):
            raise TransformerError("one stream is to be merged twice: make a second one over the same windows")
        for what, found in {
            "examples": [stream.scheme.examples for stream in self.streams],
            "examples in a mini-batch": [stream.scheme.batch_size for stream in self.streams],
            "ranks": [stream.world_size for stream in self.streams],
            "as their rank": [stream.rank for stream in self.streams],
        }.items():
            if len(set(found)) > 1:
                raise TransformerError(
                    f"the streams have {found} {what}: merge streams of the same number; "
                    "`stop` of Windows leaves examples out"
                )
        count = sum(len(stream.sources) for stream in self.streams)
        if len(self.sources) != count:
            raise TransformerError(f"sources {self.sources!r}: the streams have {count}; give as many names")

    @property
    def indices(self) -> npt.NDArray[np.int64]:
        """The examples given last: shape (batch, streams), a column for each stream."""
        return np.column_stack(self._of_each([stream.indices for stream in self.streams]))

    @property
    def resets(self) -> npt.NDArray[np.bool_]:
        """True where one of the streams does not continue the row: shape (batch,)."""
        resets: npt.NDArray[np.bool_] = np.any(self._of_each([stream.resets for stream in self.streams]), axis=0)
        return resets

    def transform_batch(self, batch: Batch) -> Batch:
        """Give the arrays of all streams."""
        rows = [len(array) for array in batch]
        if len(set(rows)) > 1:
            raise TransformerError(
                f"mini-batch {self.position} has {rows} rows in the sources {self.sources!r}: "
                "merge streams whose schemes cut mini-batches alike"
            )
        return batch

    def _of_each(self, arrays: list[npt.NDArray[Number]]) -> list[npt.NDArray[Number]]:
        if len({len(array) for array in arrays}) > 1:
            raise StateError("one of the merged streams was read on its own: read them through Merge only")
        return arrays


def _roots(stream: Stream) -> Iterator[Stream]:
    """Give the streams at the bottom of a chain."""
    if isinstance(stream, Transformer):
        for inner in stream.streams:
            yield from _roots(inner)
    else:
        yield stream
