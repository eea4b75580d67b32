"""Workers that wait for their next task."""

from __future__ import annotations

import pytest
from acted_workers import Clock, Stage

from longsong.scheduling.pool import Pool


@pytest.fixture
def stage():
    return Stage(Clock(), lambda name, attempt: [])


def test_what_was_given_back_is_taken_again_by_its_threads(stage):
    pool = Pool(stage)
    one, two = pool.take(1), pool.take(2)
    pool.give_back(one, 1)
    pool.give_back(two, 2)
    assert pool.take(2) is two
    assert pool.take(1) is one
    assert pool.take(1) not in (one, two)
    assert [worker.threads for worker in stage.started] == [1, 2, 1]


def test_one_that_ended_while_it_waited_is_let_go_and_not_given(stage):
    pool = Pool(stage)
    lives, ended = pool.take(1), pool.take(1)
    for worker in (lives, ended):
        pool.give_back(worker, 1)
    ended.end = "its process was killed"
    assert pool.take(1) is lives
    assert (ended.closed, lives.closed) == (True, False)


def test_those_of_other_threads_are_let_go_and_at_its_end_all(stage):
    with Pool(stage) as pool:
        workers = {threads: pool.take(threads) for threads in (1, 2, 4)}
        for threads, worker in workers.items():
            pool.give_back(worker, threads)
        pool.keep_only({2})
        assert [worker.closed for worker in workers.values()] == [True, False, True]
        assert pool.take(2) is workers[2]
        pool.give_back(workers[2], 2)
    assert all(worker.closed for worker in workers.values())
