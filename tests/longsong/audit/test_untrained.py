"""A sound of untrained linear maps, and silence, which is none (D02)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from run_folders import RATE, SAMPLES, copy, edit, write_sound

from longsong.audit.evidence import Evidence
from longsong.audit.regenerate import seed_as_seen
from longsong.audit.untrained import of_untrained_maps

NAME = "40x50-gru-199-s1"


def is_of_untrained_maps(runs: Path) -> bool:
    evidence = Evidence.load(runs)
    run = next(run for run in evidence.complete if run.name == NAME)
    return of_untrained_maps(run, evidence.seed(run))


def test_silence_is_not_taken_for_what_maps_of_next_to_nothing_make(honest: Path, tmp_path: Path) -> None:
    """Such maps make the middle of the range of any seed, to within what rounding may be off."""
    runs = copy(honest, tmp_path / "runs")
    edit(runs / NAME / "config.json", model__init_width=1e-6)
    evidence = Evidence.load(runs)
    run = next(run for run in evidence.complete if run.name == NAME)
    assert np.ptp(seed_as_seen(run, evidence.seed(run).samples)) > 0.1  # the seed itself is sound
    middle = round(-run.of("song.offset") / run.of("song.scale"))
    for level in (middle, middle + 1):
        write_sound(run.folder, np.full(SAMPLES, level, np.int16))
        assert not is_of_untrained_maps(runs)


def test_silence_is_not_taken_for_what_maps_make_when_they_are_stretched(honest: Path, tmp_path: Path) -> None:
    runs = copy(honest, tmp_path / "runs")
    for level in (-1, 0, 1):
        write_sound(runs / NAME, np.full(RATE, level, np.int16))
        assert not is_of_untrained_maps(runs)
