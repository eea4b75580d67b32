"""Which way of carrying the state is believed, where a run's own does not explain its dev cost exactly."""

from __future__ import annotations

from pathlib import Path

import pytest

from longsong.audit import evidence as evidence_module
from longsong.audit.evidence import Evidence
from longsong.audit.revaluate import DevCost

REPORTED = 0.01


@pytest.mark.parametrize(
    ("own", "other", "believed"),
    [
        (5e-6, 1e-9, "time"),  # exact enough by itself
        (5e-5, 2.5e-5, "time"),
        (5e-5, 6e-6, "time"),  # eight times better: another device may be as far off
        (5e-5, 4e-6, "batch"),
        (5e-2, 4e-6, "batch"),
        (5e-2, 5e-2, "time"),
    ],
)
def test_another_way_is_believed_that_explains_it_ten_times_better(
    own: float, other: float, believed: str, honest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = {("time", 50): own, ("batch", 128): other}

    def revaluate(run, song, recurrence: str, span: int, workload) -> DevCost:
        computed = {1: REPORTED / (1 + errors.get((recurrence, span), 0.5))}
        return DevCost(30, REPORTED, recurrence, span, computed, {"mean": 1.0})

    monkeypatch.setattr(evidence_module, "revaluate", revaluate)
    evidence = Evidence.load(honest)
    run = next(run for run in evidence.complete if run.name == "40x50-gru-199-s1")
    assert evidence.dev_cost(run).recurrence == believed
