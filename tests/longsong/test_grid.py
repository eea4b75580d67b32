"""What fits, what was chosen, and in what order (P03, P04, P08 to P10)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from longsong.config import ExecutionConfig
from longsong.errors import ConfigError, SpaceError
from longsong.estimate import Estimate
from longsong.grid import Choice, parse_shapes
from longsong.grid import plan_grid as plan_grid_by
from longsong.reported import CODE_CONFIGURATIONS, FRAMES, SONG_SECONDS


class LongSong:
    """A song of a length, with no samples in it: planning reads none."""

    sample_rate, digest = 16_000, "d"

    def __init__(self, seconds: float) -> None:
        from streams import Statistics

        self.samples = round(seconds * self.sample_rate)
        self.statistics = Statistics.of(np.array([-5, 5], dtype=np.int16))

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, key):
        raise AssertionError("planning reads no sample")


def estimate(run) -> Estimate:
    """A second for each step of each row, and one for the sound."""
    examples = 30 * (run.train_examples + run.dev_examples)
    return Estimate(1.0 + examples * run.data.seq * (1 + run.data.frame / 1e6), 1.0)


def plan_grid(song, chosen):
    return plan_grid_by(song, chosen, estimate)


def of_group(runs, group):
    return [run for run in runs if run.group == group]


def test_the_demo_runs_what_fits_of_two_lengths_and_lists_the_rest():
    runs = plan_grid(LongSong(120), Choice("demo"))
    grid = of_group(runs, "grid")
    assert len(grid) == 35
    left = {run.configuration.shape for run in grid if run.state == "left"}
    assert left == {f"{frame}x{seq}" for frame in FRAMES[:-1] for seq in (50, 100)}
    for run in grid:
        fits = run.samples_needed <= 1_763_247
        assert (run.state == "does not fit") == (not fits)
        if run.state == "not chosen":
            assert run.configuration.seq > 100
            assert "--all" in run.reason
            assert run.estimated_seconds > 0
    (longest,) = [run for run in grid if run.configuration.shape == "40000x10000"]
    assert longest.reason == "needs 25,000 s of song for one example; this one has 110 s to train on"


def test_all_runs_the_longer_ones_too_the_cheapest_first():
    runs = plan_grid(LongSong(120), Choice("demo", everything=True))
    left = [run for run in runs if run.state == "left"]
    assert not [run for run in runs if run.state == "not chosen"]
    assert {run.configuration.seq for run in left} >= {50, 100, 1000, 4000, 10000}
    seconds = [run.estimated_seconds for run in left]
    assert seconds == sorted(seconds)


def test_the_full_profile_on_the_song_of_2016_is_seventy_runs_less_what_cannot_be():
    runs = plan_grid(LongSong(SONG_SECONDS), Choice("full"))
    grid = of_group(runs, "grid")
    assert len(grid) == 70
    cannot = {run.configuration.shape for run in grid if run.state == "does not fit"}
    assert cannot == {"40000x10000"}  # 40000x4000 is exactly one train example (FACTS section 2)
    by_shape = {run.configuration.shape: run for run in grid if run.configuration.hidden == 199}
    assert (by_shape["1000x100"].train_examples, by_shape["1000x100"].updates_per_epoch) == (1600, 13)
    assert (by_shape["4000x50"].train_examples, by_shape["4000x50"].updates_per_epoch) == (800, 7)
    assert (by_shape["40000x4000"].train_examples, by_shape["40000x4000"].dev_examples) == (1, 0)
    assert (by_shape["4000x10000"].train_examples, by_shape["4000x10000"].dev_examples) == (4, 0)


def test_three_cells_are_compared_on_three_shapes_with_three_seeds():
    runs = plan_grid(LongSong(120), Choice("demo"))
    comparison = of_group(runs, "comparison")
    assert len(comparison) == 3 * (3 * 3 - 1)  # the grid has one GRU of each already
    shapes = {run.configuration.shape for run in comparison}
    assert len(shapes) == 3
    assert shapes > {"1000x100", "1000x50"}  # 4000x50 has no dev example on so short a song
    assert all(run.dev_examples for run in comparison)
    (third,) = shapes - {"1000x100", "1000x50"}
    assert min(run.updates_per_epoch for run in comparison if run.configuration.shape == third) > 1
    assert len({run.name for run in runs}) == len(runs)
    for shape in shapes:
        pairs = {(run.cell, run.seed) for run in runs if run.configuration.shape == shape}
        assert pairs == {(cell, seed) for cell in ("gru", "lstm", "rnn") for seed in (1, 2, 3)}


def test_on_a_longer_song_too_one_shape_is_compared_that_has_more_updates():
    runs = of_group(plan_grid(LongSong(200), Choice("demo")), "comparison")
    shapes = {run.configuration.shape: run.updates_per_epoch for run in runs}
    assert len(shapes) == 3
    assert shapes.keys() > {"1000x100", "4000x50"}
    assert max(shapes.values()) > 1


def test_only_picks_and_compares_what_was_picked():
    runs = plan_grid(LongSong(120), Choice("demo", only=("1000x1000", "40x50")))
    left = {run.configuration.shape for run in runs if run.state == "left"}
    assert left == {"1000x1000", "40x50"}
    with pytest.raises(ConfigError, match="41x50 is not in this set"):
        plan_grid(LongSong(120), Choice("demo", only=("41x50",)))


def test_the_codes_own_configurations():
    runs = plan_grid(LongSong(SONG_SECONDS), Choice("full", reported="code"))
    assert {run.configuration for run in runs} == set(CODE_CONFIGURATIONS)
    (odd,) = [run for run in runs if run.configuration.shape == "40x40000"]
    assert (odd.configuration.batch, odd.configuration.epochs, odd.configuration.normalise) == (4, 120, "stdev")
    assert odd.name == "code-40x40000-gru-256-s1"
    assert odd.state == "left"
    config = odd.config(Path("shards/x"), Path("runs"), ExecutionConfig())
    assert (config.data.batch, config.data.normalise, config.training.epochs) == (4, "stdev", 120)
    assert (config.data.frame, config.data.seq, config.model.hidden) == (40, 40000, 256)
    assert config.folder == Path("runs/code-40x40000-gru-256-s1")
    demo = plan_grid(LongSong(120), Choice("demo", reported="code"))
    assert {run.configuration.shape for run in demo if run.state == "not chosen"} == {"40x40000"}


def test_widths_given_twice_are_run_once():
    runs = plan_grid(LongSong(120), Choice("demo", widths=(256, 256)))
    assert len({run.name for run in runs}) == len(runs)
    assert {run.configuration.hidden for run in runs} == {256}
    with pytest.raises(ConfigError, match="widths"):
        plan_grid(LongSong(120), Choice("demo", reported="code", widths=(7,)))


def test_what_does_not_fit_in_memory_is_said_to_be_so_in_numbers():
    def small(run):
        if run.data.seq > 50:
            raise SpaceError(f"{run.name} does not fit in 1.0 MiB")
        return Estimate(7.0, 2.0, 2)

    runs = plan_grid_by(LongSong(120), Choice("demo"), small)
    assert {run.configuration.seq for run in runs if run.state == "left"} == {50}
    assert {(run.estimated_seconds, run.estimated_sound_seconds, run.slots) for run in runs if run.state == "left"} == {
        (7.0, 2.0, 2)
    }
    (one,) = [run for run in of_group(runs, "grid") if run.configuration.shape == "40x100"]
    assert (one.state, one.reason) == ("does not fit", "40x100-gru-199-s1 does not fit in 1.0 MiB")


def test_shapes():
    assert parse_shapes("1000x100, 40X50") == ("1000x100", "40x50")
    for wrong in ("1000", "1000x", "x5", "a x b", "1x2x3", "-1x5", "", ","):
        with pytest.raises(ConfigError):
            parse_shapes(wrong)


@pytest.mark.parametrize(
    "values", [{"profile": "tiny"}, {"profile": "demo", "reported": "blog"}, {"profile": "demo", "widths": (0,)}]
)
def test_choices_that_cannot_be(values):
    with pytest.raises(ConfigError):
        Choice(**values)
