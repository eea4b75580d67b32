"""The main job from end to end, by the command line, on the smallest profile."""

from __future__ import annotations

import io
import json
import os
import wave
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path

import pytest

from longsong import space
from longsong.cli import main
from longsong.estimate import Estimate
from longsong.files import sha256_of
from longsong.folder_lock import sole_owner
from longsong.scheduling import scheduler
from longsong.scheduling.calibration import Calibration
from longsong.scheduling.workers import LocalWorkers

SMOKE = ["reproduce", "--profile", "smoke", "--widths", "16", "--device", "cpu"]
TAKEN = ("1000x50-lstm-16-s1", "1000x50-lstm-16-s2")


@dataclass
class Done:
    """The smoke profile: run where two folders were taken, and again once they were not.

    Attributes
    ----------
    folder : Path
        Where it was run.
    failed : dict of str to dict
        The runs of ``grid.json`` after the first call, by name, with their ``log``.
    said : str
        What the first call wrote to standard error.
    """

    folder: Path
    failed: dict[str, dict]
    said: str

    @property
    def runs(self) -> Path:
        return self.folder / "runs/demo-song-40s"

    @property
    def planned(self) -> list[dict]:
        return json.loads((self.runs / "grid.json").read_text())["runs"]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reproduce")
    result = Done(folder, {}, "")
    before = Path.cwd()
    os.chdir(folder)
    try:
        for name in TAKEN:
            (result.runs / name).mkdir(parents=True)
            (result.runs / name / "another's.txt").touch()
        with redirect_stderr(io.StringIO()) as said, pytest.MonkeyPatch.context() as patch:
            patch.setattr(scheduler, "_SECONDS_BEFORE_AGAIN", (0.1, 0.1))
            assert main(SMOKE) == 1
        result.said = said.getvalue()
        for run in result.planned:
            if run["state"] != "done":
                result.failed[run["name"]] = run | {"log": (result.runs / run["name"] / "log.txt").read_text()}
        for name in TAKEN:
            (result.runs / name / "another's.txt").unlink()
        assert main(SMOKE) == 0
    finally:
        os.chdir(before)
    return result


def test_every_configuration_is_trained_generated_from_and_reported(done):
    runs, planned = done.runs, done.planned
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
    runs, planned = done.runs, done.planned
    kept = ["config.json", "summary.json", "metrics.jsonl", "generated.wav", "generated.json"]
    files = [runs / run["name"] / name for run in planned for name in kept]
    before = {file: file.stat().st_mtime_ns for file in files}
    monkeypatch.chdir(done.folder)
    monkeypatch.setattr(LocalWorkers, "start", None)  # not one worker is needed
    assert main(SMOKE) == 0
    assert {file: file.stat().st_mtime_ns for file in files} == before
    assert "0 runs left, 7 done" in capsys.readouterr().out


def test_what_is_lost_is_made_again_and_no_more(done, monkeypatch, capsys):
    runs, planned = done.runs, done.planned
    lost = runs / planned[0]["name"] / "generated.wav"
    digest = sha256_of(lost)
    lost.write_bytes(lost.read_bytes()[:1000])
    (statistics,) = runs.glob("song-statistics-*.npz")
    os.truncate(statistics, 1000)
    monkeypatch.chdir(done.folder)
    assert main(SMOKE) == 0
    assert "1 runs left, 6 done" in capsys.readouterr().out
    assert sha256_of(lost) == digest
    assert len(list((runs / "damaged").glob("*/why.txt"))) == 2
    assert main(["verify", str(runs)]) == 0


def test_a_run_that_fails_is_reported_and_stops_no_other(done):
    assert set(done.failed) == set(TAKEN)
    for name, run in done.failed.items():
        assert run["state"] == "failed"
        assert run["progress"]["attempts"] == 3
        assert "holds no run" in run["reason"]
        assert f"failed: {name}: " in done.said
        assert "Traceback" in run["log"]
    assert not list(done.runs.glob("*/log.txt"))  # the second call did them
    assert not list(done.runs.glob("*/another's.txt"))


def test_what_is_planned_is_shown_and_nothing_done(done, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shards").symlink_to(done.folder / "shards")
    monkeypatch.setattr(Calibration, "estimate", lambda *_: Estimate(2.0, 0.5))
    assert main([*SMOKE, "--dry-run", "--side-by-side", "1", "--budget", "1s"]) == 0
    said = capsys.readouterr().out
    assert said.count("not within the budget of 1.0 s; about") == 7
    assert "0 runs left, 0 done" in said
    assert not (tmp_path / "runs").exists()


def test_the_second_at_once_says_who_has_the_folder_and_does_nothing(done, monkeypatch, capsys):
    monkeypatch.chdir(done.folder)
    before = {path: path.stat().st_mtime_ns for path in done.runs.rglob("*")}
    with sole_owner(done.runs):
        assert main(SMOKE) == 2
        assert f"process {os.getpid()} on " in capsys.readouterr().err
        assert main(["status", str(done.runs)]) == 0
        assert f"process {os.getpid()} on " in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in done.runs.rglob("*") if path in before} | before == before


def test_its_state_is_shown_from_elsewhere(done, capsys):
    assert main(["status", str(done.runs)]) == 0
    said = capsys.readouterr().out
    assert "7 of 7 runs done" in said
    assert "nothing runs; as of 20" in said
    for run in done.planned:
        assert f"{run['name']:<24}  dev cost {run['outcome']['cost']:.5f}" in said
    assert main(["status", str(done.runs), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "complete"
    assert main(["status", str(done.folder)]) == 2
    assert "is no folder of runs" in capsys.readouterr().err


def test_more_side_by_side_than_cores_is_refused(done, monkeypatch, capsys):
    monkeypatch.chdir(done.folder)
    assert main([*SMOKE, "--side-by-side", "5000"]) == 2
    assert "5000 runs side by side" in capsys.readouterr().err


def test_runs_of_another_song_are_refused(done, monkeypatch, capsys):
    monkeypatch.chdir(done.folder)
    assert main(["reproduce", "--profile", "smoke", "--seconds", "41", "--out", str(done.runs)]) == 2
    assert "runs of another song" in capsys.readouterr().err


def test_a_disk_that_is_too_small_for_what_is_left_is_found_out_before_anything_runs(
    done, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shards").symlink_to(done.folder / "shards")
    monkeypatch.setattr(space, "free_bytes", lambda path: 5_000_000)
    monkeypatch.setattr(LocalWorkers, "start", None)  # it is found out before anything is measured
    assert main(SMOKE) == 2
    assert "5,000,000 bytes" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_run_of_another_song_or_length_in_its_place_is_not_taken_for_done(done, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shards").symlink_to(done.folder / "shards")
    shards = done.folder / "shards/demo-song-40s"
    runs = tmp_path / "runs"
    own = ["--frame", "1000", "--seq", "50", "--hidden", "16", "--device", "cpu", "--epochs", "1"]
    assert main(["train", str(shards), *own, "--out", str(runs / "1000x50-gru-16-s1")]) == 0
    assert main(["generate", str(runs / "1000x50-gru-16-s1")]) == 0
    capsys.readouterr()
    monkeypatch.setattr(Calibration, "estimate", lambda *_: Estimate(1.0, 0.5))
    words = [*SMOKE, "--only", "1000x50", "--out", str(runs), "--side-by-side", "1", "--dry-run"]
    assert main(words) == 0
    assert "6 runs left, 0 done" in capsys.readouterr().out
