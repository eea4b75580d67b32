"""A check that a run brings down, whatever the error: the run is named, and the others are judged."""

from __future__ import annotations

from pathlib import Path

import pytest
from audit_lies import NAME

from longsong.audit import audit, format_audit, ledger
from longsong.audit.evidence import Evidence
from longsong.audit.guard import Guard
from longsong.audit.verdicts import Finding, Verdict
from longsong.errors import RunError

OTHER = "50x50-gru-256-s1"


def count(evidence: Evidence) -> Finding:
    return Finding(Verdict.REPRODUCED, f"{len(evidence.complete)} runs.", {"runs": len(evidence.complete)})


def brought_down(error: BaseException, by: tuple[str, ...] = (NAME,)):
    def check(evidence: Evidence) -> Finding:
        if any(run.name in by for run in evidence.complete):
            raise error
        return count(evidence)

    return check


@pytest.fixture
def evidence(honest: Path) -> Evidence:
    return Evidence.load(honest)


def test_what_goes_well_is_left_as_it_is(evidence: Evidence) -> None:
    guard = Guard()
    assert guard.find("P01", count, evidence) == count(evidence)
    assert guard.problems == ()


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (RunError("the file is cut"), "the file is cut"),
        (MemoryError("2 TiB"), "MemoryError: 2 TiB"),
        (ZeroDivisionError("float division by zero"), "ZeroDivisionError: float division by zero"),
        (RecursionError("too deep"), "RecursionError: too deep"),
        (KeyError("x"), "KeyError: 'x'"),
    ],
)
def test_a_run_that_brings_a_check_down_is_named_and_the_other_judged(
    evidence: Evidence, error: Exception, why: str
) -> None:
    guard = Guard()
    found = guard.find("P01", brought_down(error), evidence)
    said = f"1 of 2 runs could not be checked ({NAME}: {why})."
    assert found.verdict is Verdict.REPRODUCED
    assert found.text == f"1 runs. {said}"
    assert found.numbers == {"runs": 1, "runs_that_could_not_be_checked": [NAME]}
    guard.find("P02", brought_down(error), evidence)
    assert guard.problems == (f"P01, P02: {said}",)  # once


def test_a_check_that_no_run_brings_down_alone_finds_nothing(evidence: Evidence) -> None:
    def check(found: Evidence) -> Finding:
        if len(found.complete) == 2:
            raise OverflowError("too large")
        return count(found)

    guard = Guard()
    found = guard.find("D01", check, evidence)
    assert (found.verdict, found.text) == (
        Verdict.NO_EVIDENCE,
        "This could not be checked: OverflowError: too large.",
    )
    assert guard.problems == ("D01: This could not be checked: OverflowError: too large.",)


def test_where_all_do_the_rest_is_judged_as_a_folder_without_runs(evidence: Evidence) -> None:
    found = Guard().find("P01", brought_down(ValueError("no"), (NAME, OTHER)), evidence)
    assert found.text == f"0 runs. 2 of 2 runs could not be checked ({NAME}: ValueError: no; {OTHER}: ValueError: no)."


def test_reasons_are_kept_short(evidence: Evidence) -> None:
    found = Guard().find("P01", brought_down(ValueError("x\n" * 10_000)), evidence)
    assert len(found.text) < 500
    assert "\n" not in found.text


def test_a_call_to_stop_stops(evidence: Evidence) -> None:
    with pytest.raises(KeyboardInterrupt):
        Guard().find("P01", brought_down(KeyboardInterrupt()), evidence)


def test_the_ledger_says_so_in_its_row_and_at_its_end(honest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ledger.CHECKS, "P07", brought_down(OverflowError("inf")))
    found = audit(honest)
    assert f"({NAME}: OverflowError: inf)" in found.row("P07").text
    assert found.row("P06").verdict == "reproduced"
    assert f"Not read: P07: 1 of 2 runs could not be checked ({NAME}: OverflowError: inf)." in format_audit(found)
    monkeypatch.setattr(ledger, "feasibility", brought_down(TypeError("a word")))
    assert any("could not be laid out (TypeError: a word)" in problem for problem in audit(honest).problems)
