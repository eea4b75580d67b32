"""A run seen again by hand: the numbers that the rows rest on, each beside what the run says."""

from __future__ import annotations

from pathlib import Path

import pytest

from longsong.audit.again import main

NAME = "40x50-gru-199-s1"


def shown(what: str, run: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main([what, str(run)]) == 0
    return capsys.readouterr().out


def test_cost_by_target_axis_and_span(honest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = shown("cost", honest / NAME, capsys)
    (line,) = [line for line in out.splitlines() if "target 1 frames later" in line]
    assert abs(float(line.split("=")[1])) < 1e-6
    for name in ("first one, after epoch 0", "last one, after epoch 30"):
        (line,) = [line for line in out.splitlines() if line.startswith(name)]
        assert abs(float(line.split("=")[1])) < 1e-6
    for name in ("target 0", "target 2", "other axis", "after 25 of 50", "after 1 of 50", "repeating the last frame"):
        assert name in out


def test_order(honest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = shown("order", honest / NAME, capsys)
    assert "60 updates of 18 and 128 examples; 60 are due" in out
    assert "60 of 60 have the indices" in out


def test_first_update(honest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = shown("update", honest / NAME, capsys)
    for name in ("train cost of update 1", "gradient norm", "step norm before clipping", "train cost of update 2"):
        (line,) = [line for line in out.splitlines() if line.startswith(name)]
        reported, computed = map(float, line.split()[-2:])
        assert reported == pytest.approx(computed, rel=1e-6)


def test_sound(honest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = shown("sound", honest / NAME, capsys)
    assert "480000 samples at 16000 Hz: 30 s" in out
    assert "samples of the seed at its start: 0" in out
    assert "stands in it as: last-frame" in out
    assert "follow each other: 3, fed back: plain" in out
    assert "each computed from the one before: 40 of 12000 stand in it" in out  # what comes after those is repeated
    assert "shares with the song: 0 samples" in out


def test_a_folder_that_is_no_run_is_refused(honest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", str(honest / "none")]) == 2
    assert "no complete run" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["nothing", str(honest / NAME)])
