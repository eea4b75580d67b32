"""The checkers notice what is broken; that a sound stream passes is shown in test_stream.py."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from streams import ArraySong, DataStream, ShuffledScheme, Windows
from streams.stream import Batch
from streams.testing import check_exactly_once, check_resumes_anywhere


class LosesItsPosition(DataStream):
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict({**state, "position": 0})


class LosesItsEpoch(DataStream):
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict({**state, "epoch": 0})


class SkipsOneWhenRestored(DataStream):
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict({**state, "position": min(state["position"] + 1, len(self.scheme))})


class RepeatsAnEpochThatEnded(DataStream):
    def get_epoch_iterator(self) -> Iterator[Batch]:
        if self.position == len(self.scheme) and self.indices.size == 0:
            return iter(())
        return super().get_epoch_iterator()


class ForgetsOneBit(DataStream):
    restored = False

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.restored = True

    def get_epoch_iterator(self) -> Iterator[Batch]:
        for inputs, targets in super().get_epoch_iterator():
            if self.restored and self.position == len(self.scheme):
                targets[-1, -1, -1] = np.nextafter(targets[-1, -1, -1], np.float32(np.inf))
            yield inputs, targets


class GoesOnInTheNextEpoch(DataStream):
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.epoch += 1


class StateThatJsonChanges(DataStream):
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "indices": (1, 2)}


class DropsTheLast(DataStream):
    def get_epoch_iterator(self) -> Iterator[Batch]:
        for batch in super().get_epoch_iterator():
            if self.position < len(self.scheme):
                yield batch


class GivesOneTwice(DataStream):
    def get_epoch_iterator(self) -> Iterator[Batch]:
        for batch in super().get_epoch_iterator():
            yield batch
            if self.position == 2:
                yield batch


class LosesARow(DataStream):
    def get_epoch_iterator(self) -> Iterator[Batch]:
        for inputs, targets in super().get_epoch_iterator():
            yield inputs[:-1], targets[:-1]


class SameFrameAsTarget(DataStream):
    def get_epoch_iterator(self) -> Iterator[Batch]:
        for inputs, _ in super().get_epoch_iterator():
            yield inputs, inputs


class CutsElsewhere(DataStream):
    def get_epoch_iterator(self) -> Iterator[Batch]:
        order = self.scheme.epoch(0)
        for self.indices in np.split(order, [3, 9]):
            yield self.windows.read(self.indices)


class CountsFromOne(DataStream):
    def get_epoch_iterator(self) -> Iterator[Batch]:
        for batch in super().get_epoch_iterator():
            self.indices = self.indices + 1
            yield batch


def make(kind: type[DataStream], samples: np.ndarray) -> DataStream:
    windows = Windows(ArraySong(samples[:300], 16000), frame=5, seq=4)
    return kind(windows, ShuffledScheme(len(windows), batch_size=4))


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (LosesItsPosition, "restored after mini-batch 1 of epoch 0: mini-batch 1 of epoch 0 is another one"),
        (LosesItsEpoch, "restored after mini-batch 1 of epoch 1: mini-batch 1 of epoch 1 is another one"),
        (SkipsOneWhenRestored, "restored after mini-batch 0 of epoch 0: mini-batch 0 of epoch 0 is another one"),
        (RepeatsAnEpochThatEnded, "restored after mini-batch 4 of epoch 0: epoch 1 had 0 mini-batches left, not 4"),
        (ForgetsOneBit, "restored after mini-batch 0 of epoch 0: mini-batch 3 of epoch 0 is another one"),
        (GoesOnInTheNextEpoch, "restored after mini-batch 0 of epoch 0: mini-batch 0 of epoch 0 is another one"),
        (StateThatJsonChanges, "the state is changed by JSON"),
    ],
)
def test_a_stream_that_does_not_resume_is_noticed(samples, broken, words) -> None:
    with pytest.raises(AssertionError, match=words):
        check_resumes_anywhere(lambda: make(broken, samples), epochs=3)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (DropsTheLast, r"of 14 examples, twice: \[\], never: \[\d+, \d+\], not of this stream: \[\]"),
        (GivesOneTwice, r"of 14 examples, twice: \[\d+, \d+, \d+, \d+\], never: \[\]"),
        (LosesARow, "mini-batch 0 has 3 inputs and 3 targets of 4 examples"),
        (SameFrameAsTarget, "mini-batch 0: the targets are not the inputs one frame later"),
        (CutsElsewhere, r"mini-batches of \[3, 6, 5\] examples where \[4, 4, 4, 2\] are due"),
        (CountsFromOne, r"never: \[0\], not of this stream: \[14\]"),
    ],
)
def test_a_stream_that_loses_or_repeats_is_noticed(samples, broken, words) -> None:
    with pytest.raises(AssertionError, match=words):
        check_exactly_once(make(broken, samples))


def test_a_whole_epoch_is_looked_at_wherever_the_stream_stands(samples) -> None:
    stream = make(DataStream, samples)
    next(stream.get_epoch_iterator())
    check_exactly_once(stream)

    assert (stream.epoch, stream.position) == (1, 4)


def test_a_stream_without_mini_batches_proves_nothing(samples) -> None:
    windows = Windows(ArraySong(samples[:10], 16000), frame=5, seq=4)

    with pytest.raises(AssertionError, match="nothing to check"):
        check_resumes_anywhere(lambda: DataStream(windows, ShuffledScheme(0)), epochs=2)
