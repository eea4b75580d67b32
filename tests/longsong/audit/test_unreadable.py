"""Files that the system does not give are no difference: there is no evidence, and what cannot be read is named."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest
from audit_lies import BASE, NAME
from run_folders import copy, dump, edit, read

from longsong.audit import Audit, audit
from longsong.audit.run import Run
from longsong.errors import UnreadableError
from streams import shard_source

OTHER = "50x50-gru-256-s1"
ROWS = {
    "metrics.jsonl": {"P06", "P07", "P11", "P20", "D07"},
    "checkpoints/best.safetensors": {"P02", "P05", "P10"},
    "checkpoints/update-00000060/parameters.safetensors": {"P02", "P10", "D06"},
    "checkpoints/update-00000060/optimiser.safetensors": {"P20"},
    "generated.wav": {"P12", "P13", "P14", "P15"},
    "generated.json": {"P12", "P13", "P14", "P15"},
}
"""By file of a run, the rows that every run has to bear out and that rest on it."""


def refuse(monkeypatch: pytest.MonkeyPatch, refused: Path, after: int = 0) -> None:
    """Let the system not give a file, as it does not to whom it does not belong, after it was given a few times."""
    really, given = Path.open, [0]

    def open_or_fail(self, *words, **more):
        if self == refused:
            given[0] += 1
            if given[0] > after:
                raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return really(self, *words, **more)

    monkeypatch.setattr(Path, "open", open_or_fail)


def named(found: Audit, refused: Path) -> list[str]:
    return [problem for problem in found.problems if f"{refused} cannot be read (Permission denied)" in problem]


@pytest.mark.parametrize("name", ROWS)
def test_a_file_of_a_run_that_is_not_given_is_no_difference(
    name: str, runs: Path, honest_audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = runs / NAME / name
    assert refused.is_file()
    refuse(monkeypatch, refused)
    found = audit(runs)
    turned = {
        row.id: row.verdict.value
        for row, good in zip(found.rows, honest_audit.rows, strict=True)
        if row.verdict is not good.verdict
    }
    assert turned == dict.fromkeys(ROWS[name], "no evidence yet")
    assert named(found, refused)
    for id in ROWS[name]:
        row = found.row(id)
        assert "1 of 2 runs could not be checked" in row.text
        assert f"{refused} cannot be read (Permission denied); check its permissions" in row.text
        assert row.numbers["runs_that_could_not_be_checked"] == [NAME]
        assert id in "".join(named(found, refused))


def test_runs_none_of_which_is_given_are_no_evidence(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (NAME, OTHER):
        refuse(monkeypatch, runs / name / "metrics.jsonl")
    found = audit(runs)
    assert {found.row(id).verdict.value for id in ("P06", "P07", "P20", "D07", "D10", "D11")} == {"no evidence yet"}
    assert "2 of 2 runs could not be checked" in found.row("P06").text


def test_what_differs_all_the_same_differs(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(runs / OTHER / "config.json", training__epochs=29)
    refuse(monkeypatch, runs / NAME / "metrics.jsonl")
    row = audit(runs).row("P07")
    assert row.verdict == "differs"
    assert "29 epochs" in row.by
    assert "Permission denied" in row.text


def test_one_run_as_coded_is_enough_whatever_else_is_not_given(
    rewrite, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite(replace(BASE, evaluate_each_update=True))
    refuse(monkeypatch, runs / OTHER / "metrics.jsonl")
    row = audit(runs).row("D11")
    assert row.verdict == "reproduced"
    assert "Permission denied" in row.text


@pytest.mark.parametrize("name", ["index.json", "song-000000.tar"])
def test_shards_that_are_not_given_are_no_difference(
    name: str, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = tmp_path / "shards" / "tones"
    for path in runs.glob("*/config.json"):
        edit(path, song__shards=str(shards))
    refused = shards / name
    assert refused.is_file()
    really = os.open

    def open_or_fail(path, *words, **more):
        if str(path) == str(refused):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return really(path, *words, **more)

    refuse(monkeypatch, refused)
    monkeypatch.setattr(shard_source.os, "open", open_or_fail)
    found = audit(runs)
    row = found.row("P01")
    assert row.verdict == "no evidence yet"
    assert str(refused) in row.text
    assert "ermission" in row.text
    assert any(str(refused) in problem for problem in found.problems)
    assert not {row.id for row in found.rows if row.verdict == "differs" and str(refused) in row.by}


@pytest.mark.parametrize("after", [1, 2])
def test_a_wav_that_is_not_given_again_is_no_difference(
    after: int, runs: Path, honest_audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was read for its digest, or for its header, and then the disk failed."""
    refused = runs / NAME / "generated.wav"
    refuse(monkeypatch, refused, after)
    row = audit(runs).row("P15")
    assert row.verdict == "no evidence yet"
    assert f"{refused} cannot be read (Permission denied)" in row.text


def test_shards_of_a_newer_version_are_no_difference(runs: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards" / "tones"
    for path in runs.glob("*/config.json"):
        edit(path, song__shards=str(shards))
    dump(shards / "index.json", read(shards / "index.json") | {"version": 99})
    row = audit(runs).row("P01")
    assert row.verdict == "no evidence yet"
    assert "version 99 of the format, newer than" in row.text


def test_a_file_of_a_newer_version_is_no_difference(runs: Path) -> None:
    path = runs / NAME / "generated.json"
    dump(path, read(path) | {"version": 2})
    row = audit(runs).row("P15")
    assert row.verdict == "no evidence yet"
    assert "was written by a newer version" in row.text


def test_cells_that_are_not_given_are_no_difference(
    compared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = copy(compared, tmp_path / "compared")
    (runs / "cells.json").write_text("{}")
    refuse(monkeypatch, runs / "cells.json")
    found = audit(runs)
    assert found.row("P08").verdict == "no evidence yet"
    assert named(found, runs / "cells.json")


def test_checkpoints_that_cannot_be_looked_into_are_not_called_missing(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = runs / NAME / "checkpoints"
    really = Path.iterdir

    def look(self):
        if self == folder:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return really(self)

    monkeypatch.setattr(Path, "iterdir", look)
    with pytest.raises(UnreadableError, match=r"checkpoints cannot be read \(Permission denied\)"):
        _ = Run.open(runs / NAME).checkpoint
    assert audit(runs).row("P02").verdict == "no evidence yet"
