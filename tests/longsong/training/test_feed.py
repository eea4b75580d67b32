"""From a stream to tensors: the same bits on every route, and the same state."""

from __future__ import annotations

import itertools
import json
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_song import tune, write_shards

from longsong.training import feed
from longsong.training.feed import StreamDataset, torch_batches
from streams import ArraySong, DataStream, Mapping, ScaleAndShift, ShuffledScheme, Song, Windows

BUDGET = 1 << 30
ROUTES = ["shared", "resident", "samples"]


def stream_of(song, *, hop=None, start=0, batch=4, **options) -> DataStream:
    windows = Windows(song, 8, 5, hop, start)
    return DataStream(windows, ShuffledScheme(len(windows), batch), **options)


@pytest.fixture(scope="module")
def song() -> ArraySong:
    return ArraySong(tune(900), 16_000)


def batches_by(route: str, stream: DataStream, dtype: torch.dtype = torch.float32):
    batches = torch_batches(stream, "cpu", dtype, resident_bytes=BUDGET if route == "resident" else 0)
    if route == "samples":  # what other accelerators than CUDA take
        batches.route = "samples"
    assert batches.route == route
    return batches


@settings(max_examples=25, deadline=None)
@given(
    hop=st.integers(1, 90),
    start=st.integers(0, 300),
    batch=st.integers(1, 9),
    prefetch=st.integers(0, 3),
    route=st.sampled_from(ROUTES),
)
def test_every_route_gives_the_numbers_of_the_stream(song, hop, start, batch, prefetch, route):
    plain = stream_of(song, hop=hop, start=start, batch=batch)
    stream = stream_of(song, hop=hop, start=start, batch=batch, prefetch=prefetch)
    batches = batches_by(route, stream)
    for _ in range(2):
        count = 0
        for ours, theirs in zip(batches, plain.get_epoch_iterator(), strict=True):
            for tensor, array in zip(ours, theirs, strict=True):
                assert tensor.dtype == torch.float32
                np.testing.assert_array_equal(tensor.numpy().view(np.int32), array.view(np.int32))
            np.testing.assert_array_equal(stream.indices, plain.indices)
            count += 1
        assert count == len(plain.scheme)


@pytest.mark.parametrize("route", ROUTES)
def test_inputs_and_targets_are_views_of_one_tensor_of_the_type_asked_for(song, route):
    for inputs, targets in batches_by(route, stream_of(song), torch.float64):
        assert inputs.dtype == targets.dtype == torch.float64
        assert inputs.untyped_storage().data_ptr() == targets.untyped_storage().data_ptr()
        np.testing.assert_array_equal(inputs[:, 1:], targets[:, :-1])


@pytest.mark.parametrize("route", ROUTES)
def test_a_mini_batch_stays_what_it_is_for_as_long_as_it_is_held(song, route):
    held = list(batches_by(route, stream_of(song, prefetch=2)))
    for (inputs, targets), theirs in zip(held, stream_of(song).get_epoch_iterator(), strict=True):
        np.testing.assert_array_equal(inputs, theirs[0])
        np.testing.assert_array_equal(targets, theirs[1])


@pytest.mark.parametrize("route", ROUTES)
def test_the_state_is_that_of_what_was_given_whatever_travelled_ahead(song, route):
    stream = stream_of(song, prefetch=3)
    iterator = iter(batches_by(route, stream))
    for _ in range(3):
        next(iterator)
    state = json.loads(json.dumps(stream.state_dict()))
    assert state["position"] == 3
    again = stream_of(song)
    again.load_state_dict(state)
    rest = [inputs.clone() for inputs, _ in iterator]
    for ours, (theirs, _) in zip(batches_by(route, again), rest_pairs(rest), strict=True):
        np.testing.assert_array_equal(ours[0], theirs)


def rest_pairs(rest):
    return [(inputs, None) for inputs in rest]


def test_on_the_cpu_nothing_is_copied_and_memory_begins_at_a_line_of_the_cache(song):
    """The last bits of a matrix product may depend on where its operands begin: alike in every process."""
    stream = stream_of(song)
    for inputs, _ in torch_batches(stream):
        assert inputs.data_ptr() % 64 == 0


