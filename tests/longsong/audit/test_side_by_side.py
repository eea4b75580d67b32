"""``cells.json``: seconds of all rounds, and what they come to."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from run_folders import dump

from longsong.audit.side_by_side import SideBySide, read_cells, write_cells
from longsong.errors import RunError

ONE = SideBySide(
    frame=40,
    seq=50,
    hidden=199,
    layers=2,
    recurrence="time",
    precision="float32",
    examples=128,
    device_name="2 cores",
    threads=2,
    seconds={"gru": 4 * (1.0, 2.0, 4.0, 1.0), "lstm": 4 * (1.5, 3.0, 3.0, 1.1), "rnn": 4 * (0.5, 1.0, 2.0, 0.5)},
)


def test_ratios_are_of_the_same_round():
    ratio = ONE.ratio("lstm")
    assert (ratio.median, ratio.low, ratio.high) == pytest.approx((1.3, 1.0125, 1.5))  # of 1.5, 1.5, 0.75, 1.1
    assert (ratio.rounds, ratio.slower_in) == (16, 12)
    assert ONE.ratio("rnn").median == 0.5
    assert ONE.ratio("gru", "rnn").median == 2.0
    assert ONE.median("lstm") == 2.25


def test_it_reads_what_it_writes(tmp_path):
    path = tmp_path / "cells.json"
    write_cells(path, [ONE, replace(ONE, seq=100)])
    assert read_cells(path) == [ONE, replace(ONE, seq=100)]
    assert json.loads(path.read_text())["configurations"][0]["median_seconds"]["gru"] == 1.5


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.update(median_seconds={"gru": 1.4, "lstm": 2.25, "rnn": 0.75}),
        lambda one: one["seconds"]["gru"].pop(),
        lambda one: one["seconds"].update(gru=[1.0, 2.0, -4.0, 1.0]),
        lambda one: one.update(seconds={"gru": []}, median_seconds={}),
        lambda one: one.update(seconds={}, median_seconds={}),
        lambda one: one.update(seconds="fast"),
        lambda one: one.pop("frame"),
    ],
)
def test_what_was_altered_is_refused_by_name(change, tmp_path):
    path = tmp_path / "cells.json"
    write_cells(path, [ONE])
    found = json.loads(path.read_text())
    change(found["configurations"][0])
    dump(path, found)
    with pytest.raises(RunError, match=r"cells\.json is altered .*measure the cells again"):
        read_cells(path)


@pytest.mark.parametrize(("rounds", "refused"), [(2, True), (14, True), (15, False)])
def test_fewer_rounds_than_are_ever_measured_are_refused(rounds, refused, tmp_path):
    path = tmp_path / "cells.json"
    one = replace(ONE, seconds={"gru": rounds * (1.0,), "lstm": rounds * (2.0,)})
    write_cells(path, [one])
    if not refused:
        assert read_cells(path) == [one]
        return
    with pytest.raises(RunError, match=rf"cells\.json has {rounds} rounds of 40x50, where 15 or more are measured"):
        read_cells(path)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("data", "frame", 50),
        ("data", "seq", 100),
        ("data", "batch", 64),
        ("data", "train_examples", 100),
        ("model", "hidden", 256),
        ("model", "layers", 1),
        ("model", "recurrence", "batch"),
        ("execution", "precision", "float64"),
    ],
)
def test_it_is_of_runs_of_its_configuration_alone(section, key, value):
    config = {
        "data": {"frame": 40, "seq": 50, "batch": 128, "train_examples": 1000},
        "model": {"hidden": 199, "layers": 2, "recurrence": "time"},
        "execution": {"precision": "float32"},
    }
    assert ONE.is_of(config)
    config[section][key] = value
    assert not ONE.is_of(config)
