"""The song's own figures: of music that nobody trained on, computed once, made again where they are of another."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from made_sounds import RATE, music

from longsong.audit import song_excerpt
from longsong.audit.song_excerpt import excerpt_figures, excerpt_file, kept_excerpt_figures
from longsong.audit.song_statistics import SongStatistics, compute_song_statistics
from longsong.audit.sound import sound_figures
from longsong.errors import RunError
from longsong.files import write_json
from streams import ArraySong

SONG = ArraySong(music(60, seed=11), RATE)
TRAIN = 50 * RATE


@pytest.fixture(scope="module")
def statistics() -> SongStatistics:
    return compute_song_statistics(SONG, TRAIN)


def test_an_excerpt_is_of_the_middle_of_the_dev_split(statistics: SongStatistics) -> None:
    found = excerpt_figures(SONG, statistics, 40, seconds=6)
    due = sound_figures(SONG[52 * RATE : 58 * RATE], RATE, 40, statistics, SONG)
    assert found == due | {"start": 52 * RATE}
    assert found["copying"]["copied_share"] == 0
    assert found["borders"]["step_ratio"] == pytest.approx(1, abs=0.05)
    references = found["spectrum"]["frechet_references"]
    assert found["spectrum"]["frechet_log_mel"] < references["white_noise"] < references["silence"]


def test_a_short_dev_split_is_taken_whole_and_a_shorter_one_not_at_all() -> None:
    for seconds, due in ((1.5, 1.5), (0.99, None), (0, None)):
        song = ArraySong(SONG[: round((8 + seconds) * RATE)], RATE)
        found = excerpt_figures(song, compute_song_statistics(song, 8 * RATE), 40)
        assert (None if found is None else found["seconds"]) == due


def test_figures_are_computed_once_for_each_frame(
    statistics: SongStatistics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = {frame: kept_excerpt_figures(tmp_path, SONG, statistics, frame) for frame in (40, 1000)}
    assert first[40]["borders"] != first[1000]["borders"]
    monkeypatch.setattr(song_excerpt, "excerpt_figures", None)  # it would fail
    assert {frame: kept_excerpt_figures(tmp_path, SONG, statistics, frame) for frame in (40, 1000)} == first
    assert {path.name for path in tmp_path.iterdir()} == {
        excerpt_file(tmp_path, statistics, frame).name for frame in (40, 1000)
    }


def changed(found: dict, path: str, value: object) -> dict:
    """Change what stands at a dotted path."""
    *parts, last = path.split(".")
    inner = found
    for part in parts:
        inner = inner[part]
    inner[last] = value
    return found


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("digest", "0" * 64),
        ("train_samples", TRAIN - 1),
        ("version", 2),
        ("format", "other"),
        ("figures.version", 1),
        ("figures.format", "other"),
        ("figures.frame", 41),
        ("figures", None),
        ("figures", [1]),
    ],
)
def test_figures_of_another_song_split_or_version_are_made_again(
    statistics: SongStatistics, tmp_path: Path, path: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = excerpt_file(tmp_path, statistics, 40)
    monkeypatch.setattr(song_excerpt, "excerpt_figures", lambda *_: {"made": "again"})
    good = {
        "format": "longsong.song-excerpt",
        "version": 1,
        "digest": SONG.digest,
        "train_samples": TRAIN,
        "figures": {"format": "longsong.sound", "version": 2, "frame": 40},
    }
    write_json(file, good)
    assert kept_excerpt_figures(tmp_path, SONG, statistics, 40) == good["figures"]
    write_json(file, changed(good, path, value))
    assert kept_excerpt_figures(tmp_path, SONG, statistics, 40) == {"made": "again"}
    assert json.loads(file.read_text())["figures"] == {"made": "again"}


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_file_that_is_cut_short_is_made_again(statistics: SongStatistics, tmp_path: Path, share: float) -> None:
    song, file = ArraySong(SONG[: TRAIN + 2 * RATE], RATE), None
    of = compute_song_statistics(song, TRAIN)
    due, file = kept_excerpt_figures(tmp_path, song, of, 40), excerpt_file(tmp_path, of, 40)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    assert kept_excerpt_figures(tmp_path, song, of, 40) == due
    assert file.read_bytes() == content


def test_statistics_of_another_song_are_refused(statistics: SongStatistics, tmp_path: Path) -> None:
    other = ArraySong(np.roll(SONG[:], 1), RATE)
    with pytest.raises(RunError, match="another song"):
        kept_excerpt_figures(tmp_path, other, statistics, 40)
