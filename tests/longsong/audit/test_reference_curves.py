"""The curves of 2016 as they come with the package, and what is derived from them (FACTS section 8)."""

from __future__ import annotations

import shutil
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from longsong.audit import reference_curves
from longsong.audit.original_song import ORIGINAL_SONG, OriginalSong
from longsong.audit.reference_curves import (
    ReadCurve,
    ReferenceCurves,
    cost_of_mean_2016,
    load_reference_curves,
    reference_origin,
)
from longsong.audit.song import examples_that_fit
from longsong.errors import ConfigError
from longsong.reported import BATCH, EPOCHS


def curve(*costs: float, error: float = 0.0) -> ReadCurve:
    return ReadCurve(tuple(range(len(costs))), costs, error, "made", "")


@pytest.mark.parametrize(
    ("shape", "first_train", "last_train", "first_dev", "last_dev", "lowest"),
    [
        ("1000x100", 0.0566, 0.0348, 0.0551, 0.0340, (0.0318, 325)),
        ("4000x50", 0.0572, 0.051, 0.0561, 0.0504, (0.0504, 210)),
    ],
)
def test_they_are_those_of_the_plots(shape, first_train, last_train, first_dev, last_dev, lowest):
    (found,) = [one for one in load_reference_curves() if one.shape == shape]
    ends = [found.train.costs[0], found.train.costs[-1], found.dev.costs[0], found.dev.costs[-1]]
    assert ends == pytest.approx([first_train, last_train, first_dev, last_dev], abs=0.0003)
    assert min(zip(found.dev.costs, found.dev.updates, strict=True)) == pytest.approx(lowest, abs=0.0001)


@pytest.mark.parametrize("found", load_reference_curves(), ids=lambda one: one.shape)
def test_they_have_the_updates_of_the_song_of_2016(found):
    song = ORIGINAL_SONG
    examples = examples_that_fit(found.frame, found.seq, 0, song.train_samples, song.samples)
    an_epoch = -(-examples // BATCH)
    assert list(found.train.updates) == list(range(1, EPOCHS * an_epoch + 1))
    assert list(found.dev.updates) == list(range(0, EPOCHS * an_epoch + 1, an_epoch))


def test_where_they_are_from_comes_along():
    origin = reference_origin()
    assert origin["repository"] == "teganmaharaj/deeplearningclass"
    assert origin["in_force"] == ["D01"]
    assert {one.dev.reading_error for one in load_reference_curves()} == {0.0002, 0.00005}


def test_the_cost_of_the_mean_is_the_first_cost_less_the_square_of_silence():
    # Silence is at -0.25: predicting it costs 1/16 less than predicting zero.
    song = OriginalSong(minimum=-300, maximum=500)
    one = ReferenceCurves(20, 5, curve(0.5, 0.1, error=0.01), curve(0.4, 0.1, error=0.02))
    mean = cost_of_mean_2016([one], song)
    assert mean.silence == -0.25
    assert (mean.train.value, mean.dev.value) == pytest.approx((0.5 - 1 / 16, 0.4 - 1 / 16))
    assert (mean.train.error, mean.dev.error) == pytest.approx((0.01 + 1 / 16, 0.02 + 1 / 16))


def test_what_shapes_disagree_by_is_part_of_the_error():
    song = OriginalSong(minimum=-500, maximum=500)
    shapes = [ReferenceCurves(1000, 500, curve(first, error=0.01), curve(first)) for first in (0.4, 0.6)]
    mean = cost_of_mean_2016(shapes, song)
    assert (mean.train.value, mean.train.error) == pytest.approx((0.5, 0.11))


def test_a_dev_cost_whose_last_mini_batch_is_short_is_not_used():
    whole, short = load_reference_curves()[1], load_reference_curves()[0]
    assert (whole.shape, short.shape) == ("4000x50", "1000x100")
    assert cost_of_mean_2016().dev == cost_of_mean_2016([whole]).dev
    assert cost_of_mean_2016([short]).dev.value != cost_of_mean_2016().dev.value
    off = replace(short, dev=replace(short.dev, costs=(0.9, *short.dev.costs[1:])))
    assert cost_of_mean_2016([off, whole]).dev == cost_of_mean_2016().dev


def test_without_a_reference_there_is_nothing_to_derive():
    with pytest.raises(ConfigError, match="no reference curves"):
        cost_of_mean_2016([])


@pytest.mark.parametrize(
    "text",
    [
        "update,cost\n1,high\n",
        "update,cost\n2,0.5\n1,0.5\n",
        "update,cost\n",
        "update,price\n1,0.5\n",
        "update,cost\n1\n",
    ],
)
def test_a_curve_that_was_altered_is_refused_by_name(text, tmp_path, monkeypatch):
    folder = Path(str(files("longsong.audit"))) / "curves_2016"
    shutil.copytree(folder, tmp_path / "curves_2016")
    (tmp_path / "curves_2016" / "4000_50_dev.csv").write_text(text)
    monkeypatch.setattr(reference_curves, "files", lambda package: tmp_path)
    load_reference_curves.cache_clear()
    try:
        with pytest.raises(ConfigError, match=r"4000_50_dev\.csv"):
            load_reference_curves()
    finally:
        load_reference_curves.cache_clear()


def test_the_song_of_2016_is_known_by_its_statistics():
    found = ORIGINAL_SONG.recognise(16_000, 174_200_001, -8930, 9124)
    assert found.same
    assert "174,200,001" in found.text


@pytest.mark.parametrize(
    ("statistics", "named"),
    [
        ((44_100, 174_224_000, -8936, 9124), "44,100 Hz"),
        ((16_000, 173_000_000, -8936, 9124), "173,000,000 samples"),
        ((16_000, 174_224_000, -9500, 9124), "minimum of -9,500"),
        ((16_000, 174_224_000, -8936, 32_767), "maximum of 32,767"),
    ],
)
def test_another_song_is_not_and_what_is_off_is_named(statistics, named):
    found = ORIGINAL_SONG.recognise(*statistics)
    assert not found.same
    assert named in found.text
    assert found.text.count("(2016:") == 1
