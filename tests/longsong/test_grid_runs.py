"""What becomes of the runs of a plan, and what is written and said of it meanwhile: on workers that act a script."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from acted_workers import Acted, Clock, Stage
from small_song import tune, write_shards

from longsong import grid_plan, grid_runs
from longsong.errors import SpaceError
from longsong.estimate import Estimate
from longsong.grid import Choice
from longsong.grid_file import read_grid
from longsong.grid_plan import GridPlan
from longsong.grid_runs import GridRuns
from longsong.scheduling import scheduler as scheduler_module
from longsong.scheduling.calibration import Calibration
from longsong.scheduling.pool import Pool
from longsong.scheduling.scheduler import Scheduler
from longsong.scheduling.sharing import Sharing

HERE = Sharing("here", "cpu", 2, 8 << 30, 2)
SECONDS, SOUND = {"gru": 14.0, "lstm": 18.0, "rnn": 10.0}, 2.0
COMMAND = ["longsong", "reproduce"]


def works(seconds: float = 10.0) -> list[tuple[float, str]]:
    return [(seconds * n / 10, "update") for n in range(1, 11)] + [(seconds, "done")]


class Watched(Clock):
    """A clock, at each round of which somebody looks."""

    def __init__(self) -> None:
        super().__init__()
        self.look: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.look()


class Runs(Stage):
    """Acted workers that know runs by their folders, and the tasks they were given."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, lambda name, attempt: works())
        self.tasks: dict[str, dict] = {}

    def start(self, threads: int) -> Acted:
        worker = super().start(threads)
        give = worker.give

        def give_run(task: dict) -> None:
            name = Path(task["out"]).name
            self.tasks[name] = task
            give({**task, "name": name})

        worker.give = give_run
        return worker


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A song of the length of the smallest profile's."""
    return write_shards(tmp_path_factory.mktemp("smoke") / "tune", tune(640_000))


@pytest.fixture
def clock(monkeypatch):
    clock = Watched()
    for module in (scheduler_module, grid_runs):
        monkeypatch.setattr(module, "time", clock)

    def estimate(_, sharing, model, *others):
        return Estimate(SECONDS[model.cell], SOUND)

    monkeypatch.setattr(Calibration, "estimate", estimate)
    return clock


@pytest.fixture
def stage(clock):
    return Runs(clock)


@pytest.fixture
def runs(shards, tmp_path, stage):
    plan = GridPlan(shards, Choice("smoke"), tmp_path, Pool(stage), keep_checkpoints=3, say=lambda line: None)
    plan.estimate(HERE, 2)
    return GridRuns(plan, plan._pool, command=COMMAND)


def states(folder: Path) -> dict[str, str]:
    return {run["name"]: run["state"] for run in read_grid(folder)["runs"]}


