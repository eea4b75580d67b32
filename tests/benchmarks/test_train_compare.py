import pytest

from benchmarks import train_compare
from benchmarks.processes import BenchmarkError
from benchmarks.train_compare import Plan, check_numbers, compare, dearness, ratios_of
from benchmarks.train_peers import Candidate, Ours, ProductsAlone, Task, TorchGRU, shortened

TASK = Task(frame=4, seq=6, hidden=3, batch=5)


class Paced(Candidate):
    """Takes, by its own word, so many seconds a step."""

    def __init__(self, name, each, *, kind="ours", may_be_slow=False, missing=None):
        self.name, self.title, self.kind, self.may_be_slow = name, name, kind, may_be_slow
        self.each, self.calls, self._missing = each, 0, missing

    def missing(self):
        return self._missing

    def open(self, task, inputs, targets):
        assert inputs.shape == (task.batch, task.seq, task.frame)

        def measure():
            self.calls += 1
            return self.each * task.seq

        return measure


class Wrong(Ours):
    def gradient(self, network):
        right = super().gradient(network)

        class Form:
            def cost_and_gradient(self, *arguments):
                cost, gradient = right.cost_and_gradient(*arguments)
                network.named(gradient)["gru1.initial_state"].mul_(1.0001)
                return cost, gradient

        return Form()


def test_candidates_have_the_same_rounds_and_are_set_against_peer_and_floor():
    ours, peer = Paced("float32", 0.5), Paced("nn_gru", 1.0, kind="peer")
    floor = Paced("floor", 0.25, kind="floor")
    rows = compare([TASK], [ours, peer, floor], Plan(seconds=52.5, least=3, most=15))
    assert [row["rounds"] for row in rows] == [5, 5, 5]  # 10.5 s each
    assert ours.calls == 1 + 5  # one that warms up
    assert [row["seconds"] for row in rows] == [3.0, 6.0, 1.5]
    assert [row.get("over_nn_gru") for row in rows] == [0.5, None, 0.25]
    assert [row.get("over_floor") for row in rows] == [2.0, 4.0, None]


@pytest.mark.parametrize(("seconds", "rounds"), [(0.0, 3), (1e9, 15)])
def test_rounds_have_bounds(seconds, rounds):
    (row,) = compare([TASK], [Paced("a", 1.0)], Plan(seconds=seconds, least=3, most=15))
    assert row["rounds"] == rounds


def test_who_may_be_slow_has_one_round_or_none():
    fast, slow = Paced("fast", 1.0), Paced("slow", 2.0, may_be_slow=True)
    rows = compare([TASK], [fast, slow], Plan(seconds=0.0, slow=11.0))
    assert [(row["seconds"], row["rounds"]) for row in rows] == [(6.0, 3), (12.0, 1)]
    long = Task(frame=1, seq=1000, hidden=1, batch=1)
    slow.calls = 0
    rows = compare([long], [fast, slow], Plan(seconds=0.0, too_slow=1999.0))
    assert rows[1]["left_out"] == "an update would take about 2000 s"
    assert (rows[1]["seconds"], rows[1]["rounds"]) == (None, None)
    assert slow.calls < 10


def test_who_is_not_there_is_left_out_by_name():
    rows = compare([TASK], [Paced("a", 1.0), Paced("b", 1.0, missing="it is not installed")], Plan())
    assert [row["left_out"] for row in rows] == [None, "it is not installed"]


def test_what_would_not_fit_is_left_out(monkeypatch):
    task = Task(frame=4, seq=300, hidden=16, batch=32)
    kept = train_compare._bytes_kept(TorchGRU().open(task, *task.mini_batch()))
    assert kept > 1 << 20
    for free, fits in ((kept * 1.05, True), (kept * 0.95, False)):
        monkeypatch.setattr(train_compare, "free_memory", lambda device, free=free: free / train_compare.SHARE_OF_FREE)
        assert (dearness(TorchGRU(), task, 1e9) is None) is fits
        assert dearness(TorchGRU(), shortened(task, 20), 1e9) is None
    assert dearness(ProductsAlone(), task, 1e9) is None


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_the_numbers_are_compared(cell):
    task = Task(frame=4, seq=300, hidden=3, batch=5, cell=cell)
    assert 0 < check_numbers(Ours("float32"), task) < train_compare.TOLERANCE


def test_wrong_numbers_are_not_timed():
    with pytest.raises(BenchmarkError, match=r"4x6 with hidden 3: gru1.initial_state is 1.0e-04 off"):
        compare([TASK], [Wrong("float32")], Plan())


def test_ratios_are_of_what_was_measured():
    def row(candidate, seconds, shape="40x50", hidden=199):
        return {"candidate": candidate, "seconds": seconds, "shape": shape, "hidden": hidden}

    rows = [
        row("float32", 3.0),
        row("bfloat16", 2.0),
        row("nn_gru", 4.0),
        row("floor", 2.0),
        row("reference", 6.0),
        row("keras", None),
        row("float32", 5.0, hidden=256),
        row("keras", 50.0, hidden=256),
        row("nn_gru", 10.0, "4000x50"),
    ]
    assert ratios_of(rows) == {
        "time_over_nn_gru:float32:40x50:199": 0.75,
        "time_over_floor:float32:40x50:199": 1.5,
        "time_over_reference:float32:40x50:199": 0.5,
        "time_over_nn_gru:bfloat16:40x50:199": 0.5,
        "time_over_floor:bfloat16:40x50:199": 1.0,
        "time_over_reference:bfloat16:40x50:199": 1 / 3,
        "time_over_keras:float32:40x50:256": 0.1,
    }
