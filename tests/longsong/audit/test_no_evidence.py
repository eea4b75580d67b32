"""What is no lie: runs from elsewhere, of another kind, or too few; they bear no witness, and the row says so."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from run_folders import comparison, copy, edit, write_run

from longsong.audit import audit
from longsong.audit.ledger import OF_THE_SONG
from longsong.audit.verdicts import Verdict

NAME = "40x50-gru-199-s1"


def test_runs_from_another_machine_say_what_to_bring(
    runs: Path, tmp_path: Path, turned: Callable[[Path], dict[str, str]]
) -> None:
    """Their folders alone: without the shards, what can be said is said, and nothing differs for that."""
    shutil.rmtree(tmp_path / "shards")
    for path in runs.glob("*/config.json"):
        edit(path, song__shards="/home/else/shards/tones")
    rows = turned(runs)
    assert set(rows.values()) == {"no evidence yet"}
    assert set(rows) == OF_THE_SONG
    found = audit(runs)
    for id in OF_THE_SONG:
        assert found.row(id).text.endswith(
            "Bring: a copy of /home/else/shards/tones, into shards/ beside the folder of runs."
        )
    assert {found.row(id).verdict.value for id in ("P02", "P06", "P07", "P10", "P15", "P18", "D06")} == {"reproduced"}


def test_shards_that_were_brought_are_found(runs: Path, turned: Callable[[Path], dict[str, str]]) -> None:
    """The fixture has put a copy of the shards beside the runs."""
    for path in runs.glob("*/config.json"):
        edit(path, song__shards="/home/else/shards/tones")
    assert turned(runs) == {}


def test_carried_state_is_not_the_posts_way(runs: Path) -> None:
    for record in runs.glob("*/generated.json"):
        edit(record, mode="carry")
    found = audit(runs)
    assert {found.row(id).verdict.value for id in ("P12", "P14")} == {"no evidence yet"}
    assert found.row("P15").verdict == "reproduced"


def test_sounds_of_other_names_are_named(runs: Path) -> None:
    for record in runs.glob("*/generated.json"):
        record.with_name("generated-carry-clip.json").write_text(record.read_text())
        record.with_suffix(".wav").rename(record.with_name("generated-carry-clip.wav"))
        record.unlink()
    found = audit(runs)
    said = "no generated.wav yet; what has another name (40x50-gru-199-s1/generated-carry-clip.wav, 50x50-gru-256-s1/"
    for id in ("P12", "P13", "P14", "P15", "D02", "D03", "D04", "D13", "D14", "D15"):
        assert found.row(id).verdict == "no evidence yet"
        assert said in found.row(id).text


def test_seeds_of_wavs_are_stated_by_no_one(runs: Path) -> None:
    for record in runs.glob("*/generated.json"):
        edit(record, seed={"source": "wav", "example": None, "start": 0, "stop": 1, "file": "mine.wav"})
    found = audit(runs)
    assert found.row("D15").verdict == "not stated"
    assert found.row("P13").verdict == "no evidence yet"


def test_runs_of_other_normalisation_are_not_stated(runs: Path) -> None:
    for config in runs.glob("*/config.json"):
        edit(config, data__normalise="none")
    assert audit(runs).row("D12").verdict == "not stated"


def test_updates_from_the_parameters_of_another_run_are_not_computed_again(runs: Path) -> None:
    for path in runs.glob("*/config.json"):
        edit(path, training__start_from="runs/other")
    row = audit(runs).row("P20")
    assert row.verdict == "no evidence yet"
    assert row.numbers["runs_computed_again"] == 0


def test_cells_that_have_learnt_nothing_bear_no_witness(song: Path, tmp_path: Path) -> None:
    for spec in comparison(0.0, ("gru", "lstm")):
        write_run(tmp_path, song, replace(spec, aim=0.99 + 0.001 * spec.seed))
    found = audit(tmp_path)
    for id in ("P08", "P09"):
        assert found.row(id).verdict == "no evidence yet"
        assert "neither has learnt" in found.row(id).text.lower()


def test_two_seeds_are_not_enough(compared: Path, tmp_path: Path) -> None:
    runs = copy(compared, tmp_path / "runs")
    shutil.rmtree(runs / "40x50-lstm-199-s3")
    assert audit(runs).row("P08").verdict == "no evidence yet"


@pytest.mark.parametrize(
    ("above", "rows"),
    [
        (0.0, {"P08": "reproduced", "P09": "reproduced"}),
        (0.045, {"P08": "no evidence yet", "P09": "differs"}),
    ],
)
def test_how_far_apart_the_cells_are_is_said(above: float, rows: dict[str, str], song: Path, tmp_path: Path) -> None:
    for spec in comparison(above, ("gru", "lstm")):
        write_run(tmp_path, song, spec)
    found = audit(tmp_path)
    assert {id: found.row(id).verdict.value for id in rows} == rows
    (compared,) = found.row("P08").numbers["comparisons"]
    assert compared["relative_difference"] == pytest.approx(above, abs=0.01)
    assert compared["seconds_per_update_over_gru"] == pytest.approx(1.3)


def test_checkpoints_that_nobody_went_on_from_do_not_show_resuming(runs: Path) -> None:
    for path in runs.glob("*/summary.json"):
        edit(path, starts=1)
    row = audit(runs).row("D10")
    assert row.verdict is Verdict.NO_EVIDENCE
    assert "was not shown" in row.text


def test_the_licence_beside_the_code_is_seen(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import longsong

    package = tmp_path / "checkout" / "src" / "longsong"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (tmp_path / "checkout" / "pyproject.toml").touch()
    (tmp_path / "checkout" / "LICENSE").write_text("MIT")
    monkeypatch.setattr(longsong, "__file__", str(package / "__init__.py"))
    assert audit(runs).row("P16").verdict is Verdict.CANNOT_BE
