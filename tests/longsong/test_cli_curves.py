"""`longsong audit RUNS --cells` and `--curves`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_song import SAMPLE_RATE, tune
from training_runs import train

from longsong.cli import main
from longsong.config import ModelConfig, TrainingConfig
from longsong.wav import write_wav


@pytest.fixture
def runs(shards: Path, tmp_path: Path) -> Path:
    for cell in ("gru", "lstm"):
        model, training = ModelConfig(cell=cell, hidden=8), TrainingConfig(epochs=1)
        train(shards, tmp_path / "runs" / f"20x5-{cell}-8-s1", model=model, training=training)
    return tmp_path / "runs"


def test_cells_and_curves_come_before_the_audit(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(runs), "--cells", "--curves"]) == 0
    out = capsys.readouterr().out
    (cells,) = json.loads((runs / "cells.json").read_text())["configurations"]
    assert set(cells["seconds"]) == {"gru", "lstm"}
    # Two seconds are too short for the shapes of 2016: nothing is trained, and that is said by numbers.
    curves = json.loads((runs / "curves-2016" / "curves-2016.json").read_text())
    assert [shape["runs"] for shape in curves["shapes"]] == [[], []]
    assert "1000x100 cannot be trained on this song: it has 1.98 s" in out
    assert "Costs against those of 2016: cannot be" in out
    assert "P08" in out.partition("Costs against those of 2016")[2]


def test_another_song_has_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_wav(tmp_path / "tune.wav", tune(31_600), SAMPLE_RATE)
    assert main(["audit", "runs", "--curves", "--song", "tune.wav"]) == 0
    assert "This is not the song of 2016: it has a length of 31,600 samples" in capsys.readouterr().out
    assert json.loads((tmp_path / "runs/curves-2016-tune/curves-2016.json").read_text())["song"]["samples"] == 31_600


def test_a_song_without_curves_is_refused(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(runs), "--song", "tune.wav"]) == 2
    assert "song is tune.wav, and is for --curves alone" in capsys.readouterr().err
