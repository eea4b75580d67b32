"""The benchmark of judging: it judges what it says, keeps what it says, and its ratios follow from its rows."""

from __future__ import annotations

import pytest
from made_sounds import music
from small_song import write_shards

from benchmarks import judge
from benchmarks.processes import BenchmarkError


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """A song of 60 s, of which 4.9 s are the dev split."""
    return write_shards(tmp_path_factory.mktemp("song") / "tune", music(60))


SCALE = judge.Scale(seconds=2, frames=(40, 1000), shapes=((40, 50), (1000, 10)), rounds=1)


def test_sounds_are_judged_for_the_first_time_and_again(shards, tmp_path):
    rows = judge.measure_sounds(tmp_path, shards, SCALE)
    assert [(row["frame"], row["song_hours"]) for row in rows] == [(40, 1 / 60), (1000, 1 / 60)]
    assert all(60 > row["first_seconds"] > 0 < row["seconds"] < 60 for row in rows)
    for frame in (40, 1000):
        names = [path.name for path in (tmp_path / f"sounds-{frame}").iterdir()]
        assert sorted(name.partition("-")[2].partition("-")[0] for name in names) == ["excerpt", "statistics"]


def test_a_song_that_is_not_there_is_not_timed(shards, tmp_path):
    run = judge.untrained_run(tmp_path / "none" / "run", shards, 40, 50)
    with pytest.raises(BenchmarkError, match="held against the song"):
        judge._judged(run, music(1))  # there is no folder to keep its statistics in


def test_predictions_are_of_so_many_frames(shards, tmp_path):
    rows = judge.measure_predictions(tmp_path, shards, SCALE)
    assert [(row["shape"], row["frames"]) for row in rows] == [("40x50", 39 * 50), ("1000x10", 7 * 10)]
    assert rows[1]["examples"] == 7
    train = 60 * 16_000 * 160_000_000 // 174_224_000
    assert [row["fitted_frames"] for row in rows] == [train - 2 * row["frame"] + 1 for row in rows]
    with pytest.raises(BenchmarkError, match=r"1000x100: .* no dev example"):
        judge.measure_predictions(tmp_path, shards, judge.Scale(shapes=((1000, 100),)))


def test_ratios_follow_from_the_rows():
    rows = [
        {"kind": "30 s of sound", "sound_seconds": 30, "shape": "40", "first_seconds": 20.0, "seconds": 1.5},
        {"kind": "prediction", "shape": "40x50", "seconds": 0.5},
    ]
    assert judge.ratios(rows) == {
        "first_sound_seconds:40": 20.0,
        "sound_seconds:40": 1.5,
        "sound_over_realtime:40": 20.0,
        "prediction_seconds:40x50": 0.5,
    }
