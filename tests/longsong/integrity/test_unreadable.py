"""What cannot be read may be whole: it is named, and nothing is moved or made again for it."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from planned_grids import planned_grid
from run_folders import dump

from longsong.cli import main
from longsong.errors import UnreadableError, VersionError
from longsong.generated import is_generated
from longsong.grid_file import read_grid, write_grid
from longsong.integrity import damages, set_aside, set_files_aside
from longsong.training.checkpoint_files import read_best_record

OF_A_RUN = (
    "config.json", "summary.json", "metrics.jsonl", "checkpoints/update-00000012/parameters.safetensors",
    "checkpoints/update-00000012/state.json", "checkpoints/best.safetensors", "checkpoints/best.json",
    "generated-0.5s.wav", "generated-0.5s.json",
)  # fmt: skip


def refuse(monkeypatch: pytest.MonkeyPatch, refused: Path) -> None:
    """Let the system not give a file, as it does not where a disk or a network fails."""
    really = Path.open

    def open_or_fail(self, *words, **more):
        if self == refused:
            raise OSError(errno.EIO, "Input/output error", str(self))
        return really(self, *words, **more)

    monkeypatch.setattr(Path, "open", open_or_fail)


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", OF_A_RUN)
def test_a_run_with_a_file_that_is_not_given_stays_as_it_is(complete_run, copied, monkeypatch, name):
    run = copied(complete_run)
    before = everything(run.parent)
    with monkeypatch.context() as patched:
        refuse(patched, run / name)
        for look in (damages, set_aside):
            with pytest.raises(UnreadableError, match=r"cannot be read \(Input/output error\)") as error:
                look(run)
            assert Path(name).name in str(error.value)
    assert everything(run.parent) == before


@pytest.mark.parametrize("name", [name for name in OF_A_RUN if name.endswith(".json")])
def test_a_run_of_a_newer_version_stays_as_it_is(complete_run, copied, name):
    run = copied(complete_run)
    dump(run / name, json.loads((run / name).read_text()) | {"version": 2})
    before = everything(run.parent)
    for look in (damages, set_aside):
        with pytest.raises(VersionError, match=r"written by a newer version .*update longsong"):
            look(run)
    assert everything(run.parent) == before


def test_a_sound_that_is_not_given_is_not_made_again(complete_run, copied, monkeypatch):
    run = copied(complete_run)
    for ending in ("json", "wav"):
        (run / f"generated-0.5s.{ending}").rename(run / f"generated.{ending}")
    with monkeypatch.context() as patched:
        refuse(patched, run / "generated.json")
        with pytest.raises(UnreadableError):
            is_generated(run, 4)
    with monkeypatch.context() as patched:
        refuse(patched, run / "checkpoints" / "best.json")
        with pytest.raises(UnreadableError):
            read_best_record(run / "checkpoints")


@pytest.mark.parametrize("name", ["grid.json", "notes.json", "cells.json", "a.png", "events.out.tfevents.1"])
def test_a_file_beside_the_runs_that_is_not_given_stays_there(complete_run, copied, monkeypatch, name, capsys):
    runs = copied(complete_run).parent
    write_grid(runs, planned_grid())
    (runs / name).touch()
    (runs / "index.html").touch()  # a page, whose pictures are ours
    before = everything(runs)
    with monkeypatch.context() as patched:
        refuse(patched, runs / name)
        if name.startswith(("notes", "a.")):  # read at once
            patched.setattr(Path, "read_bytes", lambda self: self.open("rb").read())
        assert set_files_aside(runs) == []
        capsys.readouterr()
        for more in ([], ["--set-aside"]):
            assert main(["verify", str(runs), *more]) == 1
            said = capsys.readouterr().err
            assert f"{runs / name} cannot be read" in said
            assert "puts it aside" not in said
    assert everything(runs) == before


def test_a_grid_of_a_newer_version_stays_there(complete_run, copied):
    runs = copied(complete_run).parent
    write_grid(runs, planned_grid())
    dump(runs / "grid.json", json.loads((runs / "grid.json").read_text()) | {"version": 2})
    assert set_files_aside(runs) == []
    with pytest.raises(VersionError):
        read_grid(runs)
