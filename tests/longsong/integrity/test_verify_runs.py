"""`longsong verify RUNS`: all of a folder, with progress, and the exit status."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from damage import cut, flip, remove
from PIL import Image
from planned_grids import planned_grid, planned_run
from training_runs import train

from longsong.cli import main
from longsong.files import write_json
from longsong.grid_file import write_grid
from longsong.integrity import set_files_aside
from longsong.integrity.folder import find_runs, verify_runs
from longsong.training.run_lock import only_here


@pytest.fixture
def runs(complete_run, stopped_run, tmp_path):
    """A folder as it may come to be: a grid, a run of another experiment deeper in it, pictures, what was killed."""
    folder = tmp_path / "grid"
    shutil.copytree(complete_run, folder / "one")
    shutil.copytree(stopped_run, folder / "two")
    shutil.copytree(complete_run, folder / "as-coded/20x5/described-s1")
    write_grid(folder, planned_grid())
    (folder / "report").mkdir()
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(folder / "report/a.png")
    (folder / "report/index.html").write_text("<!doctype html>")
    (folder / "one/generated-carry.77.partial.wav").write_bytes(b"half of it")
    (folder / "two/.summary.json.77-0.part").write_bytes(b"{")
    write_json(folder / "audit.json", {"format": "longsong.audit", "version": 1, "rows": []}, sealed=True)
    return folder


def test_a_whole_folder_is_whole(runs, capsys):
    assert main(["verify", str(runs)]) == 0
    said = capsys.readouterr().err
    assert "of 3 runs," in said
    assert "all as they were written" in said
    found = verify_runs(runs, quiet=True)
    assert [folder.relative_to(runs).as_posix() for folder in find_runs(runs)] == [
        "as-coded/20x5/described-s1", "one", "two",
    ]  # fmt: skip
    looked = [path for path in runs.rglob("*") if path.is_file() and ".part" not in path.name]
    assert (found.runs, found.files) == (3, len(looked))
    assert found.bytes == sum(path.stat().st_size for path in looked)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("one/metrics.jsonl", flip),
        ("two/config.json", cut),
        ("as-coded/20x5/described-s1/generated-0.5s.wav", remove),
        ("one/events.out.tfevents.*", flip),
        ("grid.json", flip),
        ("report/a.png", cut),
        ("audit.json", cut),
    ],
)
def test_what_is_damaged_is_named_put_aside_and_whole_after_that(runs, capsys, name, damage):
    path = sorted(runs.glob(name))[0]
    damage(path)
    assert main(["verify", str(runs)]) == 1
    said = capsys.readouterr().err
    assert str(path) in said
    assert "--set-aside" in said
    if damage is not remove:
        assert path.exists()  # to look is not to touch
    assert main(["verify", str(runs), "--set-aside"]) == 1
    assert "damaged" in capsys.readouterr().out
    assert main(["verify", str(runs)]) == 0
    assert not path.exists()
    assert (
        damage is remove or len([*runs.rglob(f"damaged/*/{path.name}"), *runs.rglob(f"damaged/*/*/{path.name}")]) == 1
    )


def test_a_sealed_file_of_the_grid_is_held_to_its_seal(runs):
    found = json.loads((runs / "grid.json").read_text())
    found["song"]["digest"] = "1" * 64
    (runs / "grid.json").write_text(json.dumps(found))
    assert "rest_sha256" in str(verify_runs(runs, quiet=True).damages[runs][0])


@pytest.fixture
def done(runs):
    """The folder, with a grid of one run that is done and one that is left."""
    for ending in ("json", "wav"):
        (runs / f"one/generated-0.5s.{ending}").rename(runs / f"one/generated.{ending}")
    write_grid(runs, planned_grid(planned_run("one"), planned_run("two", "left"), planned_run("three", "left")))
    return runs


@pytest.mark.parametrize("name", ["one", "one/summary.json", "one/generated.json"])
def test_what_is_gone_of_a_run_that_is_done_is_named(done, capsys, name):
    assert main(["verify", str(done)]) == 0
    remove(done / name)
    for more in ([], ["--set-aside"]):  # there is nothing that could be put aside
        capsys.readouterr()
        assert main(["verify", str(done), *more]) == 1
        said = capsys.readouterr()
        assert f"{done / name} is gone, and {done / 'grid.json'} has its run as done" in said.err
        assert said.out == ""
    ((folder, damages),) = verify_runs(done, quiet=True).damages.items()
    assert (folder, [(damage.path, damage.part) for damage in damages]) == (done, [(done / name, "other")])


def test_nothing_is_missed_of_a_run_that_is_being_made_again(done):
    (done / "one/summary.json").unlink()
    with only_here(done / "one"):
        assert verify_runs(done, quiet=True).damages == {}
    assert len(verify_runs(done, quiet=True).damages) == 1


def test_what_cannot_be_looked_for_may_be_there(done, monkeypatch):
    really = Path.stat

    def stat(self, **more):
        if self.name == "generated.json" and more.get("follow_symlinks", True):
            raise PermissionError(13, "Permission denied", str(self))
        return really(self, **more)

    monkeypatch.setattr(Path, "stat", stat)
    found = verify_runs(done, quiet=True)
    assert found.damages == {}
    assert any("one/generated.json cannot be read" in str(error) for error in found.unread)


def test_a_run_that_is_being_trained_is_left_alone(runs, capsys):
    flip(runs / "one/metrics.jsonl")
    with only_here(runs / "one"):
        found = verify_runs(runs)
    assert (found.damages, found.busy, found.runs) == ({}, (runs / "one",), 2)
    assert "is being trained" in capsys.readouterr().err


def test_one_run_and_shards_are_looked_at_too(runs, shards, capsys):
    assert main(["verify", str(runs / "one")]) == 0
    assert "of 1 run," in capsys.readouterr().err
    assert main(["verify", str(shards)]) == 0
    assert "shards are whole" in capsys.readouterr().err


def test_bad_input_is_told_from_damage(tmp_path, shards, capsys):
    for words, said in (
        ([str(tmp_path / "none")], "no such folder"),
        ([str(tmp_path)], "no index.json"),
        ([str(shards), "--set-aside"], "for folders of runs"),
    ):
        assert main(["verify", *words]) == 2
        assert said in capsys.readouterr().err


def test_links_are_not_followed(runs, tmp_path):
    (runs / "around").symlink_to(runs)
    (runs / "one" / "outside.json").symlink_to(tmp_path)
    assert verify_runs(runs, quiet=True).damages == {}
    assert len(list(find_runs(runs))) == 3


def test_what_was_put_aside_is_made_again_by_training(runs, shards):
    flip(runs / "two/checkpoints/update-00000006/parameters.safetensors")
    assert main(["verify", str(runs), "--set-aside"]) == 1
    train(shards, runs / "two")
    assert main(["verify", str(runs)]) == 0


def test_what_is_hidden_is_looked_at_by_nobody(runs, complete_run):
    before = verify_runs(runs, quiet=True)
    flip(shutil.copytree(complete_run, runs / ".trash/one") / "metrics.jsonl")
    (runs / "two/.snapshots").mkdir()
    (runs / "two/.snapshots/parity.json").write_text("{")
    assert verify_runs(runs, quiet=True) == before


OTHERS = {
    "notes.json": "// my notes", "map.json": '{"format": "geo", "rest_sha256": 1}', "list.json": "[1",
    "data.npz": "none", "pic.png": "none", "config.json": "{}",
}  # fmt: skip


def test_what_others_put_there_is_none_of_ours(runs, tmp_path):
    for name, content in OTHERS.items():
        (runs / name).write_text(content)
    (runs / "link.json").symlink_to(tmp_path / "nowhere.json")
    (runs / "checkpoints").mkdir()
    assert verify_runs(runs, quiet=True).damages == {}
    assert set_files_aside(runs) == []
    assert {path.name for path in runs.iterdir()} >= {*OTHERS, "link.json", "checkpoints", "one", "two"}
    assert len(list(find_runs(runs))) == 3


def test_a_folder_of_runs_without_a_grid_is_no_run_for_a_stray_file(runs):
    (runs / "grid.json").unlink()
    (runs / "config.json").write_text("{}")
    flip(runs / "one" / "metrics.jsonl")
    assert list(verify_runs(runs, quiet=True).damages) == [runs / "one"]
