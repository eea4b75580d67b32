"""Where the train split has to end: by the fraction of 2016, or of a copy of that song at its very sample (P05)."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_folders import copy, edit

from longsong.audit.checks_data import next_frame_targets
from longsong.audit.evidence import Evidence
from longsong.audit.original_song import ORIGINAL_SONG as SONG

NAME = "40x50-gru-199-s1"


@pytest.mark.parametrize(
    ("rate", "extremes", "train", "elsewhere"),
    [
        (16_000, (SONG.minimum, SONG.maximum), SONG.train_samples, False),
        (16_000, (SONG.minimum, SONG.maximum), SONG.train_samples + 1, True),
        (16_000, (-1200, 3400), SONG.train_samples, True),  # a song of that length, and not that of 2016
        (44_100, (SONG.minimum, SONG.maximum), SONG.train_samples, True),
    ],
)
def test_the_samples_of_2016_are_those_of_its_song_alone(
    rate: int, extremes: tuple[int, int], train: int, elsewhere: bool, honest: Path, tmp_path: Path
) -> None:
    runs = copy(honest, tmp_path / "runs")
    low, high = extremes
    length = {"samples": SONG.samples + 50_000, "sample_rate": rate, "minimum": low, "maximum": high}
    edit(runs / NAME / "config.json", **{f"song__{key}": value for key, value in length.items()})
    edit(runs / NAME / "config.json", data__train_samples=train, song__shards="nowhere")
    said = next_frame_targets(Evidence.load(runs)).text
    assert (f"its train split has {train:,} of {SONG.samples + 50_000:,} samples" in said) == elsewhere
