"""The whole grid in pieces of any length, in small: stopped and begun again, it ends with every run trained."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import pytest

from benchmarks import grid
from longsong import progress


def run(monkeypatch, out, *words: str) -> dict:
    path = out.with_suffix(".json")
    given = ["--quick", "--device", "cpu", "--precision", "float32", "--side-by-side", "2", "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["grid", *given, "--json", str(path), *words])
    grid.main()
    return json.loads(path.read_text())


def test_it_is_stopped_and_goes_on(monkeypatch, tmp_path, capsys):
    out = tmp_path / "grid"
    stopped = run(monkeypatch, out, "--at-most", "0.1")
    assert len(stopped["rows"]) < 9
    assert "wall_over_ten_minutes" not in stopped["ratios"]
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    capsys.readouterr()
    done = run(monkeypatch, out)
    assert re.search(r"training the grid: .* of .* steps \(\d+ %\), .* left, 2 runs under way", capsys.readouterr().err)
    assert sorted(row["name"] for row in done["rows"]) == sorted(
        f"40x50-{cell}-8-s{seed}" for cell in ("gru", "lstm", "rnn") for seed in (1, 2, 3)
    )
    assert all(row["updates"] == 1 and row["seconds"] > 0 and row["microseconds"] > 0 for row in done["rows"])
    pieces = done["machine"]["pieces"]
    assert len(pieces) == 2
    assert done["ratios"]["wall_over_ten_minutes"] == pytest.approx(sum(one["seconds"] for one in pieces) / 600)
    # Nothing is left: nothing is done, and nothing is counted.
    again = run(monkeypatch, out)
    assert again["machine"]["pieces"] == pieces
    assert "9 of 9 runs are trained" in capsys.readouterr().out


def test_a_run_that_fails_is_named_leaves_the_others_and_is_tried_again(monkeypatch, tmp_path, capsys):
    out = tmp_path / "grid"
    give, given = grid._Worker.give, []

    def spoilt(worker, config) -> None:
        given.append(config.folder.name)
        if config.folder.name == "40x50-gru-8-s2":
            config = replace(config, model=replace(config.model, hidden=10**6))
        give(worker, config)

    monkeypatch.setattr(grid._Worker, "give", spoilt)
    with pytest.raises(SystemExit, match="failed: 40x50-gru-8-s2"):
        run(monkeypatch, out)
    assert "40x50-gru-8-s2 failed: its worker ended with status" in capsys.readouterr().err
    assert len(given) == 9
    found = json.loads(out.with_suffix(".json").read_text())
    assert len(found["rows"]) == 8
    assert found["machine"]["pieces"][0]["failed"] == ["40x50-gru-8-s2"]
    monkeypatch.setattr(grid._Worker, "give", give)
    assert len(run(monkeypatch, out)["rows"]) == 9


def test_runs_share_the_memory_and_what_failed_before_comes_last(monkeypatch, tmp_path):
    asked = []
    (tmp_path / "grid").mkdir()
    piece = {"seconds": 1.0, "side_by_side": 2, "failed": ["40x50-gru-8-s2"]}
    (tmp_path / "grid" / "pieces.json").write_text(json.dumps({"pieces": [piece]}))
    monkeypatch.setattr(grid, "choose_memory", lambda *given: 10**9)
    monkeypatch.setattr(grid, "_train", lambda left, *others: asked.extend(left) or [])
    run(monkeypatch, tmp_path / "grid")
    assert {config.execution.memory for config in asked} == {10**9 // 2}
    assert [config.folder.name for config in asked].index("40x50-gru-8-s2") == 8


def test_a_worker_that_cannot_begin_ends_it(monkeypatch, tmp_path):
    monkeypatch.setattr(grid, "_Worker", lambda environment: Ended())
    with pytest.raises(SystemExit, match="a worker ended with status 3 before it had a run"):
        run(monkeypatch, tmp_path / "grid")


class Ended:
    """A worker whose process has ended."""

    def __init__(self) -> None:
        self.busy = None
        self.process = self
        self.returncode = 3
        self.asking = io.StringIO()

    def wait(self) -> int:
        return self.returncode

    def poll(self) -> int:
        return self.returncode
