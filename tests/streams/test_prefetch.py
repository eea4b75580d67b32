import threading
import time
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.prefetch import in_order


@settings(max_examples=50)
@given(count=st.integers(0, 20), ahead=st.integers(0, 5), threads=st.integers(1, 4), slow=st.sets(st.integers(0, 19)))
def test_results_come_in_the_order_of_the_requests(count, ahead, threads, slow):
    def read(number):
        time.sleep(0.001 * (number in slow))
        return number * number

    assert list(in_order(iter(range(count)), read, ahead, threads)) == [(i, i * i) for i in range(count)]


@pytest.mark.parametrize(("ahead", "threads"), [(0, 1), (1, 1), (3, 2), (2, 5)])
def test_no_more_is_asked_for_than_the_bound(ahead, threads):
    asked = []

    def requests():
        for number in range(20):
            asked.append(number)
            yield number

    for had, _ in in_order(requests(), lambda number: number, ahead, threads):
        assert len(asked) <= had + 1 + ahead


def test_what_is_ahead_is_made_while_the_consumer_works():
    made = threading.Event()

    def read(number):
        if number == 2:
            made.set()
        return number

    results = in_order(iter(range(9)), read, 2, 1)
    next(results)
    assert made.wait(10), "nothing was made ahead"
    assert [number for number, _ in results] == list(range(1, 9))


def test_several_threads_work_at_once():
    together = threading.Barrier(3, timeout=10)
    assert len(list(in_order(iter(range(6)), lambda number: together.wait(), 5, 3))) == 6


@pytest.mark.parametrize("ahead", [0, 3])
def test_what_goes_wrong_is_raised_in_its_place(ahead):
    def read(number):
        if number == 3:
            raise ValueError("the fourth")
        return number

    results = in_order(iter(range(9)), read, ahead, 2)
    assert [next(results)[0] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="the fourth"):
        next(results)
    assert next(results, None) is None


@pytest.mark.parametrize("ahead", [0, 2])
def test_what_was_given_is_held_no_longer(ahead):
    class Result:
        pass

    results = in_order(iter(range(5)), lambda number: Result(), ahead, 1)
    _, first = next(results)
    gone = weakref.ref(first)
    del first
    next(results)
    assert gone() is None


def test_an_iterator_that_is_left_stops_its_threads():
    before = set(threading.enumerate())
    results = in_order(iter(range(1000)), lambda number: number, 4, 3)
    next(results)
    begun = set(threading.enumerate()) - before
    assert begun
    results.close()
    for thread in begun:
        thread.join(10)
    assert set(threading.enumerate()) <= before
