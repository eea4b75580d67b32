"""The whole grid in pieces of any length, in small: stopped and begun again, it ends with every run trained."""

from __future__ import annotations

import io
import json

import pytest

from benchmarks import grid


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
    done = run(monkeypatch, out)
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


def test_a_worker_that_fails_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(grid, "_Worker", lambda environment: Failing())
    with pytest.raises(SystemExit, match="a worker ended with status 3 at"):
        run(monkeypatch, tmp_path / "grid")


class Failing:
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
