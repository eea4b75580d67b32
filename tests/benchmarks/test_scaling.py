"""The benchmark of what grows: the parts that need no training, and what they are compared with."""

from __future__ import annotations

import pytest

from benchmarks import scaling
from streams.index import parse_index


def test_the_index_of_a_song_that_is_not_there_is_one(monkeypatch):
    seen = []
    monkeypatch.setattr(scaling, "parse_index", lambda data, where: seen.append(parse_index(data, where)))
    rows, ratios, _ = scaling.index_rows([0.01, 30.0])
    assert [row["shards"] for row in rows] == [1, 52]
    assert [index.samples for index in seen] == [576_000, 1_728_000_000]
    assert [len(index.shards) for index in seen] == [1, 52]
    assert rows[1]["bytes"] == len(seen[1].to_bytes())
    assert ratios["index_model_over_measured:30"] == pytest.approx(1, abs=0.05)


def test_what_was_measured_is_set_beside_the_plan(tmp_path, monkeypatch):
    plan = {
        "runs": [{"seconds": {"update": 3.0, "alone": 11.0, "sound": 1.0}, "memory_bytes": 150, "parameters": 7}],
        "devices": {"measured": {"9": {"hidden": [8, 9]}}},
    }
    done = {"updates": [(0.0, 9.0), (10.0, 12.0), (20.0, 24.0)], "evaluations": [(30.0, 31.0)], "peak": 100}
    monkeypatch.setattr(scaling, "noise_song", lambda work, samples: (work / "noise").mkdir() or work / "noise")
    monkeypatch.setattr(scaling, "_planned", lambda hours, shape, **options: plan)
    monkeypatch.setattr(scaling, "_trained", lambda *a, **k: done)
    rows, ratios, _ = scaling.hidden_rows(tmp_path, scaling.Scale(hidden=(9,)))
    assert (rows[0]["measured_at"], rows[0]["update_seconds"]) == (
        "8+9",
        2.0,
    )  # not the first, in which buffers are new
    assert ratios == {"time_model_over_measured:9": 1.5, "memory_model_over_measured:9": 1.5}
    rows, ratios, _ = scaling.run_rows(tmp_path, scaling.QUICK)
    assert ratios == {"run_model_over_measured:100x50": 10.0 / 16.0}
    assert not (tmp_path / "noise").exists()
