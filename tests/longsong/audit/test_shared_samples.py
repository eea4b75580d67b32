"""Runs of samples that sound and song share: none of two windows or more is missed, and none is made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longsong.audit.shared_samples import WINDOW, Shared, SongWindows, longest_shared
from longsong.audit.song import SeenSong
from streams import ArraySong

RANDOM = np.random.default_rng(5)
SONG = RANDOM.integers(-900, 900, 20 * WINDOW + 37).astype(np.int16)
SONG[3 * WINDOW : 6 * WINDOW] = 0  # silence


def seen(samples: np.ndarray) -> SeenSong:
    song: Any = ArraySong(samples, 16_000)
    return SeenSong(Path(), song, "", "", len(samples), 16_000, 0, 0, 0.0, 0.0, "int16", 0)


SEEN = seen(SONG)
WINDOWS = SongWindows.of(SEEN)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(SONG) - 1), st.integers(1, 4 * WINDOW), st.integers(0, 3 * WINDOW))
def test_what_is_copied_is_found_whole(start: int, length: int, before: int) -> None:
    piece = SONG[start : start + length]
    noise = np.random.default_rng(before).integers(1000, 2000, (2, 3 * WINDOW)).astype(np.int16)
    sound = np.concatenate([noise[0, :before], piece, noise[1]])
    found = longest_shared(sound, SEEN, WINDOWS)
    silent = int((piece == 0).sum()) > WINDOW
    if len(piece) >= 2 * WINDOW - 1 and not silent:
        assert found == Shared(len(piece), before, start)
    if found.samples:
        assert found.samples >= 2 * WINDOW - 1
        here = sound[found.at : found.at + found.samples]
        assert np.array_equal(here, SONG[found.song_at : found.song_at + found.samples])


def test_silence_is_no_copy() -> None:
    assert longest_shared(np.zeros(10 * WINDOW, np.int16), SEEN, WINDOWS).samples == 0


def test_the_longest_of_several_is_given() -> None:
    one, other = SONG[10:1010], SONG[8 * WINDOW : 8 * WINDOW + 1500]
    sound = np.concatenate([one, np.full(30, 1200, np.int16), other, np.full(30, 1300, np.int16), one])
    assert longest_shared(sound, SEEN, WINDOWS) == Shared(1500, 1030, 8 * WINDOW)


@pytest.mark.parametrize("length", [0, 1, WINDOW - 1])
def test_a_sound_shorter_than_a_window_shares_nothing(length: int) -> None:
    assert longest_shared(SONG[:length], SEEN, WINDOWS).samples == 0


def test_a_song_shorter_than_a_window_has_none() -> None:
    short = seen(SONG[: WINDOW - 1])
    assert longest_shared(SONG, short, SongWindows.of(short)).samples == 0


def test_a_sample_turned_by_one_ends_a_run() -> None:
    sound = SONG[8 * WINDOW : 14 * WINDOW].copy()
    sound[4 * WINDOW] += 1
    assert longest_shared(sound, SEEN, WINDOWS) == Shared(4 * WINDOW, 0, 8 * WINDOW)
