"""The table of a grid's runs, on a terminal and in a log, and how a grid stands by what is on the disk."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from planned_grids import planned_grid
from planned_grids import planned_run as run

from longsong import cli_reproduce, grid_table
from longsong.cli import main
from longsong.errors import RunError
from longsong.folder_lock import sole_owner
from longsong.grid_file import read_grid, write_grid
from longsong.grid_status import read_status
from longsong.grid_table import Table, format_table, headline


def grid(*runs: dict, **more) -> dict:
    return planned_grid(*runs, state="running", updated="2026-11-22T10:00:00+00:00", **more)


TRAINING = {"phase": "training", "done": 30, "total": 120, "unit": "updates", "cost": 0.0123456, "seconds": 20.0,
            "seconds_left": 61.0, "attempts": 1, "where": "host:1"}  # fmt: skip
OUTCOME = {"split": "dev", "cost": 0.0111111, "over_mean": 0.75}
GRID = grid(
    run("40x50-gru-199-s1", "done", outcome=OUTCOME, progress=TRAINING | {"phase": "judging", "total": None}),
    run("100x50-gru-199-s1", "running", progress=TRAINING),
    run("1000x50-gru-199-s1", "left"),
    run("1000x100-gru-199-s1", "failed", reason="the cost is nan (runs/log.txt)"),
    run("40x1000-gru-199-s1", "not chosen", reason="a longer sequence"),
    run("40000x10000-gru-199-s1", "does not fit", reason="needs 25,000 s of song"),
    seconds_left=125.0,
)


def test_each_run_has_a_line_that_says_what_came_of_it():
    assert format_table(GRID).splitlines() == [
        "done          40x50-gru-199-s1          dev cost 0.01111, 0.750 of predicting the mean",
        "running       100x50-gru-199-s1         training 25 % (30 of 120 updates), cost 0.01235, about 1 min 1 s left",
        "left          1000x50-gru-199-s1        about 1 min 30 s here",
        "failed        1000x100-gru-199-s1       the cost is nan (runs/log.txt)",
        "not chosen    40x1000-gru-199-s1        a longer sequence; about 1 min 30 s here",
        "does not fit  40000x10000-gru-199-s1    needs 25,000 s of song",
    ]
    assert headline(GRID) == (
        "1 of 4 runs done, 1 running, 1 failed, 1 left, 1 not chosen, 1 does not fit, about 2 min 5 s left"
    )


def test_grids_of_before_there_was_progress_are_shown_too():
    old = grid(run("40x50-gru-199-s1", "done"), run("a", "running"), run("b", "left"))
    assert format_table(old).splitlines() == [
        "done          40x50-gru-199-s1",
        "running       a                         starting",
        "left          b                         about 1 min 30 s here",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_now_and_then(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(grid_table.time, "monotonic", lambda: now[0])
    with Table("a song") as table:
        table.show(GRID)
        assert capsys.readouterr().out == ""
        now[0] = 31.0
        table.show(GRID)
        table.say("something")
        table.show(GRID)
    assert capsys.readouterr().out.splitlines() == [
        f"{headline(GRID)}; 100x50-gru-199-s1 training 25 % (30 of 120 updates)",
        "something",
    ]


@pytest.mark.parametrize("lines", [12, 40])
def test_a_terminal_shows_what_runs_and_fails_whatever_its_height(monkeypatch, lines):
    monkeypatch.setenv("LINES", str(lines))
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(grid_table, "_SECONDS_BETWEEN_DRAWINGS", 0.0)
    many = GRID | {"runs": [*GRID["runs"], *(run(f"more-{n}", "left") for n in range(50))]}
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    with Table("a [bold]song") as table:
        table.show(many)
        table.say("done          something [red]")
    text = screen.getvalue()
    assert "25 %" in text
    assert "the cost is nan" in text
    assert "more" in text
    assert "a [bold]song" in text
    assert "something [red]" in text
    assert "more-0" in text or lines == 12


@pytest.mark.parametrize("columns", [40, 59, 75, 76, 119, 120, 150])
def test_a_terminal_of_any_width_shows_all_columns_that_it_has_and_the_time_left(monkeypatch, columns):
    monkeypatch.setenv("LINES", "16")
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(grid_table, "_SECONDS_BETWEEN_DRAWINGS", 0.0)
    many = GRID | {"runs": [*GRID["runs"], *(run(f"more-{n}", "left") for n in range(50))]}
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    with Table("a song") as table:
        table.show(many)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue()).splitlines()
    drawn = [line for line in lines if line.strip()]
    assert max(map(len, drawn)) <= columns
    assert len(drawn) <= 16
    assert "2 min 5 s left" in " ".join(" ".join(drawn).split())
    assert any("running" in line and "100x50-gru-199-s1" in line for line in drawn)
    assert any("training 25 %" in line for line in drawn) == (columns > 40)
    assert any("about 1 min 30 s here" in line for line in drawn) == (columns >= 76)
    assert any("0.01235" in line for line in drawn) == (columns >= 120)


def test_a_run_whose_folder_is_gone_is_not_done_any_more(tmp_path, capsys):
    (tmp_path / "there").mkdir()
    write_grid(tmp_path, grid(run("there", "done", outcome=OUTCOME), run("gone", "done", outcome=OUTCOME)))
    found = {one["name"]: one for one in read_status(tmp_path)["runs"]}
    assert [found["there"]["state"], found["gone"]["state"]] == ["done", "left"]
    assert main(["status", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "1 of 2 runs done, 1 left" in said
    assert "its folder is gone; about" in said


def test_who_runs_a_grid_and_whether_it_is_alive(tmp_path, capsys):
    with pytest.raises(RunError, match=r"no grid\.json.*name one that is"):
        read_status(tmp_path)
    write_grid(tmp_path, GRID)
    found = read_status(tmp_path)  # it says running, and nobody is there
    assert found["state"] == "lost"
    assert [one["state"] for one in found["runs"]].count("running") == 0
    assert "ended without a word" in found["said"]
    with sole_owner(tmp_path):
        found = read_status(tmp_path)
        assert found["state"] == "running"
        assert found["owner"]["pid"] > 0
        assert [one["state"] for one in found["runs"]].count("running") == 1
    write_grid(tmp_path, GRID | {"state": "stopped"})
    assert "stopped at 2026-11-22T10:00:00" in read_status(tmp_path)["said"]
    assert main(["status", str(tmp_path), "--watch"]) == 0  # nothing runs: it does not wait
    assert "the command that began it goes on" in capsys.readouterr().out


def test_while_the_first_start_measures_it_is_said_who_works_and_that_nothing_has_begun(tmp_path, capsys):
    with sole_owner(tmp_path):
        assert main(["status", str(tmp_path)]) == 0
        assert f"process {os.getpid()} on " in (said := capsys.readouterr().out)
        assert "no run has begun\n" in said
        assert "has begun none yet" in said
        assert main(["status", str(tmp_path), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
    assert found.pop("said") in said
    assert found.pop("owner")["pid"] == os.getpid()
    assert found == {"state": "running", "seconds_left": None, "runs": []}
    assert main(["status", str(tmp_path)]) == 2  # nobody works on it any more


def test_it_is_watched_from_its_measuring_to_its_end(tmp_path, capsys, monkeypatch):
    with ExitStack() as owned:
        owned.enter_context(sole_owner(tmp_path))
        looks = []

        def sleep(seconds):
            looks.append(read_status(tmp_path)["runs"])
            if len(looks) == 2:
                write_grid(tmp_path, GRID)
            elif len(looks) == 4:
                write_grid(tmp_path, GRID | {"state": "complete"})
                owned.close()

        monkeypatch.setattr(cli_reproduce.time, "sleep", sleep)
        assert main(["status", str(tmp_path), "--watch"]) == 0
    assert [len(runs) for runs in looks] == [0, 0, len(GRID["runs"]), len(GRID["runs"])]
    assert "nothing runs; as of" in capsys.readouterr().out


@pytest.mark.parametrize(
    "altered",
    [
        {"runs": 3},
        {"runs": [3]},
        {"runs": [run("../../etc", "done")]},
        {"runs": [run("", "done")]},
        {"runs": [run("a", "done") | {"estimated_seconds": "x"}]},
        {"runs": [run("a", "done") | {"estimated_seconds": 1e300}]},
        {"song": []},
        {"runs": [run("a", 3)]},
    ],
)
def test_a_grid_that_is_altered_is_refused_by_name(tmp_path, altered, capsys):
    write_grid(tmp_path, GRID | altered)
    with pytest.raises(RunError, match=r"grid\.json.* altered"):
        read_grid(tmp_path)
    assert main(["status", str(tmp_path)]) == 2
    assert "makes it anew" in capsys.readouterr().err


def test_what_is_written_is_read(tmp_path: Path):
    write_grid(tmp_path, GRID)
    written = json.loads((tmp_path / "grid.json").read_text())
    assert len(written.pop("rest_sha256")) == 64
    assert read_grid(tmp_path) == written
    assert written["runs"] == GRID["runs"]
