"""The figures of a sound in words: all of them, exact, beside the song's own, and whatever the file holds."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from made_sounds import RATE, music, sine

from longsong.audit.song_excerpt import excerpt_figures
from longsong.audit.song_statistics import compute_song_statistics
from longsong.audit.sound import sound_figures
from longsong.errors import RunError
from longsong.report.sound_figures import figures_in_words, figures_of_sound
from streams import ArraySong

MINUS = "\N{MINUS SIGN}"

NAMES = [
    "level", "level of each second", "peak", "peak over level", "mean of all samples", f"under {MINUS}60 dBFS",
    "clipped", "collapse", "spectrum off the song's", "spectrum off the song's, level apart",
    "flatness of its spectrum", "log-mel Fréchet distance", "steps at borders over inside", "like itself a frame later",
    "its steps, a frame later", "like itself throughout", "like itself elsewhere", "repeats its wave",
    "most like the song", "a usual second like the song", "copied from the song",
]  # fmt: skip


@pytest.fixture(scope="module")
def judged() -> dict[str, Any]:
    """A sound of 4 s that dies away and clips, with all figures, beside those of its song."""
    song = ArraySong(music(24, seed=5), RATE)
    statistics = compute_song_statistics(song, 20 * RATE)
    sound = np.concatenate([sine(300, 60_000, 1), sine(300, 3000, 1), np.zeros(2 * RATE, np.int16)])
    found = sound_figures(sound, RATE, 40, statistics, song)
    found["song"] = excerpt_figures(song, statistics, 40)
    return dict(json.loads(json.dumps(found)))


def test_all_figures_are_told_once_beside_the_songs_own(judged: dict[str, Any]) -> None:
    found = figures_of_sound(judged)
    assert [figure.name for figure in found] == NAMES
    assert all(figure.value and figure.song and figure.means.endswith(".") for figure in found)


def test_numbers_are_those_of_the_figures(judged: dict[str, Any]) -> None:
    found = {figure.name: figure for figure in figures_of_sound(judged)}
    assert found["steps at borders over inside"].song == f"{judged['song']['borders']['step_ratio']:.2f}"
    assert found["log-mel Fréchet distance"].value == f"{judged['spectrum']['frechet_log_mel']:.1f} dB"
    references = judged["spectrum"]["frechet_references"]
    for name, words in (("floor", "all of the dev split"), ("white_noise", "white noise"), ("silence", "silence")):
        assert f"{words} {references[name]:.1f} dB" in found["log-mel Fréchet distance"].means
    # A sine of 300 Hz, cut off at about half of its height, and one of 3000 of 32768.
    assert found["collapse"].value == "silent from second 2.00 on"
    assert found["collapse"].song == "none"
    assert found[f"under {MINUS}60 dBFS"].value == "50.0%"
    assert found["peak"].value == "100.0%"
    loudest = judged["levels"]["over_time"]["rms_dbfs"][0]
    assert found["level of each second"].value == f"silence to {loudest:.1f}, at its end silence"
    longest = judged["levels"]["longest_clip"]
    assert found["clipped"].value == f"{judged['levels']['clipped_share']:.2%}, {longest} in a row"
    assert found["clipped"].song == found["copied from the song"].song == "none"
    period = judged["repetition"]["period"]
    assert found["repeats its wave"].value == f"{period['strength']:.2f} every {period['seconds']:.3g} s"
    assert found["flatness of its spectrum"].means == "0 of a tone, 0.56 of white noise."


def test_a_minus_is_a_minus(judged: dict[str, Any]) -> None:
    quiet = judged | {"levels": judged["levels"] | {"rms_dbfs": -32.14, "dc": -0.00125}}
    found = {figure.name: figure.value for figure in figures_of_sound(quiet)}
    assert (found["level"], found["mean of all samples"]) == (f"{MINUS}32.1 dBFS", f"{MINUS}0.125%")


def test_what_is_heard_first_comes_with_the_songs_own(judged: dict[str, Any]) -> None:
    found = figures_in_words(judged)
    assert [name for name, _ in found] == [
        "steps at borders over inside", "spectrum off the song's, level apart", "log-mel Fréchet distance",
        "repeats its wave", "most like the song",
    ]  # fmt: skip
    assert f"(the song itself: {judged['song']['borders']['step_ratio']:.2f})" in found[0][1]


def test_a_sound_without_the_song_has_what_is_of_itself_alone() -> None:
    found = figures_of_sound(sound_figures(music(2), RATE, 40) | {"song": None, "without_song": "it is not here"})
    assert [figure.name for figure in found] == [*NAMES[:8], *NAMES[12:15], "repeats its wave"]
    assert all(figure.song == "" for figure in found)
    silent = figures_of_sound(sound_figures(np.zeros(RATE, np.int16), RATE, 40))
    assert {figure.name: figure.value for figure in silent}["level of each second"] == "silent"


def test_older_figures_are_read_and_newer_or_others_refused_by_name(judged: dict[str, Any]) -> None:
    older = {key: value for key, value in judged.items() if key != "song"} | {"version": 1}
    assert [figure.name for figure in figures_of_sound(older)] == NAMES
    assert not any(figure.song for figure in figures_of_sound(older))
    assert figures_of_sound({}) == figures_in_words({}) == []
    with pytest.raises(RunError, match=r"longsong\.sound 3; this one reads up to 2"):
        figures_of_sound(judged | {"version": 3})
    for other in ({"format": "other"}, {"version": "2"}, {"version": True}, {"version": 0}):
        with pytest.raises(RunError, match=r"not 'longsong\.sound'"):
            figures_of_sound(judged | other)
    with pytest.raises(RunError, match="None"):
        figures_of_sound([1])  # type: ignore[arg-type]


def altered(figures: dict[str, Any], wrong: Any) -> Iterator[dict[str, Any]]:
    """Give the figures once for each value in them, which is replaced."""
    for key, value in figures.items():
        if isinstance(value, dict):
            yield from ({**figures, key: inner} for inner in altered(value, wrong))
        yield {**figures, key: wrong}


@pytest.mark.parametrize("wrong", [None, "x", [], ["x"], {}, True, float("nan"), float("inf"), 1e300])
def test_whatever_an_altered_file_holds_is_left_out(judged: dict[str, Any], wrong: Any) -> None:
    for figures in altered({key: judged[key] for key in judged if key not in ("format", "version")}, wrong):
        whole = copy.deepcopy(figures) | {"format": "longsong.sound", "version": 2}
        assert {figure.name for figure in figures_of_sound(whole)} <= set(NAMES)
