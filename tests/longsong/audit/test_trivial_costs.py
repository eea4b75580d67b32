"""Costs of predicting without a network, against sums written out by hand, and against what training reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from run_folders import Spec, copy, edit, write_run

from longsong.audit.evidence import Evidence
from longsong.audit.passes import first_samples
from longsong.audit.revaluate import LeftOutError
from longsong.audit.run import Run
from longsong.audit.song import SeenSong, see_song
from longsong.audit.trivial_costs import trivial_costs
from longsong.config import DataConfig
from longsong.errors import RunError
from longsong.training.splits import Splits

NAME = "40x50-gru-199-s1"


@pytest.fixture(scope="module")
def seen(song: Path) -> SeenSong:
    return see_song(str(song), song.parent)


@pytest.fixture
def run(honest: Path, tmp_path: Path) -> Path:
    return copy(honest / NAME, tmp_path / NAME)


def written_out(run: Run, song: SeenSong) -> tuple[float, float, float, list[float]]:
    """Give what zero, the mean and repeating cost, and zero of each example, from float64 samples one by one."""
    scale, offset, frame, seq = (run.of(key) for key in ("song.scale", "song.offset", "data.frame", "data.seq"))
    x = song.song[: song.samples] * float(scale) + float(offset)
    centre = x[: run.of("data.train_samples")].mean()
    split = "dev" if len(first_samples(run, "dev")) else "train"
    spans = [slice(at + frame, at + frame + frame * seq) for at in first_samples(run, split)]
    targets = np.concatenate([x[span] for span in spans])
    before = np.concatenate([x[span.start - frame : span.stop - frame] for span in spans])
    zeros = [float(np.mean(x[span] ** 2)) for span in spans]
    return (
        float(np.mean(targets**2)),
        float(np.mean((targets - centre) ** 2)),
        float(np.mean((targets - before) ** 2)),
        zeros,
    )


@pytest.mark.parametrize(
    "layout",
    [{}, {"data__hop": 700}, {"data__example_shift": 1000}, {"data__frame": 1000, "data__hop": 50_000}],
    ids=str,
)
def test_costs_are_those_of_the_targets_wherever_examples_lie(
    layout: dict[str, int], run: Path, seen: SeenSong
) -> None:
    """End to end, overlapping by a hop, in two passes (D07), and without a dev example."""
    edit(run / "config.json", **layout)
    opened = Run.open(run)
    found = trivial_costs(opened, seen)
    zero, mean, repeat, zeros = written_out(opened, seen)
    assert found.split == ("train" if "data__frame" in layout else "dev")
    assert (found.zero, found.mean, found.repeat) == pytest.approx((zero, mean, repeat), rel=1e-12)
    assert found.squares.tolist() == pytest.approx(zeros, rel=1e-12)
    assert found.least[1] == min(found.mean, found.repeat)


@pytest.mark.parametrize("shift", [None, 1000])
def test_costs_are_those_that_training_reports(shift: int | None, run: Path, song: Path, seen: SeenSong) -> None:
    splits = Splits.open(song, DataConfig(frame=40, seq=50, example_shift=shift))
    edit(run / "config.json", data__example_shift=shift)
    found = trivial_costs(Run.open(run), seen)
    assert splits.baselines() == pytest.approx({"cost_of_zero": found.zero, "cost_of_mean": found.mean}, rel=1e-6)


def test_a_run_that_overlaps_is_judged_by_its_own_examples(song: Path, tmp_path: Path) -> None:
    """What lies behind the song is not summed, and what lies in two examples is summed twice."""
    write_run(tmp_path, song, Spec(40, 50, hop=1000))
    evidence = Evidence.load(tmp_path)
    (only,) = evidence.complete
    assert evidence.trivial(only).zero == pytest.approx(only.summary["cost_of_zero"], rel=1e-6)


def test_examples_that_hold_the_song_too_often_are_left_out(run: Path, seen: SeenSong) -> None:
    edit(run / "config.json", data__hop=1)
    with pytest.raises(LeftOutError, match=r"hold the song \d+ times"):
        trivial_costs(Run.open(run), replace(seen, samples=seen.samples))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"song__samples": 2000}, "can have no example of 2,000 samples"),
        ({"song__samples": 400_000}, "the song ends before the last target of its dev split"),
    ],
)
def test_examples_that_are_not_in_the_song_are_refused(
    changes: dict[str, int], said: str, run: Path, seen: SeenSong
) -> None:
    edit(run / "config.json", **changes)
    with pytest.raises(RunError, match=said):
        trivial_costs(Run.open(run), seen)
