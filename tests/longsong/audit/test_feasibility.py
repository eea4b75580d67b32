"""What each configuration takes: against the arithmetic of FACTS, the runs, and the shapes of real networks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_folders import dump, edit, read

from longsong.audit import audit
from longsong.audit.evidence import Evidence
from longsong.audit.feasibility import feasibility, samples_needed
from longsong.audit.song import examples_that_fit
from longsong.reported import FRAMES, SEQUENCES, WIDTHS
from streams import train_samples

SONG_OF_2016 = 174_224_000


def on_the_song_of_2016(folder: Path) -> dict[tuple[int, int, int], object]:
    song = {"name": "song", "samples": SONG_OF_2016, "sample_rate": 16_000, "digest": "0" * 64}
    grid = {"format": "longsong.grid", "version": 1, "profile": "full", "set": "post", "song": song, "runs": []}
    dump(folder / "grid.json", grid)
    return {(one.frame, one.seq, one.hidden): one for one in feasibility(Evidence.load(folder))}


def test_the_configurations_that_the_original_song_cannot_have(tmp_path: Path) -> None:
    """FACTS section 2."""
    found = on_the_song_of_2016(tmp_path)
    assert set(found) == {(frame, seq, width) for frame in FRAMES for seq in SEQUENCES for width in WIDTHS}
    assert (found[40000, 10000, 199].train_examples, found[40000, 10000, 199].state) == (0, "does not fit")
    assert (found[40000, 4000, 199].train_examples, found[40000, 4000, 199].dev_examples) == (1, 0)
    for shape in ((4000, 10000), (40000, 1000)):
        assert (found[*shape, 256].train_examples, found[*shape, 256].dev_examples) == (4, 0)
    one = found[1000, 100, 199]
    assert (one.train_examples, one.updates_per_epoch, one.updates) == (1600, 13, 390)
    other = found[4000, 50, 199]
    assert (other.train_examples, other.updates_per_epoch, other.updates) == (800, 7, 210)
    assert found[40000, 10000, 199].seconds_for_training > 6 * 3600 + 57 * 60  # the inputs alone are 6 h 56 min 40 s
    assert f"{found[40000, 10000, 199].samples_for_training:,}" in found[40000, 10000, 199].reason


@given(st.integers(1, 60), st.integers(1, 60), st.booleans())
def test_the_shortest_song_is_the_shortest(frame: int, seq: int, dev: bool) -> None:
    def fits(length: int) -> bool:
        train = train_samples(length)
        return examples_that_fit(frame, seq, *((train, length) if dev else (0, train)), length) > 0

    needed = samples_needed(frame, seq, dev=dev)
    assert fits(needed)
    assert not any(fits(length) for length in range(max(1, needed - 40), needed))


def test_what_was_estimated_and_what_was_measured_stand_side_by_side(runs: Path) -> None:
    grid = read(runs / "grid.json")
    for entry in grid["runs"]:
        entry |= {"estimated_seconds": 17.0}
    dump(runs / "grid.json", grid)
    edit(runs / "40x50-gru-199-s1" / "summary.json", estimated_bytes=3 << 20, peak_bytes=5 << 20, training_seconds=21.0)
    found = {(one.frame, one.seq, one.hidden): one for one in feasibility(Evidence.load(runs))}
    one = found[40, 50, 199]
    assert (one.run, one.state, one.reason) == ("40x50-gru-199-s1", "run", "")
    assert (one.estimated_seconds, one.measured_seconds) == (17.0, 21.0)
    assert (one.estimated_bytes, one.measured_bytes) == (3 << 20, 5 << 20)
    assert one.allowed_bytes == 6 << 30
    config, summary = (read(runs / "40x50-gru-199-s1" / name) for name in ("config.json", "summary.json"))
    assert (one.train_examples, one.dev_examples) == (
        config["data"]["train_examples"],
        config["data"]["dev_examples"],
    )
    assert (one.parameters, one.updates, one.updates_made) == (
        config["model"]["parameters"],
        summary["updates"],
        summary["updates"],
    )
    assert found[40, 50, 256].run is None
    assert found[40, 50, 256].state == "left"
    assert found[40, 100, 199].measured_seconds is None


def test_runs_of_other_cells_axes_and_sets_are_not_measured_for_the_post(runs: Path) -> None:
    edit(runs / "40x50-gru-199-s1" / "config.json", model__recurrence="batch")
    found = {(one.frame, one.seq, one.hidden): one for one in feasibility(Evidence.load(runs))}
    assert found[40, 50, 199].run is None


def test_bytes_that_are_kept_grow_with_what_is_kept(tmp_path: Path) -> None:
    found = on_the_song_of_2016(tmp_path)
    for width in WIDTHS:
        longer = [found[40, seq, width].bytes_kept for seq in SEQUENCES]
        assert longer == sorted(longer)
    # 128 examples of 10,000 steps: two layers of five vectors of 199, and two of 40, in 4 bytes each.
    assert found[40, 10000, 199].bytes_kept == pytest.approx(4 * 128 * 10_000 * (2 * 5 * 199 + 2 * 40), rel=1e-3)


def test_the_audit_has_the_table(honest: Path) -> None:
    rows = audit(honest).to_json()["feasibility"]
    assert len(rows) == 70
    assert sum(row["state"] == "run" for row in rows) == 2


def test_without_a_song_there_is_no_table(tmp_path: Path) -> None:
    grid = {"format": "longsong.grid", "version": 1, "profile": "demo", "set": "post", "runs": []}
    dump(tmp_path / "grid.json", grid)
    assert feasibility(Evidence.load(tmp_path)) == ()
