"""`longsong audit --json` and `--strict`, as CI calls them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from audit_lies import NAME
from run_folders import dump, edit_metrics, read, write_sound

from longsong.audit import audit, write_audit
from longsong.audit.evidence import Evidence
from longsong.audit.record import Lapse, lapses, read_reproduced
from longsong.cli import main
from longsong.errors import RunError, SpaceError


@pytest.fixture
def kept(runs: Path, tmp_path: Path) -> Path:
    """An honest folder whose audit is on record, there and in a file of its own."""
    write_audit(audit(runs), runs / "audit.json")
    kept = tmp_path / "kept.json"
    kept.write_bytes((runs / "audit.json").read_bytes())
    return kept


def shorten(runs: Path) -> None:
    """Break P15 alone."""
    write_sound(runs / NAME, np.resize((np.arange(480) * 7).astype(np.int16), 478_400))


def test_json_is_the_whole_of_standard_output(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(runs), "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    written = json.loads((runs / "audit.json").read_text())
    assert len(written.pop("rest_sha256")) == 64
    assert found == written
    assert {row["id"] for row in found["rows"]} >= {"P01", "P22", "D15"}
    assert "the report is" in err


def test_strict_passes_while_nothing_lapses(runs: Path, kept: Path) -> None:
    assert main(["audit", str(runs), "--strict"]) == 0
    assert main(["audit", str(runs), "--strict", "--against", str(kept)]) == 0


def test_strict_fails_and_goes_on_failing(runs: Path, kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit_metrics(runs / NAME, lambda line: None if line.get("update") == 5 and "seconds" in line else line)
    before = (runs / "audit.json").read_bytes()
    for _ in range(2):
        assert main(["audit", str(runs), "--strict"]) == 1
        (line,) = [line for line in capsys.readouterr().err.splitlines() if "P06" in line]
        assert line.startswith(
            "longsong: P06 was reproduced and is now 'differs': update 6 stands where number 5 is due"
        )
        assert (runs / "audit.json").read_bytes() == before
    assert main(["audit", str(runs), "--strict", "--against", str(kept)]) == 1
    capsys.readouterr()
    assert main(["audit", str(runs), "--strict", "--json", "--against", str(kept)]) == 1
    out, err = capsys.readouterr()
    assert next(row for row in json.loads(out)["rows"] if row["id"] == "P06")["verdict"] == "differs"
    assert "P06 was reproduced" in err
    assert (runs / "audit.json").read_bytes() == before
    # Without --strict the record is the new one, and says so; a file that is kept elsewhere still tells.
    assert main(["audit", str(runs)]) == 0
    assert main(["audit", str(runs), "--strict"]) == 0
    assert main(["audit", str(runs), "--strict", "--against", str(kept)]) == 1


def test_evidence_that_is_gone_is_a_lapse_too(runs: Path, kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / NAME / "summary.json").unlink()
    (runs / "50x50-gru-256-s1" / "summary.json").unlink()
    assert main(["audit", str(runs), "--strict"]) == 1
    assert "P07 was reproduced and is now 'no evidence yet': No run is complete." in capsys.readouterr().err


def test_a_row_that_is_reproduced_since_is_no_lapse_but_is_held_from_then_on(runs: Path, kept: Path) -> None:
    good = json.loads(kept.read_text())
    for row in good["rows"]:
        if row["id"] == "P15":
            row["verdict"] = "differs"
    dump(runs / "audit.json", good)
    assert main(["audit", str(runs), "--strict"]) == 0
    shorten(runs)
    assert main(["audit", str(runs), "--strict"]) == 1


def test_nothing_to_compare_with_is_refused(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(runs), "--strict"]) == 2
    assert "to compare with" in capsys.readouterr().err
    assert main(["audit", str(runs), "--strict", "--against", str(tmp_path / "none.json")]) == 2
    assert not (runs / "audit.json").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--against", "x.json"], "--strict alone"),
        (["--as-coded", "--json"], "audit alone"),
        (["--cells", "--strict"], "audit alone"),
    ],
)
def test_options_that_do_not_go_together(
    words: list[str], said: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", str(runs), *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [{"version": 2}, {"rows": []}, {"rows": 3}, {"rows": [{"id": "P01", "verdict": "fine"}]}, {"rows": ["P01"]}],
    ids=str,
)
def test_record_that_is_none_is_refused_by_name(change: dict[str, object], runs: Path, kept: Path) -> None:
    dump(kept, read(kept) | change)
    with pytest.raises(RunError, match=str(kept)):
        read_reproduced(kept)
    assert main(["audit", str(runs), "--strict", "--against", str(kept)]) == 2


def without_a_reproduced_row(found: dict[str, object]) -> None:
    for row in found["rows"]:
        row["verdict"] = "differs" if row["verdict"] == "reproduced" else row["verdict"]


def one_row_alone(found: dict[str, object]) -> None:
    del found["rows"][1:]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_a_reproduced_row, "has 0 claims that were reproduced, so that nothing could lapse"),
        (one_row_alone, "has 1 rows, and none of P02, P03, P04 and others"),
        (lambda found: found["rows"].clear(), "has no rows to compare with"),
    ],
)
def test_a_record_that_nothing_could_lapse_from_is_an_error(
    change: Callable[[dict[str, object]], None],
    said: str,
    runs: Path,
    kept: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = read(kept)
    change(found)
    dump(kept, found)
    assert main(["audit", str(runs), "--strict", "--against", str(kept)]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "run longsong audit RUNS once without --strict" in err


def test_a_claim_that_is_no_longer_audited_is_a_lapse(runs: Path) -> None:
    found = lapses(("P01", "P99"), audit(runs))
    assert found == (Lapse("P99", "no row", "this version audits no such claim"),)


def test_lapses_are_one_line_each() -> None:
    assert Lapse("P07", "differs", "29\nepochs").sentence() == "P07 was reproduced and is now 'differs': 29 epochs"


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_a_folder_that_may_not_be_written_to_is_audited(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    def refuse(*_: object) -> None:
        raise SpaceError("no permission to write audit.json; change it, or write elsewhere")

    monkeypatch.setattr("longsong.audit.write_audit", refuse)
    assert main(["audit", str(runs), *words]) == 0
    out, err = capsys.readouterr()
    assert "P01" in out
    assert "neither audit.json nor the page is written" in err


def test_a_folder_that_cannot_be_looked_into_is_named(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (runs / "closed").mkdir()
    really = os.access
    monkeypatch.setattr("os.access", lambda path, mode: really(path, mode) and Path(path).name != "closed")
    assert Evidence.load(runs).problems == (f"{runs / 'closed'} cannot be looked into; check its permissions",)


def test_a_run_is_told_from_a_folder_of_runs(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = next(runs.glob("*/config.json")).parent
    assert main(["audit", str(run)]) == 2
    assert f"is a run itself; give the folder that it is in: {runs.resolve()}" in capsys.readouterr().err


def test_the_page_is_written_by_a_command_of_its_own(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(runs)]) == 0
    page = Path(capsys.readouterr().out.strip())
    assert page.read_text().startswith("<!doctype html>")
    assert (runs / "audit.json").exists()
