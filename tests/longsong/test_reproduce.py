"""The main job from end to end, by the command line, on the smallest profile."""

from __future__ import annotations

import json
import os
import wave
from dataclasses import replace
from pathlib import Path

import pytest

from longsong import reproduce as reproduce_module
from longsong import space
from longsong.cli import main
from longsong.files import sha256_of


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The smoke profile, run once."""
    folder = tmp_path_factory.mktemp("reproduce")
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main(["reproduce", "--profile", "smoke", "--device", "cpu"]) == 0
    finally:
        os.chdir(before)
    return folder


def runs_of(folder: Path) -> tuple[Path, list[dict]]:
    (grid,) = folder.glob("runs/*/grid.json")
    return grid.parent, json.loads(grid.read_text())["runs"]


def test_every_configuration_is_trained_generated_from_and_reported(done):
    runs, planned = runs_of(done)
    assert len(planned) == 7
    for run in planned:
        assert run["state"] == "done"
        folder = runs / run["name"]
        summary = json.loads((folder / "summary.json").read_text())
        assert summary["epochs"] == 30
        with wave.open(str(folder / "generated.wav")) as wav:
            assert (wav.getnframes(), wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (
                480_000,
                16_000,
                1,
                2,
            )
        made = json.loads((folder / "generated.json").read_text())
        assert made["sha256"] == sha256_of(folder / "generated.wav")
        assert made["seed"]["source"] == "dev"
        assert made["iterations"] == 480_000 // run["frame"]
    page = (runs / "report/index.html").read_text()
    assert all(run["name"] in page for run in planned)
    compared = {run["cell"] for run in planned if run["group"] == "comparison"}
    measured = json.loads((runs / "cells.json").read_text())
    assert all(cell in str(measured) for cell in compared)
    verdicts = {row["id"]: row["verdict"] for row in json.loads((runs / "audit.json").read_text())["rows"]}
    assert set(verdicts) == {f"P{n:02d}" for n in range(1, 23)} | {f"D{n:02d}" for n in range(1, 16)}
    assert verdicts["P07"] == "reproduced"


def test_run_again_nothing_is_done_again(done, monkeypatch, capsys):
    runs, planned = runs_of(done)
    kept = ["config.json", "summary.json", "metrics.jsonl", "generated.wav", "generated.json"]
    files = [runs / run["name"] / name for run in planned for name in kept]
    before = {file: file.stat().st_mtime_ns for file in files}
    monkeypatch.chdir(done)
    monkeypatch.setattr(reproduce_module, "train", None)
    assert main(["reproduce", "--profile", "smoke", "--device", "cpu"]) == 0
    assert {file: file.stat().st_mtime_ns for file in files} == before
    assert "0 runs left, 7 done" in capsys.readouterr().out


def test_what_is_lost_is_made_again_and_no_more(done, monkeypatch, capsys):
    runs, planned = runs_of(done)
    lost = runs / planned[0]["name"] / "generated.wav"
    digest = sha256_of(lost)
    lost.write_bytes(lost.read_bytes()[:1000])
    monkeypatch.chdir(done)
    assert main(["reproduce", "--profile", "smoke", "--device", "cpu"]) == 0
    assert "1 runs left, 6 done" in capsys.readouterr().out
    assert sha256_of(lost) == digest


def test_a_run_that_fails_is_reported_and_stops_no_other(done, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shards").symlink_to(done / "shards")
    train, failed = reproduce_module.train, []

    def short(config, **more):
        return train(replace(config, training=replace(config.training, epochs=1)), **more)

    def failing(config, **more):
        if config.model.cell == "lstm":
            failed.append(config.name)
            raise ZeroDivisionError("on purpose")
        return short(config, **more)

    monkeypatch.setattr(reproduce_module, "train", failing)
    monkeypatch.setattr(reproduce_module, "measure_cells", lambda *_, **__: None)  # as in `done`
    assert main(["reproduce", "--profile", "smoke", "--device", "cpu", "--only", "1000x50"]) == 1
    said = capsys.readouterr()
    runs, planned = runs_of(tmp_path)
    states = {run["name"]: run["state"] for run in planned}
    assert {name for name, state in states.items() if state == "failed"} == set(failed)
    assert list(states.values()).count("done") == 4
    for name in failed:
        assert f"failed: {name}: on purpose" in said.err
        assert "ZeroDivisionError" in (runs / name / "log.txt").read_text()
    monkeypatch.setattr(reproduce_module, "train", short)
    assert main(["reproduce", "--profile", "smoke", "--device", "cpu", "--only", "1000x50"]) == 0
    assert not list(runs.glob("*/log.txt"))
    states = [run["state"] for run in runs_of(tmp_path)[1]]
    assert (states.count("done"), states.count("failed"), states.count("left")) == (6, 0, 0)


def test_runs_of_another_song_are_refused(done, monkeypatch, capsys):
    monkeypatch.chdir(done)
    runs, _ = runs_of(done)
    assert main(["reproduce", "--profile", "smoke", "--seconds", "41", "--out", str(runs)]) == 2
    assert "runs of another song" in capsys.readouterr().err


def test_a_disk_that_is_too_small_for_what_is_left_is_found_out_before_anything_runs(
    done, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shards").symlink_to(done / "shards")
    monkeypatch.setattr(space, "free_bytes", lambda path: 50_000_000)
    monkeypatch.setattr(reproduce_module, "train", None)
    assert main(["reproduce", "--profile", "smoke", "--device", "cpu"]) == 2
    assert "50,000,000 bytes" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_run_of_another_song_or_length_in_its_place_is_not_taken_for_done(done, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shards").symlink_to(done / "shards")
    shards = done / "shards/demo-song-40s"
    runs = tmp_path / "runs"
    own = ["--frame", "1000", "--seq", "50", "--device", "cpu", "--epochs", "1"]
    assert main(["train", str(shards), *own, "--out", str(runs / "1000x50-gru-199-s1")]) == 0
    assert main(["generate", str(runs / "1000x50-gru-199-s1")]) == 0
    capsys.readouterr()
    words = ["reproduce", "--profile", "smoke", "--device", "cpu", "--only", "1000x50", "--out", str(runs)]
    stopped = []
    monkeypatch.setattr(reproduce_module, "train", lambda config, **more: stopped.append(config.name) or 1 / 0)
    assert main(words) == 1
    assert "6 runs left, 0 done" in capsys.readouterr().out
    assert "1000x50-gru-199-s1" in stopped