def test_resident_samples_are_two_bytes_each_and_only_those_of_the_split(song, monkeypatch):
    sizes = []
    empty = torch.empty
    monkeypatch.setattr(
        torch, "empty", lambda *shape, **how: sizes.append((shape, how["dtype"])) or empty(*shape, **how)
    )
    stream = stream_of(song, start=500)
    torch_batches(stream, "cpu", resident_bytes=2 * 400)
    first, stop = stream.windows.samples_of(0, len(stream.windows))
    assert sizes == [((stop - first,), torch.int16)]
    assert torch_batches(stream, "cpu", resident_bytes=2 * (stop - first) - 1).route == "shared"


def test_a_stream_without_examples_gives_none(song):
    stream = stream_of(song, start=899)
    assert [list(batches_by(route, stream)) for route in ("shared", "samples")] == [[], []]
    assert list(torch_batches(stream, resident_bytes=BUDGET)) == []


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("feed") / "song", tune(900))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_gives_the_mini_batches_of_the_stream_in_its_order(shards, workers):
    dataset = StreamDataset(stream_of(Song.open(shards)))
    # Started anew, and not forked: torch's threads may run already.
    context = "spawn" if workers else None
    loader = torch.utils.data.DataLoader(dataset, None, num_workers=workers, multiprocessing_context=context)
    plain = stream_of(Song.open(shards))
    assert len(loader) == len(plain.scheme)
    for epoch in range(2):
        dataset.set_epoch(epoch)
        for (inputs, targets), theirs in zip(loader, plain.get_epoch_iterator(), strict=True):
            np.testing.assert_array_equal(inputs, theirs[0])
            np.testing.assert_array_equal(targets, theirs[1])
        if workers:
            break  # a start of two interpreters is enough


def test_workers_that_live_on_begin_each_epoch_where_it_is_said(shards, monkeypatch):
    """Also after an epoch that was left in the middle."""
    dataset = StreamDataset(stream_of(Song.open(shards)))
    workers = [pickle.loads(pickle.dumps(dataset)) for _ in range(2)]
    for worker in workers:  # as the memory that processes share
        worker._begin = dataset._begin
    plain = stream_of(Song.open(shards))
    due = {epoch: list(plain.scheme.mini_batches(epoch)) for epoch in range(2)}
    for epoch, most in ((0, 2), (1, 99), (0, 99)):
        dataset.set_epoch(epoch)
        for number, worker in enumerate(workers):
            info = SimpleNamespace(num_workers=2, id=number)
            monkeypatch.setattr(feed, "get_worker_info", lambda info=info: info)
            given = [inputs for inputs, _ in itertools.islice(worker, most)]
            for inputs, indices in zip(given, due[epoch][number::2], strict=False):
                np.testing.assert_array_equal(inputs, plain.windows.read(indices)[0])
            assert len(given) == min(most, len(due[epoch][number::2]))


def test_a_stream_goes_to_another_process_without_its_iterators_and_memory(shards):
    stream = stream_of(Song.open(shards), prefetch=2)
    iterator = stream.get_epoch_iterator()
    next(iterator)
    sent = pickle.dumps(stream)
    again = pickle.loads(sent)
    assert len(sent) < 10_000
    for ours, theirs in zip(again.get_epoch_iterator(), iterator, strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])


def test_what_a_transformer_gives_travels_as_it_is(song):
    plain = stream_of(song)
    louder = ScaleAndShift(stream_of(song), 2.0, 0.5)
    levels = Mapping(stream_of(song), lambda batch: (np.abs(batch[0]).max(axis=(1, 2)),), ("level",), name="level")
    for pair, (inputs, targets), three in zip(
        plain.get_epoch_iterator(), torch_batches(louder), torch_batches(levels), strict=True
    ):
        np.testing.assert_array_equal(inputs, pair[0] * np.float32(2) + np.float32(0.5))
        np.testing.assert_array_equal(targets, pair[1] * np.float32(2) + np.float32(0.5))
        assert [tensor.shape for tensor in three] == [pair[0].shape, pair[1].shape, (len(pair[0]),)]
    assert torch_batches(louder).route == "numbers"
