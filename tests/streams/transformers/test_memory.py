"""Whose memory a transformed mini-batch is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformed import all_of, assert_same, doubled_in_place

from streams import (
    ArraySong,
    DataStream,
    ShuffledScheme,
    Windows,
)
from streams.transformers import Cast, Mapping, Rename, ScaleAndShift, SourcewiseTransformer


@pytest.mark.parametrize(
    "wrap",
    [
        lambda stream: ScaleAndShift(stream, 2, 0),
        lambda stream: Cast(stream, "float64"),
        lambda stream: Cast(stream, "float32"),
        lambda stream: Rename(stream, {"inputs": "x"}),
        lambda stream: Mapping(stream, tuple, name="same"),
        lambda stream: Cast(ScaleAndShift(stream, 2, 0), "float64"),
    ],
)
@pytest.mark.parametrize("rank", [0, 1])
def test_inputs_and_targets_stay_views_of_one_buffer(make, wrap, rank: int) -> None:
    for inputs, targets in wrap(make(rank=rank, world_size=8)).get_epoch_iterator():
        rows = len(inputs)
        if rows:
            assert np.shares_memory(inputs[:, 1:], targets[:, :-1])
            inputs[:, 1] = 7
            assert (targets[:, 0] == 7).all()


def test_a_mapping_cannot_write_into_what_inputs_and_targets_share(make) -> None:
    stream = Mapping(make(), doubled_in_place)

    with pytest.raises(ValueError, match="read-only"):
        all_of(stream)
    assert stream.position == 0


def test_what_a_mapping_gives_belongs_to_the_consumer(make) -> None:
    stream = Mapping(make(), lambda batch: (batch[0][:, ::-1], batch[1]), name="backwards")

    for ours, truth in zip(all_of(stream), all_of(make()), strict=True):
        assert_same(ours, (truth[0][:, ::-1], truth[1]))
        for array in ours:
            array *= 2


@settings(max_examples=200, deadline=None)
@given(
    rows=st.integers(0, 3),
    seq=st.integers(0, 3),
    frame=st.integers(0, 3),
    later=st.integers(0, 2),
    fewer=st.integers(0, 2),
    wider=st.booleans(),
)
def test_only_the_frames_of_the_two_are_read(make_samples, rows, seq, frame, later, fewer, wider) -> None:
    class Seen(SourcewiseTransformer):
        def transform_source_batch(self, source_batch: np.ndarray) -> np.ndarray:
            assert np.may_share_memory(source_batch, buffer) or source_batch.size == 0
            assert source_batch.size <= buffer[:, : seq + later].size
            return source_batch + 1

    buffer = np.arange(rows * (seq + 2) * (frame + 1), dtype=np.float32).reshape(rows, seq + 2, frame + 1)
    inputs = buffer[:, :seq, :frame]
    targets = buffer[: rows - fewer if fewer < rows else rows, later : later + seq, : frame + wider]
    stream = Seen(DataStream(Windows(ArraySong(make_samples(30), 1), 5, 4), ShuffledScheme(1)))

    assert_same(stream.transform_batch((inputs, targets)), (inputs + 1, targets + 1))
