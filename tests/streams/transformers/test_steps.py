"""Where a chain stands, whatever happens to its streams."""

import copy

import pytest
from transformed import FOUR, all_of, assert_same

from streams import (
    ArraySong,
    DamagedShardError,
    DataStream,
    SequentialScheme,
    Song,
    StateError,
)
from streams.lanes import LaneScheme
from streams.transformers import Batch, Cast, Mapping, Merge, Rename


def test_a_merge_of_which_one_state_is_refused_stands_where_it_stood(make, other) -> None:
    saved = Merge([make(), make(other)], FOUR)
    all_of(saved, 3)
    wrong = Merge([make(), make(other, stop=299)], FOUR)
    apart = copy.deepcopy(saved.state_dict())
    apart["streams"][1]["position"] = 2
    all_of(wrong, 1)
    before = wrong.state_dict()

    with pytest.raises(StateError, match=r"windows\.stop 300 and not 299"):
        wrong.load_state_dict(saved.state_dict())
    assert wrong.state_dict() == before
    with pytest.raises(StateError, match=r"stand at different places, .* \[\(0, 3\), \(0, 2\)\]"):
        saved.load_state_dict(apart)
    assert saved.position == 3


def test_a_merged_stream_that_was_read_on_its_own_is_noticed(make, other) -> None:
    left, right = make(), make(other)
    stream = Merge([left, right], FOUR)
    iterator = stream.get_epoch_iterator()
    next(iterator)
    state = stream.state_dict()
    all_of(right, 1)

    with pytest.raises(StateError, match="this iterator is of before"):
        next(iterator)
    assert (left.position, right.position) == (1, 2)
    with pytest.raises(StateError, match=r"different places, .* \[\(0, 1\), \(0, 2\)\]"):
        stream.get_epoch_iterator()
    stream.load_state_dict(state)
    left.load_state_dict(left.state_dict())
    assert len(all_of(stream)) == 3


def test_the_rows_of_a_merge_whose_stream_was_read_on_its_own_are_not_guessed(make, other) -> None:
    left, right = make(), make(other)
    stream = Merge([left, right], FOUR)
    all_of(stream, 1)
    right.load_state_dict(right.state_dict())

    for name in "indices", "resets":
        with pytest.raises(StateError, match="read on its own"):
            getattr(stream, name)


def test_a_row_of_a_merge_is_reset_where_one_of_its_streams_is(make, other) -> None:
    stream = Merge([make(scheme=LaneScheme), make(other, LaneScheme)], FOUR)
    resets = [stream.resets.tolist() for _ in stream.get_epoch_iterator()]
    assert resets == [[True] * 4, [False] * 4, [False] * 4, [False] * 2]

    stream = Merge([make(scheme=LaneScheme), make(other)], FOUR)
    assert [stream.resets.all() for _ in stream.get_epoch_iterator()] == [True] * 4


def test_a_mini_batch_that_could_not_be_made_counts_as_not_given(make) -> None:
    calls: list[int] = []

    def fails_once(batch: Batch) -> Batch:
        calls.append(len(batch))
        if len(calls) == 3:
            raise RuntimeError("once")
        return batch

    stream = Cast(Mapping(make(), fails_once), "float64")
    found: list[Batch] = []
    with pytest.raises(RuntimeError, match="once"):
        found += iter(stream.get_epoch_iterator())
    assert stream.position == 2
    for ours, truth in zip(all_of(stream), all_of(Cast(make(), "float64"))[2:], strict=True):
        assert_same(ours, truth)


def test_a_merge_does_not_go_on_alone_where_one_song_is_damaged(make, shards, samples) -> None:
    damaged = Song.open(shards)
    whole = ArraySong(samples, 16000)
    path = shards / "song-000001.tar"
    sound = path.read_bytes()
    data = bytearray(sound)
    data[damaged.index.shards[1].member(0).offset] ^= 1
    path.write_bytes(data)
    stream = Merge([make(whole, SequentialScheme), make(damaged, SequentialScheme)], FOUR)

    with pytest.raises(DamagedShardError, match="song-000001"):
        all_of(stream)
    given_before = stream.position
    assert [inner.position for inner in stream.streams] == [given_before] * 2
    path.write_bytes(sound)
    truth = all_of(make(whole, SequentialScheme))[given_before]
    assert_same(all_of(stream, 1)[0], truth + truth)


def test_what_a_stream_says_of_itself_passes_through(make) -> None:
    stream = make(rank=1, world_size=3)
    chain = Rename(Cast(stream, "float64"), {"inputs": "x"})
    all_of(chain, 2)

    for name in "scheme", "rank", "world_size", "epoch", "position", "batch_examples", "waited_seconds":
        assert getattr(chain, name) == getattr(stream, name)
    assert chain.indices.tolist() == stream.indices.tolist()
    assert chain.resets.tolist() == stream.resets.tolist()
    assert stream.position == 2


def test_a_merge_waits_for_both_and_closes_both(make, other, monkeypatch) -> None:
    left, right = make(), make(other)
    stream = Cast(Merge([left, right], FOUR), "float64")
    all_of(stream)
    assert stream.waited_seconds == left.waited_seconds + right.waited_seconds > 0

    closed: list[DataStream] = []
    monkeypatch.setattr(DataStream, "close", lambda self: closed.append(self))
    stream.close()
    assert closed == [left, right]
