"""Metrics in columns: the very numbers of the lines, in a fraction of their bytes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from run_folders import copy, edit_metrics

from longsong.audit.run_metrics import RunMetrics
from longsong.errors import RunError
from longsong.metrics import metric_lines

NAME = "40x50-gru-199-s1"


def lines_of(path: Path, kind: str) -> list[dict]:
    return [line for line in metric_lines(path) if line["kind"] == kind]


@pytest.fixture
def path(honest: Path, tmp_path: Path) -> Path:
    return copy(honest, tmp_path / "runs") / NAME / "metrics.jsonl"


def test_they_are_the_numbers_of_the_lines(path: Path) -> None:
    found = RunMetrics.read(path)
    for lines, kind in ((found.updates, "update"), (found.evaluations, "dev")):
        due = lines_of(path, kind)
        assert len(lines) == len(due)
        for at, (line, given) in enumerate(zip(due, lines, strict=True)):
            assert given == lines[at]
            assert given == {name: line[name] for name in lines.columns}
            assert {name: type(value) for name, value in given.items()} == {
                name: type(line[name]) for name in lines.columns
            }
    assert lines[-1]["epoch"] == 30
    with pytest.raises(IndexError):
        found.updates[len(found.updates)]
    assert [digest.tobytes().hex() for digest in found.indices] == [
        line["indices_sha256"] for line in lines_of(path, "update")
    ]
    columns = [lines.column(name).tolist() for name in ("epoch", "update")]
    assert list(lines.rows("epoch", "update")) == list(zip(*columns, strict=True))


def test_what_a_line_does_not_have_is_none(path: Path) -> None:
    odd = {1: None, 2: True, 3: "0.1", 4: 10**400, 5: float("nan"), 6: {}}

    def change(line: dict) -> dict:
        if line["kind"] == "dev":
            return line | {"dev_cost": None} if line["epoch"] == 2 else line
        if line["update"] == 7:
            return {key: value for key, value in line.items() if key != "gradient_norm"}
        return line | {"gradient_norm": odd.get(line["update"], 3)}

    edit_metrics(path.parent, change, keep_digest=True)
    found = RunMetrics.read(path)
    assert [line["gradient_norm"] for line in found.updates][:8] == [None] * 7 + [3.0]
    assert np.isnan(found.updates.column("gradient_norm")).sum() == 7
    assert [line["epoch"] for line in found.evaluations if line["dev_cost"] is None] == [2]


@pytest.mark.parametrize("digest", ["", "ab", "z" * 64, "AB" * 32, " " * 64, "é" * 64])
def test_a_digest_that_is_none_is_of_no_examples(path: Path, digest: str) -> None:
    edit_metrics(path.parent, lambda line: line | {"indices_sha256": digest} if line.get("update") == 3 else line)
    indices = RunMetrics.read(path).indices
    assert not indices[2].any()
    assert indices[1].any()


def test_many_lines_are_a_tenth_of_their_text_and_less(path: Path) -> None:
    update, dev = lines_of(path, "update")[0], lines_of(path, "dev")[0]
    count = 10_000
    path.unlink()
    with path.open("w") as file:
        for number in range(1, count + 1):
            file.write(json.dumps(update | {"update": number, "train_cost": 1 / number}) + "\n")
            file.write(json.dumps(dev | {"update": number}) + "\n")
    found = RunMetrics.read(path)
    held = [*found.updates.columns.values(), *found.evaluations.columns.values(), found.indices]
    assert sum(column.nbytes for column in held) < 160 * count < path.stat().st_size / 3
    assert all(column.base is None or column is found.indices for column in held)  # nothing larger is kept for it
    assert [line["train_cost"] for line in found.updates] == [1 / number for number in range(1, count + 1)]


def test_metrics_of_no_line(path: Path) -> None:
    path.unlink()
    path.touch()
    found = RunMetrics.read(path)
    assert (len(found.updates), len(found.evaluations), found.indices.shape) == (0, 0, (0, 32))
    assert not list(found.updates)
    path.unlink()
    with pytest.raises(RunError, match="there is no"):
        RunMetrics.read(path)
