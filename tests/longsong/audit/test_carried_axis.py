"""The axis that a run carried its state along (D01): what shows it, and what a run's word alone comes to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from run_folders import Spec, edit, edit_metrics, read, write_run

from longsong.audit.carried_axis import carried_axis
from longsong.audit.checks_code_training import recurrence_axis
from longsong.audit.evidence import Evidence

NO_DEV = Spec(1000, 50)


def found_of(runs: Path, name: str):
    evidence = Evidence.load(runs)
    return carried_axis(evidence, next(run for run in evidence.complete if run.name == name))


def test_the_dev_cost_tells(honest: Path) -> None:
    found = found_of(honest, "40x50-gru-199-s1")
    assert (found.axis, found.shown_by, found.neither) == ("time", "dev cost", False)
    assert found.change is not None
    assert abs(found.change) > 1e-4


@pytest.mark.parametrize("axis", ["time", "batch"])
def test_without_a_dev_example_the_first_update_tells(song: Path, tmp_path: Path, axis: str) -> None:
    write_run(tmp_path, song, replace(NO_DEV, recurrence=axis))
    found = found_of(tmp_path, NO_DEV.name)
    assert (found.axis, found.shown_by) == (axis, "first update")
    assert recurrence_axis(Evidence.load(tmp_path)).verdict == ("reproduced" if axis == "batch" else "differs")


def test_a_first_update_along_time_does_not_bear_out_the_other_axis(song: Path, tmp_path: Path) -> None:
    edit(write_run(tmp_path, song, NO_DEV) / "config.json", model__recurrence="batch")
    found = found_of(tmp_path, NO_DEV.name)
    assert found.neither
    assert "batch by its configuration, but its first update is" in found.says


def test_a_word_that_nothing_shows_does_not_reproduce_it(song: Path, tmp_path: Path) -> None:
    """What it started from is not here, so that no first update can be computed."""
    run = write_run(tmp_path, song, replace(NO_DEV, recurrence="batch"))
    edit(run / "config.json", training__start_from="runs/other")
    alone = recurrence_axis(Evidence.load(tmp_path))
    assert alone.verdict == "no evidence yet"
    assert f"nothing shows it ({NO_DEV.name}: neither a dev cost nor a first update of it" in alone.text
    assert alone.numbers["runs_of_their_word_alone"] == 1
    write_run(tmp_path, song, Spec(40, 50))
    beside = recurrence_axis(Evidence.load(tmp_path))
    assert beside.verdict == "differs"
    assert "nothing shows it" in beside.text
    edit(run / "config.json", model__recurrence="time")
    assert (found := found_of(tmp_path, NO_DEV.name)).axis == "time"
    assert found.shown_by is None


def test_a_network_without_state_does_not_show_the_axis_by_its_dev_cost(song: Path, tmp_path: Path) -> None:
    """Its cost is the same over both; its first update, at weights that have state, is not."""
    spec = replace(Spec(40, 50), memoryless=True, recurrence="batch")
    run = write_run(tmp_path, song, spec)
    assert found_of(tmp_path, spec.name).shown_by == "first update"
    edit(run / "config.json", training__start_from="runs/other")
    assert found_of(tmp_path, spec.name).axis is None


def test_an_update_that_both_axes_explain_shows_neither(song: Path, tmp_path: Path) -> None:
    """At weights of nearly nothing no state counts."""
    spec = replace(NO_DEV, recurrence="batch", init_width=1e-6)
    run = write_run(tmp_path, song, spec)
    found = found_of(tmp_path, spec.name)
    assert (found.axis, found.shown_by) == (None, None)
    assert "off over the mini-batch, and" in found.says
    first = read(run / "summary.json")["first_train_cost"]
    edit_metrics(run, lambda line: line | {"train_cost": 1.01 * first} if line.get("update") == 1 else line)
    assert found_of(tmp_path, spec.name).neither