def test_each_run_is_given_with_its_share_and_what_it_is_expected_to_take(runs, stage, tmp_path, monkeypatch):
    assigned = []

    class Seen(Scheduler):
        def __init__(self, assignments, *others, **more):
            assigned.extend(assignments)
            super().__init__(assignments, *others, **more)

    monkeypatch.setattr(grid_runs, "Scheduler", Seen)
    planned = {run.name: run for run in runs.plan.left}
    runs.run(quiet=True)
    assert set(stage.given) == set(planned) == set(states(tmp_path))
    assert set(states(tmp_path).values()) == {"done"}
    for task in stage.tasks.values():
        assert (task["threads"], task["execution"]["threads"], task["execution"]["memory"]) == (1, 1, 4 << 30)
        assert (task["keep_checkpoints"], task["command"]) == (3, COMMAND)
    for one in assigned:
        run = planned[one.name]
        assert (one.training_seconds, one.sound_seconds) == (SECONDS[run.cell] - SOUND, SOUND)
        assert one.updates == stage.tasks[one.name]["training"]["epochs"] * -(-run.train_examples // 128)
        shape = {f"frame {run.configuration.frame}", f"seq {run.configuration.seq}", "hidden 199"}
        assert one.covers == {run.name, run.cell, *shape}


def test_how_things_are_is_on_the_disk_every_few_seconds(runs, clock, tmp_path):
    seen = []
    clock.look = lambda: seen.append((clock.now, read_grid(tmp_path)))
    began = clock.now
    runs.run(quiet=True)
    for now, grid in seen:
        running = [run for run in grid["runs"] if run["state"] == "running"]
        assert grid["state"] == "running"
        assert grid["seconds_left"] > 0 or now - began > 30
        assert all(0 <= run["progress"]["seconds"] <= now - began for run in running)
    told = {run["progress"]["done"] for _, grid in seen for run in grid["runs"] if run["state"] == "running"}
    assert max(after - before for before, after in pairwise(sorted(told | {10}))) <= 2  # there is one a second
    last = read_grid(tmp_path)
    assert (last["state"], last["seconds_left"], last["command"]) == ("complete", None, COMMAND)


def test_a_run_that_fails_leaves_its_log_and_stops_no_other(runs, stage, tmp_path, capsys):
    bad = runs.plan.left[0].name
    stage.script = lambda name, attempt: [(1.0, "failed ConfigError it is bad")] if name == bad else works()
    runs.run(quiet=True)
    (failed,) = [run for run in read_grid(tmp_path)["runs"] if run["state"] == "failed"]
    log = tmp_path / bad / "log.txt"
    assert (failed["name"], failed["reason"]) == (bad, f"it is bad ({log})")
    assert log.read_text() == "Traceback of it is bad"
    assert list(states(tmp_path).values()).count("done") == len(states(tmp_path)) - 1
    assert f"it is bad ({log})" in capsys.readouterr().out


def test_one_that_is_lost_is_said_to_go_on_and_is_done(runs, stage, tmp_path, capsys):
    lost = runs.plan.left[0].name
    stage.script = lambda name, attempt: [(1.0, "killed")] if (name, attempt) == (lost, 1) else works()
    runs.run(quiet=True)
    assert set(states(tmp_path).values()) == {"done"}
    said = [line for line in capsys.readouterr().out.splitlines() if lost in line]
    assert [line.split()[0] for line in said] == ["running", "again", "running", "done"]
    assert "its process was killed; it goes on from its last checkpoint" in said[1]
    assert (tmp_path / lost / "log.txt").read_text().startswith("its process was killed\n")


def test_a_log_that_cannot_be_kept_is_shown(runs, stage, tmp_path, capsys):
    bad = runs.plan.left[0].name
    (tmp_path / bad).touch()  # no folder
    stage.script = lambda name, attempt: [(1.0, "failed ConfigError it is bad")] if name == bad else works()
    runs.run(quiet=True)
    assert "Traceback of it is bad\n" in capsys.readouterr().out
    assert states(tmp_path)[bad] == "failed"


def test_stopped_what_ran_is_left_and_that_is_written(runs, clock, tmp_path):
    clock.look = lambda: os.kill(os.getpid(), signal.SIGINT) if 112 < clock.now < 112.2 else None
    with pytest.raises(KeyboardInterrupt):
        runs.run(quiet=True)
    assert (read_grid(tmp_path)["state"], read_grid(tmp_path)["seconds_left"]) == ("stopped", None)
    assert sorted(set(states(tmp_path).values())) == ["done", "left"]


def test_after_a_budget_what_is_left_was_left_out_and_what_is_done_is_done(runs, stage, tmp_path):
    stage.script = lambda name, attempt: works(SECONDS[name.split("-")[1]])
    runs.run(budget=30.0, quiet=True)
    found = read_grid(tmp_path)["runs"]
    assert {run["state"] for run in found} == {"done", "left out"}
    assert {run["reason"] for run in found if run["state"] == "done"} == {""}
    assert {run["reason"] for run in found if run["state"] == "left out"} == {"not within the budget of 30 s"}


def test_what_is_done_already_is_not_what_a_budget_goes_to_first(shards, tmp_path, stage, monkeypatch):
    """The cheapest is begun first where nothing is covered, and a cell that is not where one is."""
    begun = {}
    monkeypatch.setattr(
        grid_plan, "read_record", lambda run: SimpleNamespace(execution=SimpleNamespace(precision="float32"))
    )
    for done in ("none", "rnn"):
        monkeypatch.setattr(grid_plan, "is_done", lambda folder, *others, done=done: f"-{done}-199-s1" in folder.name)
        plan = GridPlan(shards, Choice("smoke"), tmp_path, Pool(stage), say=lambda line: None)
        plan.estimate(HERE, 2)
        stage.given.clear()
        GridRuns(plan, plan._pool).run(budget=20.0, quiet=True)
        begun[done] = {name.split("-")[1] for name in stage.given[:1]}
    assert begun == {"none": {"rnn"}, "rnn": {"gru"}}


def test_while_the_disk_is_full_runs_wait(runs, stage, clock, capsys, tmp_path, monkeypatch):
    until = clock.now + 300
    asked = []

    def fits(path, needed):
        asked.append((path, needed))
        return clock.now >= until

    monkeypatch.setattr(grid_plan, "fits", fits)
    stage.script = lambda name, attempt: works() if clock.now >= until else [(1.0, "failed SpaceError no room left")]
    runs.run(quiet=True)
    assert set(states(tmp_path).values()) == {"done"}
    assert len(stage.given) == len(runs.plan.runs) + 2
    said = capsys.readouterr().out.splitlines()
    assert sum("the disk is full" in line for line in said) == sum("has room again" in line for line in said) == 1
    assert {path for path, _ in asked} == {tmp_path}


def test_room_is_asked_for_the_smallest_run_that_is_not_done(runs, monkeypatch):
    asked = []
    monkeypatch.setattr(grid_plan, "fits", lambda path, needed: asked.append(needed) or False)
    each = {run.name: runs.plan._bytes_needed(run) for run in runs.plan.runs}
    assert len(set(each.values())) > 1
    smallest, *others = sorted(each, key=each.__getitem__)
    assert not runs.plan.has_room()
    runs.plan.settle({smallest: ("done", "")} | dict.fromkeys(others, ("running", "")))
    assert not runs.plan.has_room()
    assert asked == [each[smallest], min(each[name] for name in others)]
    runs.plan.settle(dict.fromkeys(others, ("done", "")))
    assert runs.plan.has_room()  # nothing is needed any more


def test_a_grid_that_cannot_be_written_is_said_once_and_stops_nothing(runs, clock, tmp_path, monkeypatch):
    really, said = grid_runs.write_grid, []
    runs._say = said.append
    full = [(104.0, 112.0), (116.0, 120.0)]

    def write_grid(out, grid):
        if any(begins <= clock.now < ends for begins, ends in full):
            raise SpaceError("no room left on the disk")
        really(out, grid)

    monkeypatch.setattr(grid_runs, "write_grid", write_grid)
    runs.run(quiet=True)
    assert said == ["no room left on the disk; the runs go on"] * 2
    assert (read_grid(tmp_path)["state"], set(states(tmp_path).values())) == ("complete", {"done"})
