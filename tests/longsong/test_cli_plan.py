"""`longsong plan`: what it prints, and what it refuses."""

from __future__ import annotations

import json

import pytest
import torch

from longsong import cost_steps, cost_time, estimate
from longsong.cli import main
from longsong.config import DataConfig, ExecutionConfig, ModelConfig
from longsong.cost_model import SongSize, plan_memory, workload
from longsong.reported import FRAMES, SEQUENCES, WIDTHS

ELSEWHERE = ["--peak", "67e12", "--memory", "80GB"]


@pytest.fixture(autouse=True)
def _no_song_is_read(monkeypatch):
    monkeypatch.setattr(cost_time, "measure_reading", lambda: 1e-8)


def planned(capsys: pytest.CaptureFixture[str], *words: object) -> dict:
    assert main(["plan", "--json", *map(str, words)]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_shape_and_width_of_the_post(capsys):
    found = planned(capsys, "--hours", 3.025, *ELSEWHERE)
    runs = found["runs"]
    assert [(run["hidden"], run["frame"], run["seq"]) for run in runs] == [
        (hidden, frame, seq) for hidden in WIDTHS for frame in FRAMES for seq in SEQUENCES
    ]
    one = next(run for run in runs if (run["frame"], run["seq"], run["hidden"]) == (1000, 100, 199))
    assert (one["train_examples"], one["updates_per_epoch"], one["updates"]) == (1600, 13, 390)
    assert (one["steps"], one["parameters"]) == (39_000, 876_003)
    assert one["memory_bytes"] == sum(one["memory"].values())
    assert one["seconds"]["update"] > 0
    longest = next(run for run in runs if (run["frame"], run["seq"]) == (40_000, 10_000))
    assert longest["seconds"] is None
    assert "400,000,000 samples" in longest["said"][0]
    assert found["song"]["samples"] == 174_240_000
    assert found["song"]["seconds_a_run"] == pytest.approx(1.7424)
    assert any("NOT measured" in said for said in found["assumptions"])


def test_the_memory_is_what_a_run_would_plan(capsys):
    found = planned(capsys, "--hours", 100, "--frame", 1000, "--seq", 1000, "--hidden", 4096, *ELSEWHERE)
    load = workload(SongSize(100 * 3600 * 16_000, 16_000), DataConfig(1000, 1000), ModelConfig(hidden=4096), 30)
    plan = plan_memory(load, ExecutionConfig(device="cuda"), torch.device("cuda"), 80 * 10**9)
    (run,) = found["runs"]
    assert (run["memory"], run["micro_batch"], run["segment"]) == (plan.parts, plan.micro_batch, plan.segment)


def test_more_hours_and_more_devices(capsys):
    words = ["--frame", 1000, "--seq", 100, "--hidden", 256, *ELSEWHERE]
    few, many = planned(capsys, "--hours", 10, *words), planned(capsys, "--hours", 20, *words)
    seconds = [found["runs"][0]["seconds"] for found in (few, many)]
    assert seconds[1]["alone"] == pytest.approx(2 * seconds[0]["alone"], rel=0.02)
    assert seconds[0]["shared"] == pytest.approx(seconds[0]["alone"])
    eight = planned(capsys, "--hours", 10, "--devices", 8, "--launch", 0, "--bandwidth", "100TB", *words)
    alone = planned(capsys, "--hours", 10, "--launch", 0, *words)
    ratio = alone["runs"][0]["seconds"]["alone"] / eight["runs"][0]["seconds"]["shared"]
    assert ratio == pytest.approx(8, rel=0.05)  # nothing but rows: the sound is a small part
    assert eight["grid"]["seconds_side_by_side"] == pytest.approx(alone["grid"]["seconds_side_by_side"])


def test_a_step_that_was_measured_there_takes_the_place_of_launches(capsys):
    words = ["--hours", 3, "--frame", 40, "--seq", 1000, "--hidden", 256, *ELSEWHERE]
    plain, kernels = planned(capsys, *words), planned(capsys, *words, "--step", "10e-6")
    assert kernels["devices"]["accelerator"]["step_seconds"] == 10e-6
    seconds = [found["runs"][0]["seconds"]["update"] for found in (plain, kernels)]
    assert 0.01 < seconds[1] < 0.02 < seconds[0] / 10  # 1000 steps of ten microseconds, and the frames' products
    assert any("give --step" in said for said in plain["assumptions"])
    assert any("takes 10 microseconds there and back" in said for said in kernels["assumptions"])


def test_this_machine_is_measured(capsys, monkeypatch):
    monkeypatch.setattr(estimate, "_seconds", lambda work: 0.012)
    words = ["--hours", 1, "--frame", 40, "--seq", 50, "--hidden", "8,16", "--device", "cpu", "--epochs", 2]
    found = planned(capsys, *words)
    assert found["devices"]["accelerator"] is None
    assert {width: one["hidden"] for width, one in found["devices"]["measured"].items()} == {"8": [8], "16": [16]}
    # 12 steps were said to take 12 ms, whatever their rows: a step is a millisecond
    assert found["runs"][0]["seconds"]["update"] == pytest.approx(0.05)
    assert sum("hidden units: measured" in said for said in found["assumptions"]) == 2


def test_what_is_extended_is_said_to_be(capsys, monkeypatch):
    def measure(model, execution, seconds):
        costs = cost_steps.Accelerator(1e11, 1.0, 0.0).costs(model)
        return cost_steps.Measured(costs, (256, 1024), 1.25)

    monkeypatch.setattr(cost_steps, "measure", measure)
    words = ["plan", "--hours", "10", "--frame", "40", "--seq", "50", "--hidden", "4096", "--device", "cpu"]
    assert main([*words, "--memory", "1GiB", "--devices", "2"]) == 0
    said = capsys.readouterr().out
    assert "4096 hidden units: extended by operations from 1024; 256 and 1024 were measured" in said
    assert "1.25 of what it takes" in said
    assert "40x50 with hidden 4096 does not fit in 1.0 GiB" in said


def test_the_table_is_read_by_people(capsys):
    words = ["plan", "--hours", "10", "--frame", "1000", "--hidden", "199", *ELSEWHERE]
    assert main([*words, "--devices", "8", "--flac-ratio", "0.5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("10 hours at 16,000 Hz: 576.0 M samples, 18 shards, 1.1 GiB as int16, about 555")
    assert lines[2].split()[:4] == ["shape", "hidden", "train", "dev"]
    assert lines[2].endswith("shared")
    rows = lines[3 : 3 + len(SEQUENCES)]
    assert [row.split()[0] for row in rows] == [f"1000x{seq}" for seq in SEQUENCES]
    assert {len(row) for row in rows} == {len(lines[2])}
    assert any(line.startswith("all 5 runs that fit: ") and "8 runs side by side" in line for line in lines)
    assert main(words) == 0
    assert "shared" not in capsys.readouterr().out.splitlines()[2]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--hours", "0"], ["hours", "0"]),
        (["--hours", "nan"], ["hours", "nan"]),
        (["--hours", "1e9"], ["hours", "100000", "1000000000.0"]),
        (["--hours", "ten"], ["--hours", "ten"]),
        ([], ["--hours"]),
        (["--hours", "1", "--hidden", "0"], ["hidden", "0"]),
        (["--hours", "1", "--hidden", "wide"], ["wide"]),
        (["--hours", "1", "--devices", "0"], ["--devices", "0"]),
        (["--hours", "1", "--frame", "-5"], ["--frame", "-5"]),
        (["--hours", "1", "--memory", "lots"], ["--memory", "lots"]),
        (["--hours", "1", "--peak", "67e12"], ["--peak 6.7e+13", "--memory"]),
        (["--hours", "1", *ELSEWHERE, "--device", "cpu"], ["--peak", "--device cpu"]),
        (["--hours", "1", "--peak", "-1", "--memory", "80GB"], ["peak", "-1"]),
        (["--hours", "1", *ELSEWHERE, "--efficiency", "1.5"], ["efficiency", "1.5"]),
        (["--hours", "1", *ELSEWHERE, "--launch", "-1"], ["launch", "-1"]),
        (["--hours", "1", *ELSEWHERE, "--step", "0"], ["step", "0"]),
        (["--hours", "1", "--step", "1e-5"], ["--step 1e-05", "--peak"]),
        (["--hours", "1", *ELSEWHERE, "--flac-ratio", "0"], ["flac-ratio", "0"]),
        (["--hours", "1", *ELSEWHERE, "--cell", "gnu"], ["--cell", "gnu"]),
        (["--hours", "1", *ELSEWHERE, "--bandwidth", "0"], ["--bandwidth", "0"]),
        (["--hours", "1", "--measuring", "-3"], ["measuring", "-3"]),
    ],
)
def test_bad_input_is_named(capsys, words, named):
    try:
        status = main(["plan", *words])
    except SystemExit as stop:
        status = stop.code
    said = capsys.readouterr()
    assert (status, said.out) == (2, "")
    (line,) = said.err.splitlines()
    assert all(name in line for name in named)
