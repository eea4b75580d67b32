from itertools import pairwise

import pytest

from benchmarks import train_share
from benchmarks.train_run import noise_song, train_apart
from benchmarks.train_share import measure_shares, ratios_of_shares, shares_of_epochs


def test_an_epoch_is_from_the_end_of_one_evaluation_to_that_of_the_next():
    evaluations = [(0.0, 1.0), (9.0, 11.0), (20.0, 21.0)]
    updates = [(2.0, 5.0), (5.5, 8.5), (12.0, 16.0), (16.0, 20.0)]
    assert shares_of_epochs(updates, evaluations) == [
        {"seconds": 10.0, "updates": 6.0, "evaluation": 2.0, "rest": 2.0},
        {"seconds": 10.0, "updates": 8.0, "evaluation": 1.0, "rest": 1.0},
    ]


def test_the_first_epoch_counts_by_itself(tmp_path, monkeypatch):
    found = {
        "updates": [(1.0, 2.0), (11.0, 19.0), (21.0, 29.0)],
        "evaluations": [(0.0, 0.5), (9.0, 10.0), (19.0, 20.0), (29.0, 30.0)],
    }

    def fake(request):
        (tmp_path / "run").mkdir()
        return found

    monkeypatch.setattr(train_share, "train_apart", fake)
    (row,) = measure_shares(tmp_path, [(10, 5)], hidden=8, hours=0.0001, epochs=3)
    assert (row["updates"], row["epoch_seconds"]) == (1, 10.0)
    assert (row["updates_share"], row["evaluation_share"], row["rest_share"]) == (0.8, 0.1, pytest.approx(0.1))
    assert row["first_updates_share"] == 1.0 / 9.5
    assert ratios_of_shares([row]) == {
        "updates_share:10x5": 0.8,
        "updates_share_beside_dev:10x5": pytest.approx(0.8 / 0.9),
    }


def test_a_whole_training_is_watched(tmp_path):
    request = {"shards": str(noise_song(tmp_path, 20_000)), "out": str(tmp_path / "run"), "frame": 10, "seq": 5}
    request |= {"train_samples": None, "cell": "gru", "hidden": 8, "epochs": 2, "memory": None}
    found = train_apart(request)
    assert len(found["evaluations"]) == 3
    assert len(found["updates"]) == 2 * 3  # 367 examples in mini-batches of 128
    spans = sorted(found["evaluations"] + found["updates"])
    assert all(begun < ended <= after for (begun, ended), (after, _) in pairwise(spans))
    epochs = shares_of_epochs(found["updates"], found["evaluations"])
    assert all(min(epoch.values()) > 0 for epoch in epochs)
    assert (tmp_path / "run" / "summary.json").exists()
