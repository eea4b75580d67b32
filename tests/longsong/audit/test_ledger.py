"""The audit as a whole: what it writes, what it makes of folders that are empty, torn or real."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from run_folders import dump, edit, read

import longsong.audit.checks_data as checks_data
import longsong.audit.grid as grid_module
import longsong.audit.planned as planned
from longsong.audit import Audit, audit, format_audit, write_audit
from longsong.audit.evidence import Evidence
from longsong.audit.verdicts import Verdict
from longsong.errors import RunError
from longsong.files import read_json, sha256_of, write_json
from longsong.reported import Configuration

NAME = "40x50-gru-199-s1"


def test_no_runs_are_no_evidence(tmp_path: Path) -> None:
    grid = {"format": "longsong.grid", "version": 1, "profile": "demo", "set": "post", "runs": []}
    write_json(tmp_path / "grid.json", grid)
    found = audit(tmp_path)
    assert {row.verdict.value for row in found.rows if row.id != "P16"} == {"no evidence yet"}
    assert all("Run: longsong" in row.text for row in found.rows if row.id != "P16")


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no folder"):
        audit(tmp_path / "none")
    with pytest.raises(RunError, match="holds no run"):
        audit(tmp_path)


def test_audit_as_json(honest_audit: Audit, honest: Path, tmp_path: Path) -> None:
    write_audit(honest_audit, tmp_path / "audit.json")
    held = read_json(tmp_path / "audit.json", "longsong.audit", 1)
    assert [row["id"] for row in held["rows"]] == [row.id for row in honest_audit.rows]
    assert sum(held["counts"].values()) == len(held["rows"]) == 37
    assert held["runs"] == {"complete": 2, "unfinished": 0}
    for row in held["rows"]:
        assert row["text"]
        for file in row["files"]:
            path = Path(file["path"]) if Path(file["path"]).is_absolute() else honest / file["path"]
            assert sha256_of(path) == file["sha256"]


def test_honest_runs_bear_the_claims_out(honest_audit: Audit) -> None:
    verdicts = {row.id: row.verdict.value for row in honest_audit.rows}
    without = {id for id, verdict in verdicts.items() if verdict == "no evidence yet"}
    assert without == {"P03", "P04", "P08", "P09"}
    assert verdicts["P16"] == "cannot be"
    assert {id for id, verdict in verdicts.items() if verdict == "differs"} == {"P17"} | {
        f"D{n:02}" for n in range(1, 16) if n not in (6, 7)
    }


def test_by_how_much_a_row_differs_is_said_and_written(honest_audit: Audit) -> None:
    for row in honest_audit.rows:
        assert bool(row.by) == (row.verdict is Verdict.DIFFERS), row.id
    assert honest_audit.to_json()["rows"][16]["by"] == honest_audit.row("P17").by
    assert f"By: {honest_audit.row('D09').by}." in format_audit(honest_audit, width=200)


def test_same_runs_same_audit(honest: Path, honest_audit: Audit) -> None:
    assert json.dumps(audit(honest).to_json()) == json.dumps(honest_audit.to_json())


def test_audit_on_a_terminal(honest_audit: Audit) -> None:
    text = format_audit(honest_audit, width=80)
    assert max(map(len, text.splitlines()[:-1])) <= 80
    for row in honest_audit.rows:
        assert f"{row.id}  {row.verdict.upper()}" in text
    assert text.endswith("(2 complete runs).")


def test_unfinished_run_bears_no_witness(runs: Path, turned: Callable[[Path], dict[str, str]]) -> None:
    (runs / "50x50-gru-256-s1" / "summary.json").unlink()
    found = audit(runs)
    assert (found.complete, found.unfinished) == (1, 1)
    assert found.row("P10").verdict is Verdict.NO_EVIDENCE
    assert "256" in found.row("P10").text
    assert turned(runs) == {"P10": "no evidence yet"}


@pytest.mark.parametrize("name", ["config.json", "summary.json"])
@pytest.mark.parametrize("fault", ["cut", "newer", "word", "missing"])
def test_file_that_cannot_be_read_is_named(name: str, fault: str, runs: Path) -> None:
    path = runs / NAME / name
    held = read(path)
    if fault == "cut":
        text = path.read_text()
        path.unlink()
        path.write_text(text[:100])
    elif fault == "newer":
        dump(path, held | {"version": 2})
    elif fault == "word":
        edit(path, **({"data__frame": "forty"} if name == "config.json" else {"epochs": "thirty"}))
    else:
        held.pop("song" if name == "config.json" else "best")
        dump(path, held)
    found = audit(runs)
    (problem,) = found.problems
    assert str(path) in problem
    assert f"Not read: {problem}" in format_audit(found, 100)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("metrics.jsonl", {"P06", "P07", "P11", "P20"}),
        ("generated.json", {"P12", "P13", "P14", "P15"}),
        ("generated.wav", {"P12", "P13", "P14", "P15"}),
        ("checkpoints/best.safetensors", {"P02", "P05", "P10"}),
    ],
)
def test_file_that_is_gone_breaks_what_it_should_show(
    name: str, rows: set[str], runs: Path, turned: Callable[[Path], dict[str, str]]
) -> None:
    (runs / NAME / name).unlink()
    found = turned(runs)
    assert {id for id, verdict in found.items() if verdict == "differs"} == rows


def test_parameters_that_are_none(runs: Path, turned: Callable[[Path], dict[str, str]]) -> None:
    (path,) = (runs / NAME / "checkpoints").glob("update-*/parameters.safetensors")
    path.unlink()
    path.write_bytes(b"\x10\x00\x00")
    assert {id for id, verdict in turned(runs).items() if verdict == "differs"} == {"P02", "P10", "D06"}


def test_metrics_line_that_is_none(runs: Path) -> None:
    path = runs / NAME / "metrics.jsonl"
    text = path.read_text()
    path.unlink()
    path.write_text(text + '{"kind": "update", "update": "x"}\n')
    assert audit(runs).row("P07").verdict is Verdict.DIFFERS


def test_torn_grid_is_named(runs: Path) -> None:
    (runs / "grid.json").unlink()
    (runs / "grid.json").write_text("{")
    (problem,) = audit(runs).problems
    assert "grid.json" in problem


def test_all_sizes_run(honest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a post that names just what was run, P03 and P04 are reproduced."""
    for module in (checks_data, grid_module):
        monkeypatch.setattr(module, "FRAMES", (40, 50))
        monkeypatch.setattr(module, "SEQUENCES", (50,))
    found = Evidence.load(honest)
    assert checks_data.frame_sizes(found).verdict is Verdict.REPRODUCED
    assert checks_data.sequence_lengths(found).verdict is Verdict.REPRODUCED


