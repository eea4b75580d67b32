"""Cells that take turns: tiny networks, a clock that is given, and what is refused."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest
from run_folders import edit, read
from small_song import tune, write_shards
from training_runs import train

from longsong.audit.side_by_side import LEAST_ROUNDS, read_cells
from longsong.config import ModelConfig, TrainingConfig
from longsong.errors import ConfigError, DeviceError, RunError
from longsong.experiments import cells
from longsong.experiments.cells import measure_cells
from longsong.training.updater import Updater

CELLS = ("gru", "lstm", "rnn")


@pytest.fixture(scope="module")
def trained(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("cells") / "runs"
    for cell, seed in itertools.product(CELLS, (1, 2)):
        model, training = ModelConfig(cell=cell, hidden=8), TrainingConfig(epochs=1, seed=seed)
        train(shards, runs / f"{cell}-{seed}", model=model, training=training)
    return runs


@pytest.fixture
def runs(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "runs")


def test_every_cell_makes_an_update_in_every_round(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []
    update = Updater.update
    monkeypatch.setattr(
        Updater, "update", lambda self, *b: (order.append(self.network.config.cell), update(self, *b))[1]
    )
    (found,) = read_cells(measure_cells(runs, most_seconds=0.0, quiet=True))
    assert (found.frame, found.seq, found.hidden, found.layers, found.examples) == (20, 5, 8, 2, 128)
    assert set(found.seconds) == set(CELLS)
    assert {len(times) for times in found.seconds.values()} == {LEAST_ROUNDS}
    rounds = [tuple(order[at : at + 3]) for at in range(0, len(order), 3)]
    assert all(set(one) == set(CELLS) for one in rounds)
    firsts = [one[0] for one in rounds]
    assert max(firsts.count(cell) for cell in CELLS) - min(firsts.count(cell) for cell in CELLS) <= 1


def test_seconds_are_those_of_the_clock(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    took = {"gru": 2.0, "lstm": 3.0, "rnn": 0.5}

    def update(self: Updater, *batch: object) -> None:
        now[0] += took[self.network.config.cell]

    monkeypatch.setattr(Updater, "update", update)
    (found,) = read_cells(measure_cells(runs, most_seconds=110.0, clock=lambda: now[0], quiet=True))
    assert {cell: set(times) for cell, times in found.seconds.items()} == {cell: {s} for cell, s in took.items()}
    # 5.5 s a round: the 21st is the first to end after 110 s; two warm up.
    assert len(found.seconds["gru"]) == 19
    assert found.ratio("lstm").median == 1.5


def test_they_are_computed_as_the_runs_were(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    make = cells.make_gradient
    monkeypatch.setattr(
        cells, "make_gradient", lambda network, e: (asked.append((network.config.cell, e)), make(network, e))[1]
    )
    for path in runs.glob("lstm-*/config.json"):
        edit(path, execution__micro_batch=64)
    measure_cells(runs, most_seconds=0.0, quiet=True)
    assert {cell: (e.threads, e.form, e.micro_batch) for cell, e in asked} == {
        "gru": (1, "fused", 128),
        "lstm": (1, "fused", 64),
        "rnn": (1, "fused", 128),
    }


def test_runs_that_cannot_be_compared_are_refused(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(ConfigError, match="no runs that differ in nothing but the cell"):
        measure_cells(tmp_path / "none", quiet=True)
    for run in (*runs.glob("lstm-*"), *runs.glob("rnn-*")):
        shutil.rmtree(run)
    with pytest.raises(ConfigError, match="no runs that differ in nothing but the cell"):
        measure_cells(runs, quiet=True)
    assert not (runs / "cells.json").exists()


def test_shards_that_are_not_here_or_of_another_song_are_refused(runs: Path, tmp_path: Path) -> None:
    for path in runs.glob("*/config.json"):
        edit(path, song__shards=str(tmp_path / "gone"))
    with pytest.raises(RunError, match="gone are not here"):
        measure_cells(runs, quiet=True)
    write_shards(tmp_path / "gone", tune(31_600, seed=5))
    with pytest.raises(RunError, match=read(runs / "gru-1" / "config.json")["song"]["digest"][:12]):
        measure_cells(runs, quiet=True)


def test_a_device_that_is_not_here_is_refused(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for path in runs.glob("*/config.json"):
        edit(path, execution__device="cuda")
    with pytest.raises(DeviceError, match="cuda"):
        measure_cells(runs, quiet=True)
