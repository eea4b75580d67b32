"""Copies of runs: told by numbers that no run has twice, however the files are written."""

from __future__ import annotations

from pathlib import Path

from run_folders import copy, edit_metrics

from longsong.audit.copied_runs import copied_runs
from longsong.audit.evidence import Evidence

NAME = "40x50-gru-199-s1"


def test_a_copy_names_the_first_run_with_its_numbers(runs: Path) -> None:
    copy(runs / NAME, runs / "a")
    copy(runs / NAME, runs / "z")
    assert copied_runs(Evidence.load(runs).complete) == {"a": NAME, "z": NAME}


def test_a_run_made_again_took_other_seconds(runs: Path) -> None:
    """On one machine its costs are the same to the last bit."""
    again = copy(runs / NAME, runs / "again")
    edit_metrics(again, lambda line: line | {"seconds": line["seconds"] + 1e-6} if "seconds" in line else line)
    assert copied_runs(Evidence.load(runs).complete) == {}


def test_metrics_that_cannot_be_read_tell_nothing(runs: Path) -> None:
    copy(runs / NAME, runs / "a")
    (runs / NAME / "metrics.jsonl").unlink()
    assert copied_runs(Evidence.load(runs).complete) == {}