def test_what_is_left_cannot_be(honest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (checks_data, grid_module):
        monkeypatch.setattr(module, "FRAMES", (40, 50, 40000))
    finding = checks_data.frame_sizes(Evidence.load(honest))
    assert finding.verdict is Verdict.CANNOT_BE
    assert finding.numbers["cannot_be"] == [40000]
    assert "2,000,000" in finding.text


def test_sizes_of_no_post(honest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (checks_data, grid_module):
        monkeypatch.setattr(module, "FRAMES", (80, 100))
    finding = checks_data.frame_sizes(Evidence.load(honest))
    assert finding.verdict is Verdict.NOT_STATED
    assert finding.numbers["not_stated_by_the_post"] == [40, 50]


def test_grid_counts_the_35_configurations(honest_audit: Audit) -> None:
    numbers = honest_audit.row("P04").numbers
    assert len(numbers["grid"]) == 35
    assert sum(numbers["configurations"].values()) == 35
    for cell in numbers["grid"]:
        assert (cell["state"] == "cannot be") == (cell["frame"] * cell["seq"] > 293_874)


def test_runs_of_the_code_are_no_evidence_for_the_post(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of configurations that the code alone has; of any other a plan may say what it likes."""
    grid = read(runs / "grid.json")
    for entry in grid["runs"]:
        entry["set"] = "code"
    dump(runs / "grid.json", grid)
    assert {run.set for run in Evidence.load(runs).runs} == {"post"}
    assert audit(runs).row("P07").verdict is Verdict.REPRODUCED
    own = (Configuration(40, 50, 199), Configuration(50, 50, 256))
    monkeypatch.setattr(planned, "CODE_CONFIGURATIONS", own)
    found = Evidence.load(runs)
    assert {run.set for run in found.runs} == {"code"}
    assert len(found.described) == 2  # the post has these configurations too
    monkeypatch.setattr(planned, "post_configurations", list)
    assert audit(runs).row("P07").verdict is Verdict.NO_EVIDENCE


def test_comparison_is_on_the_page(compared: Path) -> None:
    found = audit(compared)
    assert found.row("P08").verdict is Verdict.REPRODUCED
    assert [one["cell"] for one in found.row("P08").numbers["comparisons"]] == ["lstm", "rnn"]
    assert "parameters" in found.row("P08").text


def test_a_real_run_agrees_with_the_audits_own_numbers(song: Path, tmp_path: Path) -> None:
    """What the trainer reports and generates, the audit computes again with code of its own."""
    import longsong
    from longsong import DataConfig, ExecutionConfig, ModelConfig, RunConfig, TrainingConfig
    from longsong.generated import write_generated

    runs = tmp_path / "runs"
    for cell, recurrence in (("gru", "time"), ("lstm", "time"), ("gru", "batch")):
        config = RunConfig(
            shards=song,
            data=DataConfig(frame=800, seq=6, batch=32),
            model=ModelConfig(cell=cell, hidden=12, recurrence=recurrence),
            training=TrainingConfig(epochs=2),
            execution=ExecutionConfig(device="cpu", threads=1),
            out=runs / f"{cell}-{recurrence}",
        )
        run = longsong.load_run(longsong.train(config, quiet=True))
        write_generated(run.generate(30), run.folder / "generated.wav")
    found = audit(runs)
    assert found.problems == ()
    reproduced = {row.id for row in found.rows if row.verdict is Verdict.REPRODUCED}
    assert reproduced == {
        "P01", "P02", "P05", "P11", "P12", "P13", "P14", "P15", "P18", "P19", "P20", "P22", "D01", "D06", "D07",
    }  # fmt: skip
    assert found.row("P20").numbers["runs_computed_again"] == 3
    assert found.row("P20").numbers["largest_difference"] < 1e-4
    assert found.row("P17").verdict is Verdict.NO_EVIDENCE  # after two updates no state counts
    assert found.row("P21").verdict is Verdict.DIFFERS
    assert found.row("P05").numbers["runs_computed_again"] == 3
    assert found.row("P14").numbers["runs_computed_again"] == 3
    assert found.row("D01").text.startswith("1 of 3 runs as the 2016 code did: gru-batch")
    assert found.row("P06").verdict is found.row("P07").verdict is Verdict.DIFFERS
    assert "2 epochs" in found.row("P07").text
