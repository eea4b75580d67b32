import pytest

from benchmarks import train_memory
from benchmarks.processes import BenchmarkError
from benchmarks.train_memory import MemoryPlan, examples_of, measure_memory, ratios_of_memory
from benchmarks.train_run import noise_song, train_apart
from longsong.reported import post_configurations
from streams import Song, Windows, train_samples


def test_the_shapes_are_those_of_the_post():
    assert [f"{frame}x{seq}" for frame, seq in MemoryPlan.shapes] == [c.shape for c in post_configurations((256,))]


@pytest.mark.parametrize(("shape", "examples"), [((40, 50), 128), ((40_000, 4000), 1), ((40_000, 10_000), 0)])
def test_a_mini_batch_is_full_or_all_that_the_song_holds(shape, examples):
    assert examples_of(*shape, MemoryPlan.samples) == examples


def test_the_train_split_holds_as_many(tmp_path):
    song = Song.open(noise_song(tmp_path, 10_000))
    for frame, seq in ((10, 50), (3, 7), (700, 13), (700, 14)):
        windows = Windows(song, frame, seq, stop=train_samples(len(song)))
        assert examples_of(frame, seq, len(song)) == min(128, len(windows))


def test_an_update_is_trained_apart_and_its_memory_measured(tmp_path):
    plan = MemoryPlan(memory=2 << 30, shapes=((10, 5), (40_000, 10_000)), hidden=8, cells=("gru", "rnn"))
    rows = measure_memory(tmp_path, plan)
    assert [(row["shape"], row["cell"], row["examples"]) for row in rows] == [
        ("10x5", "gru", 128),
        ("10x5", "rnn", 128),
        ("40000x10000", "gru", 0),
        ("40000x10000", "rnn", 0),
    ]
    for row in rows[:2]:
        assert 100 << 20 < row["peak_bytes"] < 2 << 30  # torch alone takes more
        assert row["peak_over_budget"] == row["peak_bytes"] / plan.memory
        assert row["peak_over_estimate"] == row["peak_bytes"] / row["estimated_bytes"]
        assert 0 < row["update_seconds"] < 60
    assert all("holds no example" in row["left_out"] for row in rows[2:])
    assert list(ratios_of_memory(rows)) == [
        "peak_over_budget:10x5",
        "peak_over_estimate:10x5",
        "peak_over_budget:10x5:rnn",
        "peak_over_estimate:10x5:rnn",
    ]
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_end_well_says_why_and_the_next_shape_has_its_turn(tmp_path, monkeypatch):
    def refuse(request, at_most):
        raise BenchmarkError(f"no room for {request['frame']}")

    monkeypatch.setattr(train_memory, "train_apart", refuse)
    rows = measure_memory(tmp_path, MemoryPlan(shapes=((10, 5), (20, 5))))
    assert [row["left_out"] for row in rows] == ["no room for 10", "no room for 20"]
    assert ratios_of_memory(rows) == {}


def test_a_process_that_fails_or_takes_too_long_is_named(tmp_path):
    request = {"shards": str(tmp_path / "nowhere"), "out": str(tmp_path / "run"), "frame": 10, "seq": 5}
    request |= {"train_samples": None, "cell": "gru", "hidden": 8, "epochs": 1, "memory": None}
    with pytest.raises(BenchmarkError, match="nowhere"):
        train_apart(request)
    with pytest.raises(BenchmarkError, match="ended after 0 s"):
        train_apart(request, at_most=0.01)
