"""The plan of one call after another on a folder: the same runs, each once, and nothing measured twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from small_song import tune, write_shards

import longsong
from longsong.config import ExecutionConfig, ModelConfig, TrainingConfig
from longsong.estimate import Estimate
from longsong.grid import Choice
from longsong.grid_file import read_grid, write_grid
from longsong.grid_plan import GridPlan
from longsong.scheduling.calibration import Calibration
from longsong.scheduling.sharing import Sharing

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
    plan = GridPlan(shards, CHOSEN, out, None, say=lambda line: None)
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
    plan = GridPlan(shards, chosen, tmp_path, None, say=lambda line: None)
    plan.estimate(HERE, 2)
    said = "1 of the runs were begun in float32, and keep that; for float64"
    assert any(line.startswith(said) for line in plan.outlook())
    kept = {one["name"]: one["execution"]["precision"] for one in plan.to_json("planned")["runs"]}
    assert kept.pop(run.name) == "float32"
    assert set(kept.values()) == {"float64"}
