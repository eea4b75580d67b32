import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.array_song import ArraySong
from streams.errors import SchemeError
from streams.lanes import LaneScheme
from streams.stream import DataStream
from streams.testing import check_exactly_once, check_resumes_anywhere
from streams.windows import Windows

SIZES = {"examples": st.integers(0, 400), "batch": st.integers(1, 130)}


@given(**SIZES, epoch=st.integers(0, 3))
def test_each_row_goes_on_and_each_example_comes_once(examples, batch, epoch) -> None:
    scheme = LaneScheme(examples, batch)
    batches = list(scheme.mini_batches(epoch))

    assert sorted(np.concatenate([[], *batches]).tolist()) == list(range(examples))
    assert [len(found) for found in batches] == [min(batch, examples - at) for at in range(0, examples, batch)]
    assert [len(found) for found in batches] == [scheme.rows(number) for number in range(len(scheme))]
    for number, found in enumerate(batches):
        resets = scheme.resets(epoch, number)
        assert resets.dtype == np.bool_
        assert resets.shape == found.shape
        assert resets.tolist() == [number == 0] * len(found)
        if number > 0:
            assert found.tolist() == (batches[number - 1][: len(found)] + 1).tolist()


@given(**SIZES, first=st.integers(0, 6))
def test_it_begins_anywhere_with_what_is_due(examples, batch, first) -> None:
    scheme = LaneScheme(examples, batch)

    assert [found.tolist() for found in scheme.mini_batches(1, first)] == [
        found.tolist() for found in list(scheme.mini_batches(0))[first:]
    ]


def test_lanes_by_hand() -> None:
    assert [batch.tolist() for batch in LaneScheme(11, 4).mini_batches(0)] == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8]]
    assert [batch.tolist() for batch in LaneScheme(3, 4).mini_batches(0)] == [[0, 1, 2]]


@given(**SIZES)
def test_what_comes_next_is_fetched_first(examples, batch) -> None:
    """The next mini-batch is in the first runs, as many as it has rows; and nothing is named twice."""
    scheme = LaneScheme(examples, batch)
    batches = [set(found.tolist()) for found in scheme.mini_batches(0)]

    for number in range(-1, len(scheme)):
        runs = scheme.ahead(0, number)
        ahead = [example for first, stop in runs for example in range(first, stop)]
        assert len(ahead) == len(set(ahead)) == min(examples, 64 * min(batch, examples), len(ahead))
        assert set(ahead) <= set(range(examples))
        following = batches[(number + 1) % len(batches)] if batches else set()
        assert following <= set(ahead)
        if number + 2 < len(batches):  # all lanes go on
            assert set(ahead[: len(following)]) == following
            assert batches[number + 2] <= set(ahead)


def test_ahead_goes_to_the_ends_of_the_lanes_and_on_from_their_starts() -> None:
    assert LaneScheme(400, 2).ahead(0, 9) == [(10, 11), (210, 211), (11, 18), (211, 218), (18, 74), (218, 274)]
    assert LaneScheme(400, 2).ahead(0, 196) == [
        (197, 198),
        (397, 398),
        *[(198, 200), (398, 400), (0, 5), (200, 205)],
        *[(5, 61), (205, 261)],
    ]
    assert LaneScheme(400, 2).ahead(0, -1) == LaneScheme(400, 2).ahead(7, 199)
    assert LaneScheme(0).ahead(0, -1) == []


def test_examples_without_end_need_no_list() -> None:
    scheme = LaneScheme(10**15, 3)
    lane = 333_333_333_333_334

    assert next(scheme.mini_batches(9, 10**14)).tolist() == [10**14, 10**14 + lane, 10**14 + 2 * lane - 1]
    assert next(scheme.mini_batches(9, len(scheme) - 1)).tolist() == [lane - 1]


def test_lanes_carry_and_have_a_name_of_their_own() -> None:
    assert LaneScheme.carries
    assert LaneScheme(9, 2).identity == {"name": "LaneScheme", "examples": 9, "batch_size": 2}


@pytest.mark.parametrize("ask", ["mini_batches", "resets", "ahead"])
def test_numbers_that_cannot_be_are_refused(ask) -> None:
    with pytest.raises(SchemeError, match="epoch is -1"):
        getattr(LaneScheme(9, 2), ask)(-1, 0)
    with pytest.raises(SchemeError, match="is -2"):
        getattr(LaneScheme(9, 2), ask)(0, -2)
    with pytest.raises(SchemeError, match="batch_size is 0"):
        LaneScheme(9, 0)


@pytest.mark.parametrize("examples", [1, 4, 11])
def test_a_stream_of_lanes_resumes_anywhere(make_samples, examples) -> None:
    windows = Windows(ArraySong(make_samples(6 * examples + 2), 16000), frame=2, seq=3)

    def make() -> DataStream:
        return DataStream(windows, LaneScheme(len(windows), 4))

    assert len(windows) == examples
    check_exactly_once(make())
    check_resumes_anywhere(make, epochs=2)
