"""The plan of one call after another on a folder: the same runs, each once, and nothing measured twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from small_song import tune, write_shards

import longsong
from longsong import space
from longsong.config import ExecutionConfig, ModelConfig, TrainingConfig
from longsong.errors import SpaceError
from longsong.estimate import Estimate
from longsong.grid import Choice
from longsong.grid_file import read_grid, write_grid
from longsong.grid_plan import GridPlan
from longsong.reproduce import Resources
from longsong.reproduce import plan as plan_only
from longsong.scheduling.calibration import Calibration
from longsong.scheduling.pool import Pool
from longsong.scheduling.sharing import Sharing
from longsong.scheduling.workers import LocalWorkers

HERE = Sharing("here", "cpu", 2, 8 << 30, 2)
CHOSEN = Choice("demo")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A song on which frames of 1,000 fit, and some shapes have more than one update an epoch."""
    return write_shards(tmp_path_factory.mktemp("long") / "tune", tune(2_000_000))


class Speeds:
    """Estimates as a machine of some speed would give them, counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, a_frame: float) -> None:
        self.asked = 0

        def estimate(_, sharing, model, data, examples, epochs, sound):
            self.asked += 1
            return Estimate(1.0 + data.seq * sum(examples) * data.frame**a_frame, 0.5)

        monkeypatch.setattr(Calibration, "estimate", estimate)


def planned(shards: Path, out: Path, machine: Sharing = HERE, side_by_side: int | None = 2) -> GridPlan:
    plan = GridPlan(shards, CHOSEN, out, Pool(LocalWorkers()), say=lambda line: None)
    plan.estimate(machine, side_by_side)
    return plan


def test_machines_of_whatever_speed_plan_the_same_runs(shards, tmp_path, monkeypatch):
    plans = []
    for a_frame in (-1.0, 0.0, 1.0, 2.0):
        Speeds(monkeypatch, a_frame)
        plans.append({run.name for run in planned(shards, tmp_path).left})
    assert plans[0] == plans[1] == plans[2] == plans[3]
    assert len(plans[0]) > 30


def test_what_is_written_has_each_run_once_however_often_it_is_planned(shards, tmp_path, monkeypatch):
    Speeds(monkeypatch, 1.0)
    for _ in range(3):
        write_grid(tmp_path, planned(shards, tmp_path).to_json("stopped"))
    names = [run["name"] for run in read_grid(tmp_path)["runs"]]
    assert len(names) == len(set(names))


def test_runs_of_an_earlier_call_are_kept_once(shards, tmp_path, monkeypatch):
    Speeds(monkeypatch, 1.0)
    before = planned(shards, tmp_path).to_json("complete")
    more = [{**before["runs"][0], "name": "40x50-gru-64-s1", "state": state} for state in ("left", "done")]
    write_grid(tmp_path, before | {"runs": before["runs"] + more})
    (kept,) = [run for run in planned(shards, tmp_path).to_json("running")["runs"] if run["name"] == "40x50-gru-64-s1"]
    assert kept["state"] == "done"


def test_what_was_estimated_is_kept_where_the_machine_is_shared_as_before(shards, tmp_path, monkeypatch):
    speeds = Speeds(monkeypatch, 1.0)
    first = planned(shards, tmp_path)
    write_grid(tmp_path, first.to_json("stopped"))
    asked = speeds.asked
    less_is_free = Sharing("here", "cpu", 2, 7 << 30, 2)
    for side_by_side in (2, None):
        again = planned(shards, tmp_path, less_is_free, side_by_side)
        assert again.sharing == first.sharing
        assert [run.estimated_seconds for run in again.runs] == [run.estimated_seconds for run in first.runs]
    assert speeds.asked == asked
    planned(shards, tmp_path, less_is_free, 1)
    assert speeds.asked > asked


def test_a_run_that_was_begun_keeps_its_precision_and_that_is_said(shards, tmp_path, monkeypatch):
    Speeds(monkeypatch, 1.0)
    (run, *_) = planned(shards, tmp_path).left
    config = run.config(shards, tmp_path, ExecutionConfig(device="cpu", threads=1))
    longsong.train(replace(config, training=TrainingConfig(epochs=1), model=ModelConfig(hidden=4)), quiet=True)
    chosen = Choice("demo", execution=ExecutionConfig(precision="float64"))
    plan = GridPlan(shards, chosen, tmp_path, Pool(LocalWorkers()), say=lambda line: None)
    plan.estimate(HERE, 2)
    said = "1 of the runs were begun in float32, and keep that; for float64"
    assert any(line.startswith(said) for line in plan.outlook())
    kept = {one["name"]: one["execution"]["precision"] for one in plan.to_json("planned")["runs"]}
    assert kept.pop(run.name) == "float32"
    assert set(kept.values()) == {"float64"}


def test_the_space_that_is_asked_for_is_that_of_what_will_be_run(shards, tmp_path, monkeypatch):
    Speeds(monkeypatch, 1.0)
    plan = planned(shards, tmp_path)
    all_of_them = plan.bytes_needed()
    (fewest, *_) = sorted(run.estimated_seconds for run in plan.left)
    assert 0 < plan.bytes_needed(2 * fewest) < all_of_them / 5
    assert plan.bytes_needed(0.0) == 0
    assert plan.bytes_needed(1e9) == all_of_them


def test_what_a_run_that_was_begun_has_written_is_not_asked_for_again(shards, tmp_path, monkeypatch):
    Speeds(monkeypatch, 1.0)
    plan = planned(shards, tmp_path)
    all_of_them = plan.bytes_needed()
    checkpoint = tmp_path / plan.left[0].name / "checkpoints" / "update-000001"
    checkpoint.mkdir(parents=True)
    (checkpoint / "parameters.safetensors").write_bytes(bytes(100_000))
    assert all_of_them - plan.bytes_needed() == 100_000
    (checkpoint / "parameters.safetensors").write_bytes(bytes(100_000_000))
    assert 0 < plan.bytes_needed() < all_of_them, "one that has more than was thought needs no room of the others"


def test_workers_that_measured_what_was_not_chosen_are_let_go(shards, tmp_path, monkeypatch):
    Speeds(monkeypatch, 1.0)
    pool = Pool(LocalWorkers())
    idle = {threads: Idle() for threads in (1, 2)}
    for threads, worker in idle.items():
        pool.give_back(worker, threads)
    plan = GridPlan(shards, CHOSEN, tmp_path, pool, say=lambda line: None)
    plan.estimate(HERE, 1)
    assert [threads for threads, worker in idle.items() if worker.closed] == [1]


class Idle:
    """A worker at nothing."""

    closed = False

    def close(self) -> None:
        self.closed = True


def test_older_checkpoints_of_runs_that_are_done_go(shards, tmp_path, monkeypatch):
    Speeds(monkeypatch, 1.0)
    plan = planned(shards, tmp_path)
    done, left = (run.name for run in plan.left[:2])
    plan.settle({done: ("done", "")})
    for name in (done, left):
        for update in (20, 30):
            (tmp_path / name / f"checkpoints/update-{update:08d}").mkdir(parents=True)
    plan.remove_older_checkpoints()
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/checkpoints/*")}
    assert found == {
        f"{done}/checkpoints/update-00000030",
        f"{left}/checkpoints/update-00000020",
        f"{left}/checkpoints/update-00000030",
    }


def test_a_dry_run_says_what_the_disk_lacks_after_the_plan(shards, tmp_path, monkeypatch):
    Speeds(monkeypatch, 0.0)
    monkeypatch.setattr(space, "free_bytes", lambda path: 50_000_000)
    said: list[str] = []
    with pytest.raises(SpaceError, match="50,000,000 bytes"):
        plan_only(shards, CHOSEN, tmp_path / "runs", Resources(1), say=said.append)
    assert any(line.endswith(" for what is left") for line in said)
    plan_only(shards, CHOSEN, tmp_path / "runs", Resources(1, budget=0.0), say=said.append)
    assert not (tmp_path / "runs").exists()
