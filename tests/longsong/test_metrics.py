"""`metrics.jsonl` as it is read: its lines, or an error that says which is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from longsong.errors import RunError
from longsong.metrics import metric_lines

UPDATE = {
    "kind": "update", "update": 1, "epoch": 1, "examples": 8, "indices_sha256": "0", "train_cost": 0.5,
    "clipped": False, "floor_share": 0.5, "learning_rate": 0.002, "seconds": 0.1,
}  # fmt: skip
DEV = {"kind": "dev", "epoch": 0, "update": 0, "dev_cost": None, "dev_examples": 0}


def test_lines_of_both_kinds_in_order(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in (DEV, UPDATE, UPDATE | {"update": 2})))
    assert list(metric_lines(path)) == [DEV, UPDATE, UPDATE | {"update": 2}]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"kind": "upd', "cut short or altered"),
        ("[" * 60_000, "cut short or altered"),
        ("x" * 70_000, "line 2 has more than"),
        ('{"kind": ["update"]}', "no kind of line"),
        (json.dumps(UPDATE | {"train_cost": float("nan")}), "train_cost = nan"),
        (json.dumps(UPDATE | {"seconds": 10**400}), "seconds = 1000"),
    ],
)
def test_a_line_that_is_none_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps(DEV) + "\n" + line + "\n")
    with pytest.raises(RunError, match=said) as error:
        list(metric_lines(path))
    assert len(str(error.value)) < 500
