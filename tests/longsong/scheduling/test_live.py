"""A run while it is waited for: its progress, and the time that is left of it."""

from __future__ import annotations

import pytest

from longsong.scheduling.live import Assignment, Live, Pace


def live(training: float = 100.0, sound: float = 10.0, updates: int = 50) -> Live:
    return Live(Assignment("run", {}, training, sound, updates, 1, 1, frozenset({"run"})))


def training(done: float, begun_at: float = 0.0, total: float = 50, cost: float | None = 0.5) -> dict:
    return {"phase": "training", "done": done, "begun_at": begun_at, "total": total, "unit": "updates", "cost": cost}


GENERATING = {"phase": "generating", "done": 0.0, "begun_at": 0.0, "total": 100, "unit": "frames", "cost": None}


def test_before_it_begins_it_takes_what_was_estimated_at_the_pace_of_the_others():
    run = live()
    assert run.seconds_left(Pace(), 0.0) == 110.0
    assert run.seconds_left(Pace(2.0, 3.0, 5.0), 0.0) == 235.0


def test_while_it_trains_its_own_pace_counts_more_and_more():
    run = live()
    run.begin("here", 0.0)
    run.hear(training(0), 4.0)  # 4 s to open the song
    run.hear(training(1), 8.0)  # updates take 4 s where 2 were expected
    early = run.seconds_left(Pace(), 8.0)
    assert 49 * 2 + 10 < early < 49 * 4 + 10
    run.hear(training(25), 104.0)
    assert run.seconds_left(Pace(), 104.0) == pytest.approx(25 * 4 + 10, rel=0.05)
    assert run.cost == 0.5
    assert run.times(104.0) == (100.0, 0.0, 4.0)
    assert run.expected() == 50.0


def test_what_comes_before_its_updates_leaves_them_to_be_made():
    run = live()
    run.begin("here", 0.0)
    run.hear({**GENERATING, "phase": "verifying the song", "unit": "samples"}, 1.0)
    assert run.seconds_left(Pace(), 3.0) == 110.0
    run.hear(training(0), 4.0)
    assert run.times(4.0) == (0.0, 0.0, 4.0)


def test_what_an_earlier_start_did_is_no_speed_of_this_one():
    run = live()
    run.begin("here", 0.0)
    run.hear(training(0), 1.0)
    run.hear(training(40, begun_at=40), 2.0)
    run.hear(training(45, begun_at=40), 22.0)
    assert run.expected() == 10.0  # five of fifty updates
    assert run.seconds_left(Pace(), 22.0) == pytest.approx(5 * 4 + 10, rel=0.2)


def test_its_sound_and_what_no_estimate_has_are_left_of_it_to_the_end():
    run = live()
    run.begin("here", 0.0)
    run.hear(training(50), 100.0)
    run.hear(GENERATING, 101.0)
    assert run.cost == 0.5  # of the last mini-batch still
    assert run.seconds_left(Pace(1.0, 2.0, 6.0), 105.0) == pytest.approx(2 * 10 - 4 + 6 - 100, abs=101)
    run.end("done", "", 120.0)
    assert run.seconds_left(Pace(), 120.0) == 0.0
    assert run.spent(500.0) == 120.0


def test_an_attempt_that_was_lost_counts_as_spent_and_the_next_goes_on():
    run = live()
    run.begin("here", 0.0)
    run.hear(training(0), 1.0)
    run.hear(training(10), 21.0)
    run.end("left", "killed", 22.0)
    assert run.state == "left"
    assert run.spent(1000.0) == 22.0
    run.begin("there", 30.0)
    begun = run.progress(Pace(), 30.0)
    assert (begun["phase"], begun["done"], begun["total"], begun["unit"]) == ("", 0.0, None, "")
    run.hear(training(10, begun_at=10), 31.0)
    run.hear(training(20, begun_at=10), 51.0)
    assert run.expected() == 40.0
    assert run.attempts == 2
    assert run.times(51.0) == (41.0, 0.0, 2.0)
    assert run.seconds_left(Pace(), 51.0) == pytest.approx(30 * 2 + 10, rel=0.05)


def test_of_one_that_was_lost_when_it_was_trained_only_its_sound_is_left():
    run = live()
    run.begin("here", 0.0)
    run.hear(training(0), 1.0)
    run.hear(training(50), 41.0)  # in less time than was expected
    run.hear(GENERATING, 41.0)
    run.end("left", "killed", 42.0)
    assert run.seconds_left(Pace(), 50.0) == pytest.approx(10 - 1)


def test_what_is_counted_before_its_updates_is_none_of_them():
    run = live()
    run.begin("here", 0.0)
    run.hear({**GENERATING, "phase": "verifying the song", "unit": "samples", "done": 31_600, "total": 31_600}, 1.0)
    run.hear(training(3), 7.0)
    assert run.expected() == 6.0


def test_what_each_start_takes_beside_its_updates_is_counted_once_a_start():
    run = live()
    for begun in (0.0, 100.0):
        run.begin("here", begun)
        run.hear(training(25 if begun else 0, begun_at=25 if begun else 0), begun + 4.0)
        run.hear(training(50 if begun else 25, begun_at=25 if begun else 0), begun + 54.0)
        run.end("done" if begun else "left", "", begun + 54.0)
    assert Pace.of([run], 200.0).rest == 4.0


def test_the_pace_is_that_of_what_is_done():
    one, other = live(), live()
    one.begin("here", 0.0)
    one.hear(training(0), 5.0)
    one.hear(training(50), 305.0)
    one.hear(GENERATING, 305.0)
    one.end("done", "", 335.0)
    pace = Pace.of([one, other], 335.0)
    assert pace.training == pytest.approx(3.0, rel=0.05)
    assert pace.sound == pytest.approx(3.0, rel=0.05)
    assert pace.rest == 5.0
    assert other.seconds_left(pace, 335.0) == pytest.approx(300 + 30 + 5, rel=0.05)
    assert Pace.of([], 0.0) == Pace()
    assert Pace.of([other], 0.0) == Pace()


def test_what_was_killed_takes_the_whole_machine():
    run = live()
    assert run.job(Pace(), 4, 0.0).slots == 1
    run.alone = True
    assert run.job(Pace(), 4, 0.0).slots == 4


def test_what_the_grid_says_of_it():
    run = live()
    run.begin("host:7", 0.0)
    run.hear(training(25), 50.0)
    said = run.progress(Pace(), 50.0)
    assert said.pop("seconds_left") > 0
    assert said == {
        "phase": "training",
        "done": 25,
        "total": 50,
        "unit": "updates",
        "cost": 0.5,
        "seconds": 50.0,
        "attempts": 1,
        "where": "host:7",
    }
