import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.array_song import ArraySong
from streams.errors import SchemeError
from streams.schemes import Indices
from streams.shard_shuffle import ShardedExamples, ShardShuffledScheme
from streams.stream import DataStream
from streams.testing import check_exactly_once, check_resumes_anywhere
from streams.windows import Windows


def order(scheme: ShardShuffledScheme, epoch: int) -> list[int]:
    return np.concatenate([[], *scheme.mini_batches(epoch)]).astype(int).tolist()


def even(shards: int, each: int) -> ShardedExamples:
    """Shards of as many examples each, with a hop of 10 samples."""
    return ShardedExamples(shards * each, 10, 0, [10 * each * number for number in range(shards)])


@st.composite
def sharded(draw: st.DrawFn) -> ShardedExamples:
    starts = draw(st.lists(st.integers(1, 3000), max_size=12, unique=True))
    return ShardedExamples(
        examples=draw(st.integers(0, 400)),
        hop=draw(st.integers(1, 40)),
        start=draw(st.integers(0, 2000)),
        shard_starts=[0, *sorted(starts)],
    )


def shard_of(sharded: ShardedExamples, example: int) -> int:
    first = sharded.start + example * sharded.hop
    return max(number for number, start in enumerate(sharded.shard_starts) if start <= first)


@given(sharded=sharded())
def test_examples_belong_to_the_shard_that_they_begin_in(sharded) -> None:
    borders = sharded.borders().tolist()
    shards = [shard_of(sharded, example) for example in range(sharded.examples)]

    assert borders[0] == 0
    assert borders[-1] == sharded.examples
    assert borders[1:-1] == [at for at in range(1, sharded.examples) if shards[at] != shards[at - 1]]


@settings(deadline=None)
@given(
    sharded=sharded(),
    batch=st.integers(1, 130),
    seed=st.integers(0, 2**32 - 1),
    open_shards=st.integers(1, 15),
    epoch=st.integers(0, 9),
)
def test_each_example_once_a_group_of_shards_after_another(sharded, batch, seed, open_shards, epoch) -> None:
    scheme = ShardShuffledScheme(sharded, batch, seed, open_shards)
    batches = list(scheme.mini_batches(epoch))
    found = order(scheme, epoch)

    assert sorted(found) == list(range(sharded.examples))
    assert [len(one) for one in batches] == [min(batch, len(found) - at) for at in range(0, len(found), batch)]
    assert all(one.dtype == np.int64 for one in batches)
    # While a shard has examples left, no more than open_shards have begun and not ended.
    shards = [shard_of(sharded, example) for example in found]
    last = {shard: at for at, shard in enumerate(shards)}
    opened: set[int] = set()
    for at, shard in enumerate(shards):
        opened = {one for one in opened if last[one] >= at} | {shard}
        assert len(opened) <= open_shards


@settings(deadline=None)
@given(sharded=sharded(), batch=st.integers(1, 60), open_shards=st.integers(1, 9), first=st.integers(0, 9))
def test_it_begins_anywhere_in_any_order_of_asking(sharded, batch, open_shards, first) -> None:
    scheme = ShardShuffledScheme(sharded, batch, 3, open_shards)
    epochs = [4, 0, 5, 1, 4]
    fresh = [order(ShardShuffledScheme(sharded, batch, 3, open_shards), epoch) for epoch in epochs]

    assert [order(scheme, epoch) for epoch in epochs] == fresh
    for epoch, due in zip(epochs, fresh, strict=True):
        begun = np.concatenate([[], *scheme.mini_batches(epoch, first)]).tolist()
        assert begun == due[first * batch :]


