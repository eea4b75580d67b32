"""Curves as described and as coded beside given ones: tiny networks, and a made song that is taken for that of 2016."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from lies_about_records import CURVES_LIES, RecordLie
from run_folders import dump, edit
from small_song import tune, write_shards

from longsong.audit.curves import CurvesAudit, read_curves
from longsong.audit.curves_agreement import TOLERANCE
from longsong.audit.curves_runs import TrainedIn2016
from longsong.audit.original_song import ORIGINAL_SONG, OriginalSong
from longsong.audit.reference_curves import ReadCurve, ReferenceCurves
from longsong.audit.verdicts import Verdict
from longsong.config import ExecutionConfig
from longsong.errors import CheckpointError, RunError
from longsong.experiments import curves_2016
from longsong.experiments.curves_2016 import Setting, compare_with_2016
from longsong.files import sha256_of
from longsong.metrics import metric_lines

SETTING = Setting(hidden=8, batch=128, epochs=4, execution=ExecutionConfig(device="cpu", threads=1))
TINY = TrainedIn2016(hidden=8, batch=128, epochs=4)
FLAT = ReferenceCurves(
    20,
    5,
    ReadCurve(tuple(range(1, 13)), (0.05,) * 12, 0.0002, "made", ""),
    ReadCurve((0, 3, 6, 9, 12), (0.05, 0.04, 0.035, 0.03, 0.03), 0.0002, "made", ""),
)


def compare(shards: Path, runs: Path, **changes) -> CurvesAudit:
    given = {"setting": SETTING, "references": [FLAT], "say": lambda line: None, "quiet": True, "trained": TINY}
    return compare_with_2016(shards, runs, **(given | changes))


def known(shards: Path, **changes) -> OriginalSong:
    """Give a recogniser for which the made song is the one of 2016."""
    index = json.loads((shards / "index.json").read_text())
    statistics = index["statistics"]
    own = {"samples": len(tune(31_600)), "minimum": statistics["minimum"], "maximum": statistics["maximum"]}
    return OriginalSong(**({"train_samples": 29_000} | own | changes))


def as_read(shards: Path, runs: Path, way: str, original: OriginalSong) -> ReferenceCurves:
    """Give the curves of a run as if they had been read off its plot: to four digits."""
    made = compare(shards, runs, original=original)
    (curves,) = [one for one in made.shapes[0].own if one.way == way]
    train, dev = (
        ReadCurve(costs.updates, tuple(round(cost, 4) for cost in costs.costs), 0.0001, "made", "")
        for costs in (curves.train, curves.dev)
    )
    return ReferenceCurves(20, 5, train, dev)


@pytest.fixture(scope="module")
def made(shards, tmp_path_factory):
    runs = tmp_path_factory.mktemp("curves") / "runs"
    return runs, compare(shards, runs)


def test_both_ways_are_trained_over_the_axis_of_each(made):
    runs, found = made
    (shape,) = found.shapes
    assert [one.way for one in shape.own] == ["as described", "as coded"]
    axes = [json.loads((one.folder / "config.json").read_text())["model"]["recurrence"] for one in shape.own]
    assert axes == ["time", "batch"]
    assert all(one.folder.parent == runs / "curves-2016" for one in shape.own)


def test_costs_are_over_predicting_the_mean_of_their_split(made):
    _, found = made
    samples = tune(31_600).astype("f8")
    low, high = samples.min(), samples.max()
    song = 2 * (samples - low) / (high - low) - 1
    split = 31_600 * 160_000_000 // 174_224_000
    mean = song[:split].mean()
    for one in found.shapes[0].own:
        lines = list(metric_lines(one.folder / "metrics.jsonl"))
        updates, evaluations = ([line for line in lines if line["kind"] == kind] for kind in ("update", "dev"))
        of_train = ((song[20 : 20 + 290 * 100] - mean) ** 2).mean()
        of_dev = ((song[split + 20 : split + 20 + 25 * 100] - mean) ** 2).mean()
        assert one.train.over_mean == pytest.approx([line["train_cost"] / of_train for line in updates], rel=1e-4)
        assert one.dev.over_mean == pytest.approx([line["dev_cost"] / of_dev for line in evaluations], rel=1e-4)
        assert one.untrained == pytest.approx(
            one.dev.costs[0] / (song[split + 20 : split + 2520] ** 2).mean() - 1, abs=1e-4
        )


def test_on_another_song_only_shapes_are_compared(made):
    runs, found = made
    assert found.verdict is Verdict.CANNOT_BE
    assert "31,600 samples (2016: 174,224,000" in found.text
    assert not found.shapes[0].agreements
    sentence = found.shapes[0].sentence()
    over = found.shapes[0].own[0].dev.over_mean
    assert f"As described, on this song: the dev cost from {over[0]:.3f} to {over[-1]:.3f} in 12 updates" in sentence
    assert any("is taken to cost" in line for line in found.lines())


def test_the_file_says_all_of_it_and_is_read_again(made):
    runs, found = made
    path = runs / "curves-2016" / "curves-2016.json"
    written = json.loads(path.read_text())
    assert len(written.pop("rest_sha256")) == 64
    assert written == json.loads(json.dumps(found.to_json()))
    assert read_curves(path, [FLAT]) == found
    for run in json.loads(path.read_text())["shapes"][0]["runs"]:
        assert run["metrics_sha256"] == sha256_of(path.parent / run["folder"] / "metrics.jsonl")


def test_what_is_there_is_not_trained_again(made, shards, tmp_path, monkeypatch):
    runs = shutil.copytree(made[0], tmp_path / "runs")
    monkeypatch.setattr(curves_2016, "train", lambda *_, **__: pytest.fail("trained again"))
    assert compare(shards, runs).to_json() == made[1].to_json()


def test_a_run_of_the_grid_is_taken(made, shards, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(made[0] / "curves-2016" / "20x5-gru-8-s1", runs / "20x5-gru-8-s1")
    found = compare(shards, runs)
    assert [one.folder.resolve().parent.name for one in found.shapes[0].own] == ["runs", "curves-2016"]
    assert found.shapes[0].own[0].dev == made[1].shapes[0].own[0].dev
    assert read_curves(runs / "curves-2016" / "curves-2016.json", [FLAT]) == found


def test_a_run_of_another_song_in_the_grid_is_not(made, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(made[0] / "curves-2016" / "20x5-gru-8-s1", runs / "20x5-gru-8-s1")
    other = write_shards(tmp_path / "shards" / "other", tune(31_600, seed=5))
    found = compare(other, runs)
    assert {one.folder.parent.name for one in found.shapes[0].own} == {"curves-2016"}
    with pytest.raises(CheckpointError, match="song digest"):
        compare(write_shards(tmp_path / "shards" / "third", tune(31_600, seed=6)), runs)


def test_stopped_in_the_middle_it_goes_on(made, shards, tmp_path, monkeypatch):
    train, calls = curves_2016.train, []

    def stopped(config, **options):
        calls.append(config.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return train(config, **options)

    monkeypatch.setattr(curves_2016, "train", stopped)
    runs = tmp_path / "runs"
    with pytest.raises(KeyboardInterrupt):
        compare(shards, runs)
    assert not (runs / "curves-2016" / "curves-2016.json").exists()
    found = compare(shards, runs)
    assert calls == ["20x5-gru-8-s1", "20x5-gru-8-s1-as-coded-recurrence", "20x5-gru-8-s1-as-coded-recurrence"]
    for one, before in zip(found.shapes[0].own, made[1].shapes[0].own, strict=True):
        assert (one.train, one.dev) == (before.train, before.dev)


def test_it_says_what_is_left(shards, tmp_path):
    lines = []
    compare(shards, tmp_path / "runs", say=lines.append)
    assert "1 left, about" in lines[-2]
    assert lines[-1].endswith("none left")


def test_metrics_that_were_altered_are_noticed(made, shards, tmp_path):
    runs = shutil.copytree(made[0], tmp_path / "runs")
    path = runs / "curves-2016" / "20x5-gru-8-s1" / "metrics.jsonl"
    path.write_text(path.read_text().replace('"train_cost": 0.', '"train_cost": 0.1', 1))
    with pytest.raises(RunError, match="altered"):
        read_curves(runs / "curves-2016" / "curves-2016.json", [FLAT])


def test_a_run_that_was_trained_again_is_noticed(made, tmp_path):
    runs = shutil.copytree(made[0], tmp_path / "runs")
    path = runs / "curves-2016" / "curves-2016.json"
    found = json.loads(path.read_text())
    found["shapes"][0]["runs"][1]["metrics_sha256"] = "00" * 32
    dump(path, found)
    with pytest.raises(RunError, match="trained again"):
        read_curves(path, [FLAT])


def test_a_shape_without_a_reference_is_refused(made):
    with pytest.raises(RunError, match="no curves of 2016 of 20x5, only of 40x5"):
        read_curves(made[0] / "curves-2016" / "curves-2016.json", [replace(FLAT, frame=40)])


def test_a_song_that_is_too_short_is_said_to_be_by_numbers(shards, tmp_path):
    no_dev, nothing = replace(FLAT, frame=500), replace(FLAT, frame=20_000)
    found = compare(shards, tmp_path / "runs", references=[no_dev, nothing])
    assert [len(one.own) for one in found.shapes] == [2, 0]
    assert all(one.dev is None for one in found.shapes[0].own)
    assert "A dev cost of 500x5 cannot be on this song: it has 1.98 s" in found.shapes[0].sentence()
    assert "the train cost from" in found.shapes[0].sentence()
    assert "20000x5 cannot be trained on this song" in found.shapes[1].sentence()


class TestTheSongOf2016:
    """Its numbers are changed, so that a made song is taken for it."""

    def test_its_train_split_is_as_long_as_it_was_then(self, shards, tmp_path):
        found = compare(shards, tmp_path / "runs", original=known(shards, train_samples=20_000))
        assert found.record.is_original
        assert found.shapes[0].record.train_examples == 200
        config = json.loads((found.shapes[0].own[0].folder / "config.json").read_text())
        assert config["data"]["train_samples"] == 20_000

    def test_costs_as_coded_are_reproduced(self, shards, tmp_path):
        original = known(shards)
        coded = as_read(shards, tmp_path / "runs", "as coded", original)
        found = compare(shards, tmp_path / "runs", original=original, references=[coded])
        assert found.verdict is Verdict.REPRODUCED
        of_train, of_dev = [one for one in found.shapes[0].agreements if one.way == "as coded"]
        assert (of_train.points, of_dev.points) == (4, 5)  # means of epochs, and evaluations
        assert of_dev.mean < 0.01
        assert "as coded, dev: 5 of 5 points" in found.text

    @pytest.mark.parametrize("split", ["train", "dev"])
    def test_one_cost_that_is_off_differs(self, shards, tmp_path, split):
        original = known(shards)
        coded = as_read(shards, tmp_path / "runs", "as coded", original)
        read = getattr(coded, split)
        # All of the last epoch: a single update would be lost in the mean.
        costs = tuple(
            cost / (1 + 2 * TOLERANCE) if at > 9 else cost for at, cost in zip(read.updates, read.costs, strict=True)
        )
        off = replace(coded, **{split: replace(read, costs=costs)})
        found = compare(shards, tmp_path / "runs", original=original, references=[off])
        assert found.verdict is Verdict.DIFFERS
        agreement = next(one for one in found.shapes[0].agreements if (one.way, one.split) == ("as coded", split))
        assert (agreement.outside, agreement.at) == (1, 12)
        assert agreement.largest == pytest.approx(2 * TOLERANCE, abs=0.01)

    def test_the_error_of_reading_is_allowed_for(self, shards, tmp_path):
        original = known(shards)
        coded = as_read(shards, tmp_path / "runs", "as coded", original)
        costs = tuple(cost / 1.15 for cost in coded.dev.costs)
        for error, verdict in ((0.0, Verdict.DIFFERS), (0.06 * max(costs), Verdict.REPRODUCED)):
            off = replace(coded, dev=replace(coded.dev, costs=costs, reading_error=error))
            assert compare(shards, tmp_path / "runs", original=original, references=[off]).verdict is verdict

    def test_another_number_of_updates_differs(self, shards, tmp_path):
        original = known(shards)
        coded = as_read(shards, tmp_path / "runs", "as coded", original)
        longer = replace(coded.train, updates=(*coded.train.updates, 13), costs=(*coded.train.costs, 0.1))
        found = compare(shards, tmp_path / "runs", original=original, references=[replace(coded, train=longer)])
        assert found.verdict is Verdict.DIFFERS
        assert "20x5 has 12 updates, in 2016 13" in found.text

    def test_without_a_run_as_coded_there_is_no_evidence(self, shards, tmp_path):
        runs = tmp_path / "runs"
        original = known(shards)
        compare(shards, runs, original=original)
        path = runs / "curves-2016" / "curves-2016.json"
        found = json.loads(path.read_text())
        del found["shapes"][0]["runs"][1]
        dump(path, found)
        assert read_curves(path, [FLAT], original, TINY).verdict is Verdict.NO_EVIDENCE

    def test_the_song_is_recognised_again(self, shards, tmp_path):
        compare(shards, tmp_path / "runs", original=known(shards))
        with pytest.raises(RunError, match=r"By its statistics this is the song of 2016.*This is not the song of 2016"):
            read_curves(tmp_path / "runs" / "curves-2016" / "curves-2016.json", [FLAT])

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"hidden": 9}, "was made with model.hidden 8 (2016: 9)"),
            ({"settings": {"training.learning_rate": 0.1}}, "was made with training.learning_rate 0.002 (2016: 0.1)"),
        ],
    )
    def test_runs_that_were_made_otherwise_differ(self, shards, tmp_path, change, says):
        original = known(shards)
        coded = as_read(shards, tmp_path / "runs", "as coded", original)
        given = {"original": original, "references": [coded], "trained": replace(TINY, **change)}
        found = compare(shards, tmp_path / "runs", **given)
        assert found.verdict is Verdict.DIFFERS
        assert says in found.text

    def test_every_cost_of_2016_is_compared(self, shards, tmp_path):
        original = known(shards)
        coded = as_read(shards, tmp_path / "runs", "as coded", original)
        dev = replace(coded.dev, updates=(*coded.dev.updates, 13), costs=(*coded.dev.costs, 0.1))
        found = compare(shards, tmp_path / "runs", original=original, references=[replace(coded, dev=dev)])
        assert found.verdict is Verdict.DIFFERS
        assert "20x5 as coded has 5 of the 6 dev costs to compare" in found.text


def test_what_is_trained_is_what_was_trained_in_2016():
    assert (Setting().hidden, Setting().batch, Setting().epochs) == (199, 128, 30)
    assert ORIGINAL_SONG.train_samples == 160_000_000


@pytest.mark.parametrize("lie", CURVES_LIES, ids=str)
def test_a_lie_with_every_digest_made_to_fit_is_refused(made, tmp_path, lie: RecordLie):
    path = shutil.copytree(made[0], tmp_path / "runs") / "curves-2016" / "curves-2016.json"
    assert read_curves(path, [FLAT], trained=TINY).verdict is Verdict.CANNOT_BE
    lie.tell(path)
    with pytest.raises(RunError, match=lie.says):
        read_curves(path, [FLAT], trained=TINY)


def test_without_its_shards_a_record_is_held_against_its_runs_alone(made, tmp_path):
    path = shutil.copytree(made[0], tmp_path / "runs") / "curves-2016" / "curves-2016.json"
    for run in path.parent.glob("*/config.json"):
        edit(run, song__shards="nowhere")
    assert read_curves(path, [FLAT]).verdict is Verdict.CANNOT_BE
