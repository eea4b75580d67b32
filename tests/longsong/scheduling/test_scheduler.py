"""What is done when runs end, fail, hang, are killed or are stopped: on workers that act a script."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from itertools import pairwise

import pytest
from acted_workers import Clock, Stage

from longsong import errors
from longsong.scheduling import scheduler as scheduler_module
from longsong.scheduling.live import Assignment
from longsong.scheduling.pool import Pool
from longsong.scheduling.scheduler import Scheduler


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(scheduler_module, "time", clock)
    return clock


def works(seconds: float = 10.0) -> list[tuple[float, str]]:
    """Ten updates and done."""
    return [(seconds * n / 10, "update") for n in range(1, 11)] + [(seconds, "done")]


def assignment(name: str, seconds: float = 10.0, slots: int = 1, threads: int = 1) -> Assignment:
    return Assignment(name, {"name": name}, seconds, 0.0, 10, slots, threads, frozenset({name}))


class Seen:
    """A scheduler and what it told."""

    def __init__(self, clock, script, assignments, slots=2, **more) -> None:
        self.stage = Stage(clock, script)
        self.changes: list[tuple[str, str]] = []
        self.logs: dict[str, list[str]] = {}
        self.notes: list[str] = []
        self.rounds = lambda: None
        self.scheduler = Scheduler(
            assignments,
            Pool(self.stage),
            slots,
            on_change=lambda run: self.changes.append((run.name, run.state)),
            on_lost=lambda run, log: self.logs.setdefault(run.name, []).append(log),
            on_note=self.notes.append,
            on_round=lambda: self.rounds(),
            **more,
        )

    @property
    def states(self) -> dict[str, str]:
        return {run.name: run.state for run in self.scheduler.runs}


def test_all_are_done_side_by_side_by_no_more_workers_than_slots(clock):
    seen = Seen(clock, lambda *_: works(), [assignment(name) for name in "abcde"], slots=2)
    began = clock.now
    seen.scheduler.run()
    assert set(seen.states.values()) == {"done"}
    assert sorted(seen.stage.given) == list("abcde")
    assert len(seen.stage.started) == 2  # the same processes, again and again
    assert clock.now - began == pytest.approx(30.0, abs=1.0)


def test_what_a_worker_has_for_the_user_is_passed_on(clock):
    seen = Seen(clock, lambda *_: [(1.0, "note a was damaged"), *works()], [assignment("a")])
    seen.scheduler.run()
    assert seen.notes == ["a was damaged"]
    assert seen.states == {"a": "done"}


def test_what_takes_all_slots_runs_alone(clock):
    assignments = [assignment("wide", slots=2, threads=2), assignment("a"), assignment("b")]
    seen = Seen(clock, lambda *_: works(), assignments)
    at_once = []

    def look():
        at_once.append({run.name for run in seen.scheduler.runs if run.state == "running"})

    seen.rounds = look
    seen.scheduler.run()
    assert {"wide"} in at_once
    assert not any("wide" in names and len(names) > 1 for names in at_once)
    assert {"a", "b"} in at_once


@pytest.mark.parametrize("lost", ["killed", "failed MemoryError no room"])
def test_one_that_is_lost_goes_on_alone_and_the_others_do_not_wait_for_it(clock, lost):
    def script(name, attempt):
        return [(1.0, "update"), (3.0, lost)] if (name, attempt) == ("a", 1) else works(100.0)

    seen = Seen(clock, script, [assignment(name, 100.0) for name in "abc"])
    (run,) = [run for run in seen.scheduler.runs if run.name == "a"]
    beside = {1: set(), 2: set()}

    def look():
        if run.state == "running":
            beside[run.attempts] |= {one.name for one in seen.scheduler.runs if one.state == "running"}

    seen.rounds = look
    seen.scheduler.run()
    assert set(seen.states.values()) == {"done"}
    assert beside == {1: {"a", "b"}, 2: {"a"}}  # in all rounds, though the others are long
    assert seen.stage.given == ["a", "b", "c", "a"]
    log = "what it wrote to standard error" if lost == "killed" else "Traceback of no room"
    assert log in seen.logs["a"][0]


def test_one_that_is_lost_is_begun_again_after_a_pause_that_grows(clock):
    """What was in its way may be gone then."""
    begun, seconds = [], 1.0

    def script(name, attempt):
        begun.append(clock.now)
        return [(seconds, "failed OSError no answer")]

    Seen(clock, script, [assignment("a")]).scheduler.run()
    pauses = [after - before - seconds for before, after in pairwise(begun)]
    assert pauses == pytest.approx(scheduler_module._SECONDS_BEFORE_AGAIN, abs=0.3)
    assert 1 < pauses[0] < pauses[1]


def test_one_that_fails_again_and_again_is_given_up_after_two_retries(clock):
    def script(name, attempt):
        return [(2.0, "failed OSError no space left on the disk")] if name == "a" else works()

    seen = Seen(clock, script, [assignment(name) for name in "abc"])
    seen.scheduler.run()
    assert seen.states == {"a": "failed", "b": "done", "c": "done"}
    assert seen.stage.given.count("a") == 3
    assert len(seen.logs["a"]) == 3
    (run,) = [run for run in seen.scheduler.runs if run.name == "a"]
    assert run.reason == "no space left on the disk"
    assert ("a", "left") in seen.changes
    assert ("a", "failed") in seen.changes


def test_on_one_of_several_machines_it_is_begun_again_beside_what_runs_on_the_others(clock):
    begun, seconds = {}, {"a": 50.0, "b": 100.0, "c": 300.0}

    def script(name, attempt):
        begun[name, attempt] = clock.now
        return [(3.0, "killed")] if (name, attempt) == ("a", 1) else works(seconds[name])

    seen = Seen(clock, script, [assignment(name, seconds[name]) for name in "abc"], slots=3, alone=2)
    ends = []
    seen.rounds = lambda: ends.append(clock.now) if seen.states["b"] == "done" and not ends else None
    seen.scheduler.run()
    assert set(seen.states.values()) == {"done"}
    assert ends[0] - 1 < begun["a", 2] < ends[0] + 1  # one slot was free all the time, and it takes two


def test_it_is_begun_again_after_its_pause_though_nothing_ended_meanwhile(clock):
    begun = []

    def script(name, attempt):
        if name == "a":
            begun.append(clock.now)
        return [(3.0, "killed")] if (name, attempt) == ("a", 1) else works(100.0)

    Seen(clock, script, [assignment(name, 100.0) for name in "ab"], slots=2, alone=1).scheduler.run()
    assert begun[1] - begun[0] == pytest.approx(3.0 + scheduler_module._SECONDS_BEFORE_AGAIN[0], abs=0.3)


FOR_GOOD = ["AudioError", "CheckpointError", "ConfigError", "DeviceError", "NotFiniteError", "VersionError"]


@pytest.mark.parametrize("kind", FOR_GOOD)
def test_what_would_come_again_is_not_tried_again(clock, kind):
    seen = Seen(clock, lambda *_: [(1.0, f"failed {kind} the cost is nan")], [assignment("a")])
    seen.scheduler.run()
    assert seen.states == {"a": "failed"}
    assert seen.stage.given == ["a"]
    assert issubclass(getattr(errors, kind), errors.LongsongError)  # as a worker names it


def test_updates_that_take_long_as_was_expected_are_waited_for(clock):
    updates = [(500.0 * n, "update") for n in range(1, 11)]
    seen = Seen(clock, lambda *_: [*updates, (5000.0, "done")], [assignment("a", 600.0)], patience=20.0)
    seen.scheduler.run()  # each takes eight times as long, and more than ten times the patience
    assert (seen.states, seen.stage.given) == ({"a": "done"}, ["a"])


def test_one_that_hangs_is_killed_and_begun_again(clock):
    def script(name, attempt):
        return [(1.0, "update"), (2.0, "hang"), (10_000.0, "done")] if attempt == 1 else works()

    seen = Seen(clock, script, [assignment("a")], patience=20.0)
    began = clock.now
    seen.scheduler.run()
    assert seen.states == {"a": "done"}
    assert "no progress and no processor time" in seen.logs["a"][0]
    assert seen.stage.killed == [seen.stage.started[0].where]
    assert clock.now - began < 60


def test_one_that_tells_of_progress_does_not_hang_though_it_takes_no_processor_time(clock):
    tells = [(0.0, "hang"), *((15.0 * n, "update") for n in range(1, 11)), (150.0, "done")]
    seen = Seen(clock, lambda *_: tells, [assignment("a")], patience=20.0)
    seen.scheduler.run()
    assert (seen.states, seen.stage.given, seen.stage.killed) == ({"a": "done"}, ["a"], [])


def test_interrupted_all_stop_and_are_left(clock):
    seen = Seen(clock, lambda *_: works(1000.0), [assignment(name) for name in "abc"])
    seen.stage.stops_needed = 2  # in a long update: it takes a second word

    def interrupt():
        if clock.now > 120 and not any(worker.stops for worker in seen.stage.started):
            os.kill(os.getpid(), signal.SIGINT)

    seen.rounds = interrupt
    with pytest.raises(KeyboardInterrupt, match="goes on from there"):
        seen.scheduler.run()
    assert set(seen.states.values()) == {"left"}
    assert [worker.stops for worker in seen.stage.started] == [2, 2]
    assert seen.stage.killed == []
    assert all(worker.closed for worker in seen.stage.started)


def test_one_that_is_done_while_all_stop_is_done(clock):
    seen = Seen(clock, lambda name, _: works(22.0 if name == "a" else 1000.0), [assignment(name) for name in "ab"])
    seen.stage.stops_needed = 2

    def interrupt():
        if clock.now > 120 and not any(worker.stops for worker in seen.stage.started):
            os.kill(os.getpid(), signal.SIGINT)

    seen.rounds = interrupt
    with pytest.raises(KeyboardInterrupt):
        seen.scheduler.run()
    assert seen.states == {"a": "done", "b": "left"}
    assert [worker.stops for worker in seen.stage.started] == [1, 2]


def test_interrupted_twice_all_end_at_once(clock):
    seen = Seen(clock, lambda *_: works(1000.0), [assignment(name) for name in "abc"])
    seen.stage.stops_needed = 99
    seen.rounds = lambda: os.kill(os.getpid(), signal.SIGINT) if clock.now > 120 else None
    with pytest.raises(KeyboardInterrupt, match="at once"):
        seen.scheduler.run()
    assert set(seen.states.values()) == {"left"}
    assert len(seen.stage.killed) == 2


def test_a_budget_leaves_out_what_it_is_not_enough_for(clock):
    assignments = [assignment("a"), assignment("b"), assignment("long", 500.0), assignment("c")]
    seen = Seen(clock, lambda name, _: works(500.0 if name == "long" else 10.0), assignments, slots=1, budget=25.0)
    seen.scheduler.run()
    assert seen.states["long"] == "left"
    assert list(seen.states.values()).count("done") == 2


def test_a_budget_that_lasts_longer_than_was_thought_takes_more(clock):
    assignments = [assignment(name, 10.0) for name in "abcdef"]
    seen = Seen(clock, lambda *_: works(2.0), assignments, slots=1, budget=25.0)
    seen.scheduler.run()
    assert set(seen.states.values()) == {"done"}


KINDS = {"lstm-s1": 1.6, "gru-s1": 1.4, "rnn-s3": 1.2, "rnn-s2": 1.1, "rnn-s1": 1.0}


@pytest.mark.parametrize(
    ("budget", "slots", "begun"),
    [
        (None, 1, ["rnn-s1", "rnn-s2", "rnn-s3", "gru-s1", "lstm-s1"]),
        (10.0, 2, ["rnn-s1", "gru-s1"]),  # and no more: each takes 8 s longer than was thought
    ],
)
def test_with_a_budget_what_shows_most_is_begun_first_and_without_one_what_is_cheapest(clock, budget, slots, begun):
    assignments = [
        replace(assignment(name, seconds), covers=frozenset({name, name[:3]})) for name, seconds in KINDS.items()
    ]
    seen = Seen(clock, lambda name, _: works(8 + KINDS[name]), assignments, slots, budget=budget)
    seen.scheduler.run()
    assert seen.stage.given == begun


def test_what_is_covered_already_is_not_what_a_budget_goes_to_first(clock):
    assignments = [
        replace(assignment(name, seconds), covers=frozenset({name, name[:3]})) for name, seconds in KINDS.items()
    ]
    seen = Seen(clock, lambda name, _: works(9.0), assignments, 1, budget=10.0, covered=frozenset({"rnn"}))
    seen.scheduler.run()
    assert seen.stage.given == ["gru-s1"]


def test_where_a_run_is_is_known_once_its_worker_knows(clock):
    seen = Seen(clock, lambda *_: works(), [assignment("a")])
    where = []

    def look():
        where.append(seen.scheduler.runs[0].where)
        seen.stage.started[0].where = "another-node:7"

    seen.rounds = look
    seen.scheduler.run()
    assert set(where) == {"acted:0", "another-node:7"}


def test_the_time_left_is_known_after_the_first_tenth_though_estimates_were_wrong(clock):
    # All take three times as long as was thought.
    assignments = [assignment(f"run {n}", 10.0 + n) for n in range(40)]
    seen = Seen(clock, lambda name, _: works(3 * (10.0 + int(name.split()[1]))), assignments, slots=2)
    said = []
    seen.rounds = lambda: said.append((clock.now, seen.scheduler.seconds_left()))
    began = clock.now
    seen.scheduler.run()
    whole = clock.now - began
    for now, left in said:
        done = (now - began) / whole
        if done > 0.1:
            assert abs(left - (whole - (now - began))) <= 0.2 * whole
    assert seen.scheduler.seconds_left() == 0.0


def test_a_process_in_which_a_run_failed_gets_no_other(clock):
    """As a device's context does after an error: whatever is done in it fails."""
    poisoned = set()

    def script(name, attempt):
        worker = seen.stage.started[-1].where
        if name == "bad" or worker in poisoned:
            poisoned.add(worker)
            return [(1.0, "failed RuntimeError an illegal access")]
        return works()

    seen = Seen(clock, script, [assignment(name) for name in ("a", "bad", "c", "d")], slots=1)
    seen.scheduler.run()
    assert seen.states == {"a": "done", "bad": "failed", "c": "done", "d": "done"}
    assert set(seen.stage.killed) == poisoned  # at once: it need not end by itself
    assert all(worker.closed for worker in seen.stage.started if worker.where in poisoned)


