import pytest

from benchmarks import train_lengths
from benchmarks.train_lengths import measure_lengths, planned_split, ratios_of_lengths
from benchmarks.train_peers import Candidate, Task


class Counted(Candidate):
    name, title, kind = "float32", "counted", "ours"

    def __init__(self):
        self.calls = {}

    def open(self, task, inputs, targets):
        self.calls[task.seq] = 0

        def measure():
            self.calls[task.seq] += 1
            return 2.0 * task.seq

        return measure


def test_short_updates_are_made_more_often_in_their_turn():
    counted = Counted()
    together = [(Task(4, seq, 3, batch=2), counted, None) for seq in (1, 5, 20)]
    rows = train_lengths._in_turns(together, rounds=3)
    assert counted.calls == {1: 1 + 3 * 10, 5: 1 + 3 * 4, 20: 1 + 3}
    assert [row["seconds"] for row in rows] == [2.0, 10.0, 40.0]
    assert [row["step_seconds"] for row in rows] == [2.0, 2.0, 2.0]


def test_lengths_are_measured_and_compared(monkeypatch):
    monkeypatch.setattr(train_lengths, "HIDDEN", 8)
    rows = measure_lengths((5, 50), rounds=1, batch=4)
    assert [(row["candidate"], row["seq"]) for row in rows] == [
        ("float32", 5),
        ("float32", 50),
        ("floor", 5),
        ("floor", 50),
        ("nn_gru", 5),
        ("nn_gru", 50),
    ]
    assert all(row["step_seconds"] == row["seconds"] / row["seq"] > 0 for row in rows)
    short, long = rows[0]["step_seconds"], rows[1]["step_seconds"]
    assert ratios_of_lengths(rows) == {"step_time_50_over_5": long / short}


def test_an_update_is_split_as_the_trainer_would():
    task = Task(40, 10_000, 256)
    split, words = planned_split(task, 6 << 30)
    assert split.micro_batch < task.batch or split.segment < task.seq
    assert "GiB" in words
    whole, _ = planned_split(Task(40, 10, 8), 6 << 30)
    assert (whole.micro_batch, whole.segment) == (task.batch, 10)


def test_a_length_that_would_not_fit_is_left_out(monkeypatch):
    monkeypatch.setattr(train_lengths, "dearness", lambda *_, **__: "too large")
    (row,) = train_lengths._in_turns([(Task(4, 5, 3), Counted(), None)], rounds=1)
    assert (row["left_out"], row["seconds"], row["step_seconds"]) == ("too large", None, None)
    assert ratios_of_lengths([row | {"step_seconds": 1.0}]) == {}


def test_ratios_name_both_lengths():
    rows = [
        {"kind": "ours", "seq": seq, "step_seconds": each} for seq, each in ((100, 2.0), (1000, 2.1), (10_000, 2.2))
    ]
    assert ratios_of_lengths(rows) == {
        "step_time_1000_over_100": pytest.approx(1.05),
        "step_time_10000_over_100": pytest.approx(1.1),
    }
