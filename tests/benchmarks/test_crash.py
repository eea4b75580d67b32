"""A small grid that is disturbed ends as one that nobody disturbed; and the comparison would notice if it did not."""

from __future__ import annotations

import json
import os
import random
import shutil
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import crash
from benchmarks.faults import small_disk
from longsong.audit.parity import PARITY_FILE
from longsong.config import ExecutionConfig
from longsong.experiments.golden_parity import write_golden_parity

# Of each kind one; where there is no small disk, or no permission to take away, those are left out.
NAMES = ["worker killed", "folder closed", "scheduler stopped, then killed", "disk full", "Ctrl-C", "file cut short"]


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("crash")


@pytest.fixture(scope="module")
def grid(work) -> crash.Grid:
    return crash.Grid(work / "shards")


@pytest.fixture(scope="module")
def due(work, grid) -> dict:
    runs = work / "undisturbed"
    runs.mkdir()
    # Of this code, and not of the runs: without compiled loops it takes a second, and is left as it is by all starts.
    write_golden_parity(runs, execution=ExecutionConfig(elementwise="plain"))
    return crash.undisturbed(grid, runs, work / "undisturbed.log")


def test_nothing_is_lost_whatever_happens(work, grid, due):
    with small_disk(work / "disk", 512 << 20) as disk:
        names = [name for name in NAMES if name in crash.possible_faults(disk)]
        assert len(names) >= 4
        log, runs = work / "disturbed.log", work / "disk/runs"
        runs.mkdir()
        if (parity := work / "undisturbed" / PARITY_FILE).exists():
            shutil.copy(parity, runs)
        told = crash.disturbed(grid, runs, disk, log, due, random.Random(1), names)
    assert told.lost == [], log.read_text()[-10_000:]
    assert told.faults.total() == len(names)
    assert told.starts >= 3  # one was killed, one interrupted, and the last was in peace


def test_what_was_lost_would_be_noticed(work, due):
    runs = work / "undisturbed"
    assert crash.outcome(runs) == due
    assert crash._damages(runs) == []
    sound = runs / "1000x50-gru-16-s1/generated.wav"
    whole = sound.read_bytes()
    sound.write_bytes(whole[:-2] + b"\1\1")
    (lost,) = crash._differences(due, crash.outcome(runs))
    assert lost.startswith("1000x50-gru-16-s1: generated.wav is ")
    assert any("generated.wav" in line for line in crash._damages(runs))
    sound.write_bytes(whole)
    grid_file = runs / "grid.json"
    text = grid_file.read_text()
    grid_file.write_text(json.dumps({"runs": [{"name": name, "state": "failed"} for name in due if name != "audit"]}))
    assert len(crash._differences(due, crash.outcome(runs))) == len(due) - 1
    grid_file.write_text(text)


def test_only_what_speaks_of_resumed_runs_may_say_more_than_in_peace():
    due = {"audit": {"D10": "no evidence yet", "P12": "reproduced"}}
    assert crash._differences(due, {"audit": {"D10": "differs", "P12": "reproduced"}}) == []
    assert len(crash._differences(due, {"audit": {"D10": "reproduced", "P12": "differs"}})) == 2


class Complete:
    """A grid of which nothing is left to do: it ends at once."""

    profile = crash.PROFILES["smoke"]

    @contextmanager
    def begun(self, out, log):
        yield SimpleNamespace(pid=os.getpid(), poll=lambda: 0, returncode=0, wait=lambda timeout: 0)

    def completed(self, out, log):
        return 0


def test_a_fault_that_can_be_done_to_nothing_any_more_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(crash, "_damages", lambda out: [])
    log = tmp_path / "log"
    told = crash.disturbed(Complete(), tmp_path / "runs", None, log, {}, random.Random(1), ["worker killed"] * 2)
    assert (told.faults.total(), told.starts, told.lost) == (0, 3, [])
    assert log.read_text() == "--- worker killed: not done\n" * 2
