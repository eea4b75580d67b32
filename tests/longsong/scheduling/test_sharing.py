"""How a machine is shared by runs side by side, and how its speed is measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from acted_workers import Clock

from longsong.config import DataConfig, ExecutionConfig, ModelConfig
from longsong.errors import RunError, SpaceError
from longsong.scheduling import calibration as calibration_module
from longsong.scheduling.calibration import Calibration
from longsong.scheduling.pool import Pool
from longsong.scheduling.sharing import Sharing, candidates, choose_sharing
from longsong.training.memory import resident_bytes

MACHINE = Sharing("host", "cpu", 8, 8 << 30, 4)
COST = {"fixed": 0.001, "row": 0.0, "sample": 0.0}


@pytest.mark.parametrize(("most", "counts"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (16, [1, 2, 4, 8, 16])])
def test_it_is_divided_by_two_as_often_as_may_be(most, counts):
    assert candidates(most) == counts


@pytest.mark.parametrize(
    ("seconds", "slots"),
    [({1: 100, 2: 60, 4: 50, 8: 40}, 8), ({1: 100, 2: 60, 4: 61, 8: 10}, 2), ({1: 100, 2: 98, 4: 1, 8: 1}, 1)],
)
def test_as_many_go_side_by_side_as_make_all_end_sooner(seconds, slots):
    assert choose_sharing(8, seconds.__getitem__) == slots


def test_a_run_has_its_share_of_cores_and_memory():
    assert (MACHINE.threads(1), MACHINE.threads(4), MACHINE.memory_of(2)) == (2, 8, 4 << 30)
    assert replace(MACHINE, cores=2).threads(1) == 1
    assert Sharing.from_json(MACHINE.to_json()) == MACHINE
    for altered in ({"slots": 0}, {"cores": "2"}, {"memory": 10**30}):
        with pytest.raises(RunError, match="altered"):
            Sharing.from_json(MACHINE.to_json() | altered)


class Measures:
    """A worker that says at once what it measured, or takes its time and works, or is stopped."""

    where = "here"

    def __init__(self, said: dict) -> None:
        self.said, self.given, self.ends = said, [], None
        self.killed = self.closed = False
        self.says_it = self.works = lambda: True
        self.work = 0.0

    def give(self, task):
        self.given.append(task)

    def messages(self):
        return [{"say": "ready"}, self.said] if self.said and self.says_it() else []

    def seconds_of_work(self):
        self.work += 10.0 if self.works() else 0.0
        return self.work

    def ended(self):
        return self.ends

    def log(self):
        return "Bus error"

    def kill(self):
        self.killed = True

    def close(self):
        self.closed = True


class Workers:
    def __init__(self, said: dict, ends: str | None = None) -> None:
        self.said, self.ends, self.started = said, ends, []

    def start(self, threads):
        worker = Measures(self.said)
        worker.ends = self.ends
        self.started.append((threads, worker))
        return worker


def calibration(workers, **more) -> tuple[Calibration, list[str]]:
    said = []
    return Calibration(Pool(workers), ExecutionConfig(device="cpu"), said.append, **more), said


MEASURED = {"say": "measured", "costs": dict.fromkeys(("training", "prediction", "generation"), COST)}


def estimate(one: Calibration, sharing: Sharing = MACHINE, cell: str = "gru", seq: int = 50, batch: int = 128):
    data = DataConfig(40, seq, batch)
    return one.estimate(sharing, ModelConfig(cell=cell, hidden=199), data, (1280, 0), 30, 480_000)


def test_it_is_measured_by_as_many_at_once_as_will_run_and_once_for_each_network():
    workers = Workers(MEASURED)
    one, said = calibration(workers)
    found = estimate(one)
    assert found == estimate(one)
    assert [threads for threads, _ in workers.started] == [2, 2, 2, 2]
    assert len(said) == 1
    assert "4 side by side, each 2 threads" in said[0]
    assert found.seconds - found.sound_seconds == pytest.approx(30 * 10 * 50 * 0.001)
    assert found.slots == 1
    estimate(one, cell="lstm")
    assert len(workers.started) == 4  # the same workers
    assert workers.started[0][1].given[1]["model"]["cell"] == "lstm"


def test_what_does_not_fit_in_a_slot_takes_more_of_them_and_what_fits_in_none_is_named():
    workers = Workers(MEASURED)
    one, _ = calibration(workers)
    held = resident_bytes()  # of which each process is taken to hold as much
    wide = [estimate(one, replace(MACHINE, memory=4 * (held + more))).slots for more in (400 << 20, 4 << 20)]
    assert wide[0] == 1
    assert wide[1] in (2, 4)
    with pytest.raises(SpaceError):
        estimate(one, replace(MACHINE, memory=4 << 20))


@pytest.mark.parametrize(
    ("said", "ends"), [({"say": "failed", "reason": "no such device"}, None), ({}, "its process was killed")]
)
def test_where_it_cannot_be_measured_it_is_said_why(said, ends):
    workers = Workers(said, ends)
    one, lines = calibration(workers)
    reason = "(no such device|its process was killed: Bus error)"
    with pytest.raises(RunError, match=rf"could not be measured, 3 times: {reason}"):
        estimate(one)
    assert [line.endswith("it is measured again") for line in lines] == [False, True, True]
    assert len(workers.started) == 3 * MACHINE.slots
    assert all(worker.killed and worker.closed for _, worker in workers.started)


def test_a_measurement_whose_worker_is_lost_is_made_again():
    workers = Workers(MEASURED)
    really = workers.start

    def start(threads):
        worker = really(threads)
        if len(workers.started) == 2:
            worker.said, worker.ends = {}, "its process was killed"
        return worker

    workers.start = start
    one, lines = calibration(workers)
    assert estimate(one).slots == 1
    assert lines[1:] == ["its process was killed: Bus error; it is measured again"]


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(calibration_module, "time", clock)
    return clock


def acting(number: int, act) -> Workers:
    """Give workers that measure, of which one acts."""
    workers = Workers(MEASURED)
    really = workers.start

    def start(threads):
        worker = really(threads)
        if len(workers.started) == number:
            act(worker)
        return worker

    workers.start = start
    return workers


def test_a_worker_that_is_stopped_while_it_measures_is_killed_and_it_is_measured_again(clock):
    def stopped(worker):
        worker.said, worker.works = {}, lambda: False
        worker.ended = lambda: "nobody saw it" if clock.now > 1000 else None

    workers = acting(3, stopped)
    one, lines = calibration(workers, patience=20.0)
    began = clock.now
    assert estimate(one).slots == 1
    assert 20 < clock.now - began < 30
    assert len(lines) == 2
    assert "it hung: no progress and no processor time" in lines[1]
    assert lines[1].endswith("it is measured again")
    assert len(workers.started) == 2 * MACHINE.slots
    assert workers.started[2][1].killed


def test_one_that_works_is_waited_for_and_one_beside_it_is_not_taken_to_hang(clock):
    def slow(worker):
        worker.says_it = lambda: clock.now > 250.0

    workers = acting(1, slow)
    one, lines = calibration(workers, patience=20.0)
    assert estimate(one).slots == 1
    assert clock.now > 250.0
    assert len(lines) == 1
    assert not any(worker.killed for _, worker in workers.started)


def test_one_that_works_and_never_tells_is_killed_in_the_end(clock):
    workers = acting(1, lambda worker: setattr(worker, "said", {}))
    one, lines = calibration(workers, patience=20.0)
    assert estimate(one).slots == 1
    assert "though it took processor time" in lines[1]
