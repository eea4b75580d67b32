"""The benchmark of accelerators runs where there is none, in small, and says what is wrong."""

from __future__ import annotations

import json

import pytest
import torch

from benchmarks import cuda, cuda_correct, grid


def run(monkeypatch, tmp_path, *words: str) -> dict:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    path = tmp_path / "found.json"
    monkeypatch.setattr("sys.argv", ["cuda", "--quick", "--device", "cpu", "--json", str(path), *words])
    cuda.main()
    return json.loads(path.read_text())


def test_each_part_has_its_table_and_its_ratios(monkeypatch, tmp_path, capsys):
    found = run(monkeypatch, tmp_path)
    said = capsys.readouterr().out
    assert "the recurrence in plain operations: kernels are for CUDA devices, not for cpu" in said
    assert {row["part"] for row in found["rows"]} == set(cuda.PARTS)
    assert all(f"\n{part} (" in said for part in cuda.PARTS)
    assert all(row["right"] for row in found["rows"] if row["part"] == "correct")
    assert all(row["finite"] for row in found["rows"] if row["part"] == "memory")
    names = {name.split(":")[0] for name in found["ratios"]}
    assert names == {"gru_over_cudnn", "gru_over_plain", "step_over_floor", "update_over_nn_gru", "side_by_side"}
    assert all(ratio > 0 for ratio in found["ratios"].values())


def test_what_is_wrong_is_named_and_is_a_failure(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(cuda_correct.PRECISIONS, "float32", 1e-12)
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, tmp_path, "--part", "correct")
    assert stopped.value.code == 1
    assert "NO" in capsys.readouterr().out


def test_a_part_that_fails_leaves_the_others(monkeypatch, tmp_path, capsys):
    def broken(*given: object) -> None:
        raise RuntimeError("no more memory")

    monkeypatch.setattr(cuda, "update_rows", broken)
    with pytest.raises(SystemExit):
        run(monkeypatch, tmp_path, "--part", "update", "same")
    said = capsys.readouterr()
    assert "failed: update" in said.out
    assert "no more memory" in said.err
    assert "\nsame (" in said.out


@pytest.mark.parametrize("benchmark", [cuda, grid])
@pytest.mark.parametrize("device", ["cuda", "abacus"])
def test_a_device_that_is_not_there_is_refused_by_name(monkeypatch, capsys, benchmark, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["benchmark", "--device", device])
    with pytest.raises(SystemExit) as stopped:
        benchmark.main()
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert device in said
    assert "Traceback" not in said


def test_memory_that_is_taken_holds_no_numbers():
    with cuda_correct._poisoned():
        assert torch.empty(5).isnan().all()


def test_cases_in_processes_are_those_in_turn():
    found = [list(cuda_correct.correct_rows(torch.device("cpu"), "plain", quick=True, at_once=n)) for n in (1, 2)]
    in_turn, at_once = ([(row["cell"], row["hidden"], row["precision"]) for row in rows] for rows in found)
    assert in_turn == at_once
    assert all(row["right"] for rows in found for row in rows)
