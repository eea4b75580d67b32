"""Every candidate that is installed gives the very same numbers."""

import numpy as np
import pytest

from benchmarks import comparison
from benchmarks.candidates import CANDIDATES
from benchmarks.comparison import Plan, compare, ratios_of, run_candidates
from benchmarks.noise import check_order, check_set, expected_digests, row_digests, set_digest, write_noise
from benchmarks.processes import BenchmarkError
from benchmarks.stream_peers.task import Task
from streams import ArraySong, DataStream, ShuffledScheme, Windows

TINY = Plan(samples=2017, shapes=((4, 5), (7, 3)), rounds=1, seconds=0, openings=1, batch=8, settle=False)


@pytest.fixture
def task(tmp_path):
    song = tmp_path / "song.i16"
    write_noise(song, TINY.samples)
    windows = Windows(ArraySong(np.fromfile(song, dtype="<i2"), 16_000), 4, 5)
    return Task(str(song), str(tmp_path), 4, 5, windows.normaliser.scale, windows.normaliser.offset, batch=8)


@pytest.mark.parametrize("name", CANDIDATES)
def test_a_candidate_gives_the_numbers_of_the_song(name, tmp_path):
    if missing := CANDIDATES[name].missing():
        pytest.skip(f"{CANDIDATES[name].title}: {missing} not installed")
    with run_candidates([name]) as workers:
        rows = compare(workers, tmp_path, TINY)  # raises where a number differs
    assert [row["shape"] for row in rows] == ["4x5", "7x3"]
    for row in rows:
        assert row["candidate"] == name
        assert row["bytes_per_sample"] >= 2
        figures = ("samples_per_second", "first_batch_seconds", "peak_anonymous_bytes", "prepare_seconds")
        assert all(row[figure] > 0 for figure in figures if figure != "peak_anonymous_bytes")
        assert all(np.isfinite(row[figure]) for figure in figures)
    assert {path.name for path in tmp_path.iterdir()} <= {"song.i16", name}


def test_other_numbers_are_noticed(tmp_path, monkeypatch):
    def wrong(task, examples):
        return expected_digests(task, [(example + 1) % task.examples for example in examples])

    monkeypatch.setattr(comparison, "expected_digests", wrong)
    with run_candidates(["numpy"]) as workers, pytest.raises(BenchmarkError, match="numpy: its first mini-batches"):
        compare(workers, tmp_path, TINY)


def test_another_order_and_a_missing_example_are_noticed(task):
    expected = expected_digests(task, range(task.examples))
    shuffled = [expected[example] for example in np.concatenate(next(task.orders()))]
    check_order("a", expected, expected)
    check_set("a", set_digest(shuffled), len(shuffled), expected)
    assert set_digest(shuffled[5:], set_digest(shuffled[:5])) == set_digest(expected)
    for wrong in (shuffled, expected[1:], []):
        with pytest.raises(BenchmarkError, match="a: its first mini-batches"):
            check_order("a", wrong, expected)
    for wrong in (shuffled[1:], shuffled[1:] + shuffled[1:2], [*shuffled, shuffled[0]]):
        with pytest.raises(BenchmarkError, match="a: an epoch has not each example"):
            check_set("a", set_digest(wrong), len(wrong), expected)


def test_what_is_expected_is_what_streams_gives(task):
    windows = Windows(ArraySong(np.asarray(task.samples), 16_000), task.frame, task.seq)
    assert len(windows) == task.examples
    assert row_digests(windows.read(range(task.examples))) == expected_digests(task, range(task.examples))


def test_the_order_is_that_of_streams(task):
    windows = Windows(ArraySong(np.asarray(task.samples), 16_000), task.frame, task.seq)
    stream = DataStream(windows, ShuffledScheme(len(windows), task.batch))
    for _, epoch in zip(range(3), task.orders(), strict=False):
        ours = [stream.indices.tolist() for _ in stream.get_epoch_iterator()]
        assert [batch.tolist() for batch in epoch] == ours


def test_ratios_are_taken_shape_by_shape():
    def row(name, kind, shape, speed):
        return {"candidate": name, "kind": kind, "shape": shape, "samples_per_second": speed}

    rows = [
        row("ours", "ours", "40x50", 12.0) | {"first_epoch_samples_per_second": 3.0},
        row("floor", "floor", "40x50", 16.0),
        row("a", "peer", "40x50", 4.0),
        row("b", "peer", "40x50", 2.0),
        row("numpy", "reference", "40x50", 8.0),
        row("ours", "ours", "1x2", 5.0) | {"first_epoch_samples_per_second": 5.0},
        row("floor", "floor", "9x9", 16.0),
    ]
    assert ratios_of(rows) == {
        "ours_over_floor:40x50": 0.75,
        "ours_over_fastest_peer:40x50": 3.0,
        "ours_over_a:40x50": 3.0,
        "ours_over_b:40x50": 6.0,
        "ours_over_numpy:40x50": 1.5,
        "ours_first_epoch_over_later:40x50": 0.25,
        "ours_first_epoch_over_later:1x2": 1.0,
    }
