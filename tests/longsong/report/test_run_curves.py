"""The curves of a run: few numbers, all evaluations in the table, and every baseline that there is."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_folders import edit, read

from longsong.audit.run import Run
from longsong.errors import RunError
from longsong.metrics import metric_lines
from longsong.report.run_curves import curves_of

NAME = "40x50-gru-199-s1"


def test_the_curves_are_those_of_the_metrics(made: Path) -> None:
    found = curves_of(Run.open(made / NAME))
    lines, summary = list(metric_lines(made / NAME / "metrics.jsonl")), read(made / NAME / "summary.json")
    updates, evaluations = ([line for line in lines if line["kind"] == kind] for kind in ("update", "dev"))
    assert found.updates == len(updates)
    if found.updates <= len(found.train):
        assert [cost for _, cost in found.train] == [line["train_cost"] for line in updates]
    assert found.dev == [(line["update"], line["dev_cost"]) for line in evaluations]
    assert dict(found.baselines) == {
        "predicting the mean, dev split": summary["cost_of_mean"],
        "predicting zero": summary["cost_of_zero"],
    }
    assert len(found.rows) == len(evaluations) == 31
    first, last = found.rows[0], found.rows[-1]
    assert first[:3] == ["0", "0", ""]  # before the first update there is no train cost
    of_last = [line["train_cost"] for line in updates if line["epoch"] == 30]
    assert last[2] == f"{sum(of_last) / len(of_last):.5f}"
    assert last[4] == f"{evaluations[-1]['dev_cost'] / summary['cost_of_mean']:.3f}"
    assert f"{min(cost for _, cost in found.dev):.5f} at the lowest" in found.described


def test_what_is_drawn_is_rounded_and_nothing_else(made: Path) -> None:
    found = curves_of(Run.open(made / NAME))
    drawn = found.to_json()
    assert [at for at, _ in drawn["dev"]] == [at for at, _ in found.dev]
    for key in ("train", "dev"):
        exact = [cost for _, cost in getattr(found, key)]
        assert [cost for _, cost in drawn[key]] == pytest.approx(exact, rel=1e-4)


def test_baselines_of_a_judged_run_are_named(runs: Path) -> None:
    baselines = {"zero": 0.5, "repeat": 0.25, "linear": None}
    edit(runs / NAME / "summary.json", prediction={"baselines": baselines})
    names = dict(curves_of(Run.open(runs / NAME)).baselines)
    assert names["predicting zero"] == 0.5
    assert names["repeating the last frame"] == 0.25
    assert "best linear predictor" not in names


def test_without_a_dev_example_there_is_no_dev_curve(made: Path) -> None:
    found = curves_of(Run.open(made / "1000x50-gru-199-s1"))
    assert found.dev == []
    assert "dev cost" not in found.described
    assert {tuple(row[3:]) for row in found.rows} == {("", "")}


def test_metrics_without_an_update_are_named(runs: Path) -> None:
    path = runs / NAME / "metrics.jsonl"
    first = path.read_text().splitlines()[0]
    path.unlink()
    path.write_text(first + "\n")
    with pytest.raises(RunError, match="holds no update"):
        curves_of(Run.open(runs / NAME))
