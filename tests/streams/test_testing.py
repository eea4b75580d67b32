"""The checkers notice what is broken, and every scheme passes them; transformers do in tests/streams/transformers."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from lies import (
    AllRowsAtRankZero,
    BeginsAgainInAWorld,
    CountsFromOne,
    CountsItsOwnRowsOnly,
    CutsElsewhere,
    DropsTheLast,
    EachLaneAtOneRank,
    EveryRankTheSameRows,
    ForgetsOneBit,
    ForgetsToReset,
    GivesOneTwice,
    GoesOnInTheNextEpoch,
    LessExactInAWorld,
    Lie,
    LosesARow,
    LosesASource,
    LosesItsEpoch,
    LosesItsPosition,
    MergesOneExampleTwice,
    NothingWithoutRows,
    OtherNameAtRankOne,
    RanksInTheOtherOrder,
    RepeatsAnEpochThatEnded,
    RowsInTheOtherOrder,
    RowsWithoutTheirShape,
    SameFrameAsTarget,
    SkipsOneWhenRestored,
    Sliced,
    StateOfItsRank,
    StateOfItsWorld,
    StateThatJsonChanges,
    WritesIntoWhatItGave,
)

from streams import ArraySong, DataStream, SequentialScheme, ShuffledScheme, Windows
from streams.lanes import LaneScheme
from streams.shard_shuffle import ShardedExamples, ShardShuffledScheme
from streams.testing import check_exactly_once, check_moves, check_ranks, check_resumes_anywhere, check_workers
from streams.transformers import Merge, Stream

Make = Callable[..., Stream]


@pytest.fixture
def windows(samples: np.ndarray) -> Windows:
    """Give 14 examples: in mini-batches of 4, those are 4, 4, 4, 2."""
    return Windows(ArraySong(samples[:300], 16000), frame=5, seq=4)


@pytest.fixture
def make(windows: Windows) -> Make:
    """Give a maker of a stream of one rank, and of a lie around it."""

    def stream(lie: Callable[..., Stream] | None = None, *place: int, scheme: type = ShuffledScheme) -> Stream:
        truth = DataStream(windows, scheme(len(windows), 4), rank=0, world_size=1)
        return truth if lie is None else lie(truth, *place)

    return stream


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (LosesItsPosition, "restored after mini-batch 1 of epoch 0: mini-batch 1 of epoch 0 is another one"),
        (LosesItsEpoch, "restored after mini-batch 1 of epoch 1: mini-batch 1 of epoch 1 is another one"),
        (SkipsOneWhenRestored, "restored after mini-batch 0 of epoch 0: mini-batch 0 of epoch 0 is another one"),
        (RepeatsAnEpochThatEnded, "restored after mini-batch 4 of epoch 0: epoch 1 had 0 mini-batches left, not 4"),
        (ForgetsOneBit, "restored after mini-batch 0 of epoch 0: mini-batch 3 of epoch 0 is another one"),
        (ForgetsToReset, "restored after mini-batch 0 of epoch 0: mini-batch 0 of epoch 0 is another one"),
        (GoesOnInTheNextEpoch, "restored after mini-batch 0 of epoch 0: mini-batch 0 of epoch 0 is another one"),
        (StateThatJsonChanges, "the state is changed by JSON"),
        (WritesIntoWhatItGave, "mini-batch 0 was changed after it was given"),
        (GivesOneTwice, "of 14 examples, twice"),
    ],
)
def test_a_stream_that_does_not_resume_is_noticed(make: Make, lie: type[Lie], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_resumes_anywhere(lambda: make(lie), epochs=3)


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (DropsTheLast, r"of 14 examples, twice: \[\], never: \[\d+, \d+\], not of this stream: \[\]"),
        (GivesOneTwice, r"of 14 examples, twice: \[\d+, \d+, \d+, \d+\], never: \[\]"),
        (LosesARow, "mini-batch 0, rank 0 of 1: 3 rows of inputs for 4 examples"),
        (LosesASource, r"1 arrays for the sources \('inputs', 'targets'\)"),
        (SameFrameAsTarget, "mini-batch 0: the targets are not the inputs one frame later"),
        (CutsElsewhere, r"mini-batches of \[3, 1, 3, 1, 3, 1, 2\] examples where \[4, 4, 4, 2\] are due"),
        (CountsFromOne, r"never: \[0\], not of this stream: \[14\]"),
        (RowsInTheOtherOrder, "mini-batch 0 is not that of the scheme"),
    ],
)
def test_a_stream_that_loses_or_repeats_is_noticed(make: Make, lie: type[Lie], words: str) -> None:
    check_exactly_once(make(Lie))

    with pytest.raises(AssertionError, match=words):
        check_exactly_once(make(lie))


def test_targets_of_another_kind_pass_where_that_is_said(make: Make) -> None:
    check_exactly_once(make(SameFrameAsTarget), targets_follow=False)


def test_each_stream_of_a_merge_is_looked_at(make: Make) -> None:
    names = ("a", "b", "c", "d")
    check_exactly_once(Merge([make(), make()], names))

    with pytest.raises(AssertionError, match=r"of 14 examples, twice: \[1\], never: \[0\]"):
        check_exactly_once(MergesOneExampleTwice([make(), make()], names))


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (NothingWithoutRows, r"ranks \[0\] of 3 have no mini-batch 3, which others have"),
        (
            RowsWithoutTheirShape,
            r"mini-batch 3, rank 1 of 3: inputs is float32 \(4, 5\) where rank 0 has float32 \(1,\)",
        ),
        (CountsItsOwnRowsOnly, r"mini-batch 0: batch_examples is \[1, 2\] where the ranks have \[1, 1, 2\] rows"),
        (StateOfItsRank, "ranks have different states"),
        (StateOfItsWorld, "3 ranks against 1: another state after mini-batch 0 of epoch 0"),
        (OtherNameAtRankOne, r"rank 1 of 3: the sources are \('inputs', 'outputs'\) where rank 0 has"),
        (LessExactInAWorld, "3 ranks against 1: mini-batch 0 of epoch 0 is another one"),
        (EveryRankTheSameRows, r"batch_examples is \[4\] where the ranks have \[1, 1, 1\] rows"),
        (AllRowsAtRankZero, r"mini-batch 0: the ranks have \[4, 0, 0\] rows, which is no even split"),
        (RanksInTheOtherOrder, "3 ranks against 1: mini-batch 0 of epoch 0 is another one"),
    ],
)
def test_ranks_that_do_not_share_rightly_are_noticed(make: Make, lie: type[Sliced], words: str) -> None:
    check_ranks(partial(make, Sliced), [1, 2, 3, 5])

    with pytest.raises(AssertionError, match=words):
        check_ranks(partial(make, lie), [1, 3])


def test_lanes_that_change_their_rank_are_noticed(make: Make) -> None:
    check_ranks(partial(make, EachLaneAtOneRank, scheme=LaneScheme), [1, 2, 3, 5], epochs=2)

    with pytest.raises(
        AssertionError, match="mini-batch 3, rank 1 of 2: a row does not continue that of the one before"
    ):
        check_ranks(partial(make, Sliced, scheme=LaneScheme), [2])


def test_a_number_of_threads_that_changes_something_is_noticed(make: Make) -> None:
    check_workers(lambda threads: make(), [1, 2, 3])

    with pytest.raises(AssertionError, match="2 threads against 1: mini-batch 0 of epoch 0 is another one"):
        check_workers(lambda threads: make(RowsInTheOtherOrder if threads > 1 else Lie), [1, 2])
    with pytest.raises(AssertionError, match="3 threads against 1: another state after mini-batch 0 of epoch 0"):
        check_workers(lambda threads: make(Lie if threads == 3 else None), [1, 3])


def test_a_state_that_does_not_move_is_noticed(make: Make) -> None:
    worlds = [(1, 1), (3, 2), (2, 1)]
    check_moves(lambda rank, world_size, threads: make(Sliced, rank, world_size), worlds, epochs=2)
    check_ranks(partial(make, BeginsAgainInAWorld), [3])

    with pytest.raises(
        AssertionError, match=r"saved with \(1, 1\) \(ranks, threads\), restored with \(3, 2\) after mini-batch 1 of"
    ):
        check_moves(lambda rank, world_size, threads: make(BeginsAgainInAWorld, rank, world_size), worlds)


def test_a_whole_epoch_is_looked_at_wherever_the_stream_stands(make: Make) -> None:
    stream = make()
    next(stream.get_epoch_iterator())
    check_exactly_once(stream)

    assert (stream.epoch, stream.position) == (1, 4)


def test_a_stream_without_mini_batches_proves_nothing(samples: np.ndarray) -> None:
    windows = Windows(ArraySong(samples[:10], 16000), frame=5, seq=4)

    def make(*_: int) -> Stream:
        return DataStream(windows, ShuffledScheme(0), rank=0, world_size=1)

    for check in (
        lambda: check_resumes_anywhere(make, epochs=2),
        lambda: check_ranks(make, [2]),
        lambda: check_workers(make, [1, 2]),
        lambda: check_moves(make, [(1, 1), (2, 1)]),
    ):
        with pytest.raises(AssertionError, match="nothing to check"):
            check()


@pytest.mark.parametrize("scheme", [SequentialScheme, ShuffledScheme, LaneScheme, ShardShuffledScheme])
@pytest.mark.parametrize("batch", [1, 4, 13, 14, 15])
def test_a_stream_in_any_order_passes(windows: Windows, scheme: type, batch: int) -> None:
    examples = ShardedExamples(14, 20, 0, (0, 60, 200)) if scheme is ShardShuffledScheme else 14

    def make(rank: int = 0, world_size: int = 1, threads: int = 0) -> Stream:
        order = scheme(examples, batch)
        ranks = {"rank": rank, "world_size": world_size}
        return DataStream(windows, order, **ranks, prefetch=2 * threads, threads=max(1, threads))

    check_exactly_once(make())
    check_resumes_anywhere(make, epochs=2)
    check_ranks(make, [1, 2, 3, 5], epochs=2)
    check_workers(lambda threads: make(threads=threads), [0, 1, 3], epochs=2)
    check_moves(make, [(1, 0), (2, 2), (3, 1)])