def groups_of(scheme: ShardShuffledScheme, sharded: ShardedExamples, epoch: int) -> list[set[int]]:
    """Give the shards of each group, as the order shows them: those seen first, then the next, and so on."""
    seen = list(dict.fromkeys(shard_of(sharded, example) for example in order(scheme, epoch)))
    count = -(-len(seen) // scheme.open_shards)
    edges = [number * len(seen) // max(count, 1) for number in range(count + 1)]
    return [set(seen[begin:end]) for begin, end in pairwise(edges)]


@settings(deadline=None)
@given(sharded=sharded(), batch=st.integers(1, 60), open_shards=st.integers(1, 9), epoch=st.integers(0, 2))
def test_what_is_fetched_ahead_is_this_group_and_then_the_next(sharded, batch, open_shards, epoch) -> None:
    scheme = ShardShuffledScheme(sharded, batch, 3, open_shards)
    found = [*order(scheme, epoch), *order(scheme, epoch + 1)]
    groups = [*groups_of(scheme, sharded, epoch), *groups_of(scheme, sharded, epoch + 1)]

    for number in range(-1, len(scheme)):
        runs = scheme.ahead(epoch, number)
        if sharded.examples == 0:
            assert runs == []
            continue
        following = found[min((number + 1) * batch, sharded.examples)]
        # Where the epoch has ended, the group that follows is of the next one.
        ended = (number + 1) * batch >= sharded.examples
        here = next(
            at
            for at, group in enumerate(groups)
            if shard_of(sharded, following) in group and (not ended or at >= len(groups) // 2)
        )
        near = len(groups[here])
        assert {shard_of(sharded, first) for first, _ in runs[:near]} == groups[here]
        if here + 1 < len(groups):
            assert {shard_of(sharded, first) for first, _ in runs[near:]} == groups[here + 1]
        whole = {shard: (first, stop) for first, stop in runs for shard in [shard_of(sharded, first)]}
        assert all(pair in set(pairwise(sharded.borders().tolist())) for pair in whole.values())


def test_ahead_by_hand() -> None:
    scheme = ShardShuffledScheme(even(6, 10), batch_size=5, open_shards=2)
    groups = [sorted({example // 10 for example in order(scheme, 0)[at : at + 20]}) for at in range(0, 60, 20)]
    first_of_next_epoch = sorted({example // 10 for example in order(scheme, 1)[:20]})
    groups.append(first_of_next_epoch)

    assert sorted([*groups[0], *groups[1], *groups[2]]) == list(range(6))
    for number in range(-1, 12):
        shards = [(first // 10, stop - first) for first, stop in scheme.ahead(0, number)]
        assert {examples for _, examples in shards} == {10}
        group = (number + 1) * 5 // 20
        assert sorted(shard for shard, _ in shards[:2]) == groups[group]
        if group < 3:
            assert sorted(shard for shard, _ in shards[2:]) == groups[group + 1]
    assert scheme.ahead(0, 11) == scheme.ahead(1, -1)
    assert ShardShuffledScheme(ShardedExamples(0, 1)).ahead(0, -1) == []


def test_groups_are_as_equal_as_can_be() -> None:
    scheme = ShardShuffledScheme(even(9, 100), batch_size=100, open_shards=8)
    shards = [{example // 100 for example in batch.tolist()} for batch in scheme.mini_batches(0)]

    assert [len(found) for found in shards] == [4, 4, 4, 4, 5, 5, 5, 5, 5]
    assert set.union(*shards[:4]).isdisjoint(set.union(*shards[4:]))


def test_seeds_and_epochs_are_different_orders_of_shards_and_examples() -> None:
    sharded = even(20, 50)
    orders = [order(ShardShuffledScheme(sharded, seed=seed), epoch) for seed in (1, 2) for epoch in (0, 1)]

    assert len({tuple(found) for found in orders}) == 4
    assert len({tuple(dict.fromkeys(at // 50 for at in found)) for found in orders}) == 4
    # And within a group that holds the same shards in each epoch.
    alone = ShardShuffledScheme(even(1, 50))
    assert order(alone, 0) != order(alone, 1) != order(ShardShuffledScheme(even(1, 50), seed=2), 1)


@pytest.mark.parametrize("open_shards", [1, 8, 10**6])
def test_so_many_examples_begin_at_once(open_shards) -> None:
    sharded = ShardedExamples(10**12 + 3, 1, 5, [number * 2**25 for number in range(29_803)])
    scheme = ShardShuffledScheme(sharded, open_shards=open_shards)
    middle = next(scheme.mini_batches(7, 10**9)).tolist()

    assert len(set(middle)) == 128
    assert len({(5 + example) >> 25 for example in middle}) <= open_shards
    assert len(next(scheme.mini_batches(7, len(scheme) - 1))) == 3


def test_the_shards_are_those_of_the_song(make_song, make_samples) -> None:
    song = make_song(make_samples(1000))
    windows = Windows(song, frame=5, seq=4, hop=7, start=30)
    starts = [shard.start for shard in song.index.shards]
    ours = ShardedExamples.of(windows)

    assert starts == [0, 150, 300, 450, 600, 750, 900]
    assert list(ours.shard_starts) == starts
    assert (ours.examples, ours.hop, ours.start) == (len(windows), 7, 30)
    scheme = ShardShuffledScheme(windows, 10, open_shards=2)
    assert scheme.examples == len(windows)
    assert order(scheme, 0) == order(ShardShuffledScheme(ours, 10, open_shards=2), 0)
    in_memory = ShardedExamples.of(Windows(ArraySong(make_samples(1000), 16000), frame=5, seq=4))
    assert list(in_memory.shard_starts) == [0]


def test_identities_tell_orders_apart() -> None:
    def identity(sharded: ShardedExamples, **changes: int) -> str:
        return json.dumps(ShardShuffledScheme(sharded, **changes).identity)

    plain = even(4, 25)
    others = [
        identity(plain),
        identity(plain, seed=2),
        identity(plain, batch_size=64),
        identity(plain, open_shards=3),
        identity(even(5, 20)),
        identity(even(4, 26)),
    ]
    assert len(set(others)) == len(others)
    # What has the same examples in each shard has the same order, and says so; many shards take no more room.
    assert identity(ShardedExamples(100, 20, 3, [0, 500, 1000, 1500])) == identity(plain)
    assert identity(ShardedExamples(100, 10, 0, [0, 245, 250, 500, 750, 5000])) == identity(plain)
    assert len(identity(even(5000, 2))) < 250


def test_mini_batches_of_a_song_that_drifts_are_as_far_apart_as_the_docstring_says() -> None:
    def variance(open_shards: int) -> float:
        scheme = ShardShuffledScheme(even(64, 512), batch_size=128, open_shards=open_shards)
        means = [batch.mean() for epoch in range(12) for batch in scheme.mini_batches(epoch)]
        return float(np.var(means))

    uniform = (64 * 512) ** 2 / 12 / 128
    for open_shards in (2, 8, 32, 64):
        due = 1 + 127 / open_shards * (64 - open_shards) / 63
        assert variance(open_shards) / uniform == pytest.approx(due, rel=0.15)


def test_pairs_meet_as_often_as_the_docstring_says() -> None:
    """Two of one shard, and two of different ones, over epochs; shards of 32 examples, 16 of them, 4 open."""
    scheme = ShardShuffledScheme(even(16, 32), batch_size=16, open_shards=4)
    same = different = 0
    epochs = 150
    for epoch in range(epochs):
        for batch in scheme.mini_batches(epoch):
            counts = np.bincount(batch // 32, minlength=16)
            alike = int((counts * (counts - 1) // 2).sum())
            same += alike
            different += 16 * 15 // 2 - alike
    uniform = epochs * 15 / 511
    assert same / (16 * (32 * 31 // 2)) / uniform == pytest.approx(16 / 4, rel=0.02)
    assert different / (16 * 15 // 2 * 32 * 32) / uniform == pytest.approx(3 / 15 * 16 / 4, rel=0.02)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"examples": -1}, "examples is -1"),
        ({"hop": 0}, "hop is 0"),
        ({"hop": 2**62 + 1}, "hop is 4611686018427387905"),
        ({"start": 1.5}, "start is 1.5"),
        ({"shard_starts": []}, "there are no shards"),
        ({"shard_starts": [5]}, "start of shard 0 is 5"),
        ({"shard_starts": [0, 9, 9]}, "start of shard 2 is 9: give a whole number, from 10"),
        ({"shard_starts": [0, None]}, "start of shard 1 is None"),
        ({"shard_starts": 7}, "shard_starts is 7"),
    ],
)
def test_shards_that_cannot_be_are_refused(changes, message) -> None:
    with pytest.raises(SchemeError, match=message):
        ShardedExamples(**{"examples": 10, "hop": 2, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**32}, "seed is 4294967296"),
        ({"open_shards": 0}, "open_shards is 0"),
        ({"windows": 100}, "examples are 100: give Windows"),
    ],
)
def test_numbers_that_cannot_be_are_refused(changes, message) -> None:
    with pytest.raises(SchemeError, match=message):
        ShardShuffledScheme(**{"windows": even(3, 4), **changes})
    with pytest.raises(SchemeError, match="epoch is -1"):
        ShardShuffledScheme(even(3, 4)).mini_batches(-1)


def test_a_stream_resumes_anywhere(make_song, make_samples) -> None:
    song = make_song(make_samples(1000))
    windows = Windows(song, frame=10, seq=6)

    def make() -> DataStream:
        return DataStream(windows, ShardShuffledScheme(windows, 3, open_shards=2))

    check_exactly_once(make())
    check_resumes_anywhere(make, epochs=2)


def test_mini_batches_may_be_kept_and_changed() -> None:
    scheme = ShardShuffledScheme(even(4, 25), batch_size=10)
    due = order(scheme, 0)
    held: list[Indices] = []
    for batch in scheme.mini_batches(0):
        held.append(batch.copy())
        batch[:] = 0

    assert np.concatenate(held).tolist() == due == order(scheme, 0)
