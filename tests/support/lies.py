"""Streams of which each breaks one law, for the tests of the checkers."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from streams.transformers import Batch, Merge, Stream, Transformer


class Lie(Transformer):
    """Passes all on as it is; what derives from it breaks one law."""

    def __init__(self, stream: Stream) -> None:
        super().__init__((stream,), stream.sources)

    def transform_batch(self, batch: Batch) -> Batch:
        return batch


def changed(state: Mapping[str, Any], **numbers: int) -> dict[str, Any]:
    """Give the state of a lie with other numbers in it."""
    return {**state, "streams": [{**state["streams"][0], **numbers}]}


class LosesItsPosition(Lie):
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(changed(state, position=0))


class LosesItsEpoch(Lie):
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(changed(state, epoch=0))


class SkipsOneWhenRestored(Lie):
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(changed(state, position=min(state["streams"][0]["position"] + 1, len(self.scheme))))


class GoesOnInTheNextEpoch(Lie):
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(changed(state, epoch=state["streams"][0]["epoch"] + 1))


class RepeatsAnEpochThatEnded(Lie):
    def get_epoch_iterator(self, as_dict: bool = False) -> Iterator[Any]:
        if self.position == len(self.scheme) and self.indices.size == 0:
            return iter(())
        return super().get_epoch_iterator(as_dict)


class Forgetful(Lie):
    restored = False

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.restored = True


class ForgetsOneBit(Forgetful):
    def transform_batch(self, batch: Batch) -> Batch:
        if self.restored and self.position == len(self.scheme):
            batch[1][-1, -1, -1] = np.nextafter(batch[1][-1, -1, -1], np.float32(np.inf))
        return batch


class ForgetsToReset(Forgetful):
    @property
    def resets(self) -> Any:
        return super().resets & (not self.restored)


class StateThatJsonChanges(Lie):
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "indices": (1, 2)}


class WritesIntoWhatItGave(Lie):
    given: Batch = (np.empty(0),)

    def transform_batch(self, batch: Batch) -> Batch:
        self.given[0].flat[:1] = 0
        self.given = batch
        return batch


class DropsTheLast(Lie):
    def get_epoch_iterator(self, as_dict: bool = False) -> Iterator[Any]:
        for batch in super().get_epoch_iterator(as_dict):
            if self.position < len(self.scheme):
                yield batch


class GivesOneTwice(Lie):
    def get_epoch_iterator(self, as_dict: bool = False) -> Iterator[Any]:
        for batch in super().get_epoch_iterator(as_dict):
            yield batch
            if self.position == 2:
                yield batch


class LosesARow(Lie):
    def transform_batch(self, batch: Batch) -> Batch:
        return tuple(array[:-1] for array in batch)


class LosesASource(Lie):
    def transform_batch(self, batch: Batch) -> Batch:
        return batch[:1]


class SameFrameAsTarget(Lie):
    def transform_batch(self, batch: Batch) -> Batch:
        return batch[0], batch[0]


class CountsFromOne(Lie):
    @property
    def indices(self) -> Any:
        return super().indices + 1


class RowsInTheOtherOrder(Lie):
    def transform_batch(self, batch: Batch) -> Batch:
        return tuple(array[::-1] for array in batch)

    @property
    def indices(self) -> Any:
        return super().indices[::-1]


class MergesOneExampleTwice(Merge):
    @property
    def indices(self) -> Any:
        return np.maximum(super().indices, [0, 1])


class CutsElsewhere(Lie):
    """Two mini-batches of 3 and 1 rows of each one of 4."""

    part = slice(0)

    def get_epoch_iterator(self, as_dict: bool = False) -> Iterator[Any]:
        for batch in super().get_epoch_iterator(as_dict):
            for self.part in slice(0, 3), slice(3, 4):
                if len(self.indices):
                    yield tuple(array[self.part] for array in batch)

    @property
    def indices(self) -> Any:
        return super().indices[self.part]

    @property
    def resets(self) -> Any:
        return super().resets[self.part]

    @property
    def batch_examples(self) -> int:
        return len(self.indices)


class Sliced(Lie):
    """Takes the rows of a rank out of the mini-batches of a stream of one rank; by a rule that is right."""

    rank, world_size = 0, 1

    def __init__(self, stream: Stream, rank: int, world_size: int) -> None:
        super().__init__(stream)
        self.rank, self.world_size = rank, world_size

    def rows(self, examples: int) -> slice:
        return slice(self.rank * examples // self.world_size, (self.rank + 1) * examples // self.world_size)

    def transform_batch(self, batch: Batch) -> Batch:
        return tuple(array[self.rows(len(array))] for array in batch)

    @property
    def indices(self) -> Any:
        return super().indices[self.rows(self.batch_examples)]

    @property
    def resets(self) -> Any:
        return super().resets[self.rows(self.batch_examples)]


class EachLaneAtOneRank(Sliced):
    def rows(self, examples: int) -> slice:
        size = self.scheme.batch_size
        return slice(self.rank * size // self.world_size, (self.rank + 1) * size // self.world_size)


class EveryRankTheSameRows(Sliced):
    def rows(self, examples: int) -> slice:
        return slice(examples // self.world_size)


class AllRowsAtRankZero(Sliced):
    def rows(self, examples: int) -> slice:
        return slice(0 if self.rank else examples)


class RanksInTheOtherOrder(Sliced):
    def rows(self, examples: int) -> slice:
        other = self.world_size - 1 - self.rank
        return slice(other * examples // self.world_size, (other + 1) * examples // self.world_size)


class NothingWithoutRows(Sliced):
    def get_epoch_iterator(self, as_dict: bool = False) -> Iterator[Any]:
        return (batch for batch in super().get_epoch_iterator(as_dict) if len(batch[0]))


class RowsWithoutTheirShape(Sliced):
    def transform_batch(self, batch: Batch) -> Batch:
        return tuple(array if len(array) else np.empty((0, 1), np.float32) for array in super().transform_batch(batch))


class CountsItsOwnRowsOnly(Sliced):
    @property
    def indices(self) -> Any:
        return super(Sliced, self).indices[self.rows(super().batch_examples)]

    @property
    def resets(self) -> Any:
        return super(Sliced, self).resets[self.rows(super().batch_examples)]

    @property
    def batch_examples(self) -> int:
        return len(self.indices)


class StateOfItsRank(Sliced):
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "rank": self.rank}


class StateOfItsWorld(Sliced):
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "world_size": self.world_size}


class OtherNameAtRankOne(Sliced):
    def __init__(self, stream: Stream, rank: int, world_size: int) -> None:
        super().__init__(stream, rank, world_size)
        self.sources = ("inputs", "outputs") if rank == 1 else self.sources

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "transformer": "one for all"}


class LessExactInAWorld(Sliced):
    def transform_batch(self, batch: Batch) -> Batch:
        rows = super().transform_batch(batch)
        return rows if self.world_size == 1 else tuple(array + np.float32(1e-6) for array in rows)


class BeginsAgainInAWorld(Sliced):
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(changed(state, position=0) if self.world_size > 1 else state)