class FullDisk:
    """A disk that is full for a while, and how often it was asked for."""

    def __init__(self, clock, until: float) -> None:
        self.clock, self.until = clock, until
        self.asked = 0

    def has_room(self) -> bool:
        self.asked += 1
        return self.clock.now >= self.until

    def script(self, name: str, attempt: int) -> list[tuple[float, str]]:
        if self.clock.now >= self.until:
            return works()
        return [(1.0, "update"), (2.0, "failed SpaceError no room left on the disk")]


def test_while_the_disk_is_full_nothing_begins_and_no_attempt_is_spent(clock):
    disk = FullDisk(clock, clock.now + 900)
    seen = Seen(clock, disk.script, [assignment(name) for name in "abc"], has_room=disk.has_room)
    seen.scheduler.run()
    assert set(seen.states.values()) == {"done"}
    assert len(seen.stage.given) == 5  # two that ran when it was full, and all three after that
    assert [run.attempts for run in seen.scheduler.runs] == [1, 1, 1]
    assert seen.notes == ["the disk is full: nothing is begun until there is room", "the disk has room again"]
    assert disk.asked <= 900 / 10 + 3  # it takes a look at all files of a run


def test_a_disk_that_stays_full_is_waited_for_for_an_hour(clock):
    disk = FullDisk(clock, clock.now + 100_000)
    seen = Seen(clock, disk.script, [assignment(name) for name in "abc"], has_room=disk.has_room)
    began = clock.now
    seen.scheduler.run()
    assert set(seen.states.values()) == {"failed"}
    assert 3600 < clock.now - began < 3800


def test_what_cannot_be_written_though_there_is_room_is_an_attempt(clock):
    seen = Seen(clock, lambda *_: [(1.0, "failed SpaceError no permission")], [assignment("a")])
    seen.scheduler.run()
    assert (seen.states, len(seen.stage.given)) == ({"a": "failed"}, 3)


def test_what_waits_to_be_begun_again_is_left_too(clock):
    def script(name, attempt):
        return [(1.0, "killed")] if attempt == 1 else works(50.0)

    seen = Seen(clock, script, [assignment(name, 50.0) for name in "ab"])
    left = []
    seen.rounds = lambda: left.append((seen.scheduler.seconds_left(), set(seen.states.values())))
    seen.scheduler.run()
    assert all(seconds > 0 for seconds, states in left if states != {"done"})
    held = [seconds for seconds, states in left if states == {"left"}]
    assert held
    assert min(held) >= 90  # one after the other, as each was lost once
