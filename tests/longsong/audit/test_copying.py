"""Copies planted in a sound are found to the sample, whatever was done to them; and what is none is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_sounds import RATE, int16, music, sine, white

from longsong.audit.coarse_search import PATTERN_BANDS, Pattern, PatternTally, likely_places
from longsong.audit.copying import COPIED, best_match, copy_figures, correlations_within
from longsong.audit.short_time import Analysis
from longsong.errors import ConfigError
from streams import ArraySong

ANALYSIS = Analysis(RATE)
TRAIN = 100 * RATE
SONG = ArraySong(music(120, seed=3), RATE)


def pattern_of(samples: np.ndarray) -> Pattern:
    tally = PatternTally(ANALYSIS)
    for powers in ANALYSIS.powers(samples):
        tally.add(ANALYSIS.mel_powers(powers))
    return tally.pattern()


@pytest.fixture(scope="module")
def pattern() -> Pattern:
    return pattern_of(SONG[:TRAIN])


@pytest.mark.parametrize("place", [0, 33 * 1024, 33 * 1024 + 512, 700_001, TRAIN - 3 * RATE])
@pytest.mark.parametrize("change", ["none", "softer", "turned", "noisy", "turned, softer and noisy"])
def test_a_copy_is_found_to_the_sample(pattern: Pattern, place: int, change: str) -> None:
    copy = SONG[place : place + 3 * RATE].astype(np.float64)
    if "noisy" in change:  # at 10 dB in each half of a second
        level = np.repeat(np.sqrt(np.mean(copy.reshape(6, -1) ** 2, axis=1)), RATE // 2)
        copy += np.random.default_rng(place).normal(0, 10**-0.5, len(copy)) * level
    copy *= 0.3 if "softer" in change else 1
    copy *= -1 if "turned" in change else 1
    sound = np.concatenate([white(900, 2), int16(copy), white(900, 2, seed=1)])
    found = copy_figures(sound, SONG, TRAIN, pattern)
    highest = found["highest"]
    at = round(highest["second"] * RATE)
    assert highest["song_sample"] - place == at - 2 * RATE
    assert highest["song_second"] == highest["song_sample"] / RATE
    assert np.sign(highest["correlation"]) == (-1 if "turned" in change else 1)
    same = [part[start : start + RATE] for part, start in ((sound, at), (SONG[:], highest["song_sample"]))]
    assert highest["correlation"] == pytest.approx(np.corrcoef(*same)[0, 1], abs=1e-9)
    # Noise at 10 dB leaves 1 / sqrt(1 + 0.1) of a correlation of 1.
    assert abs(highest["correlation"]) == pytest.approx(1.1**-0.5 if "noisy" in change else 1, abs=0.005)
    assert found["windows"] == 13
    assert found["copied_share"] == pytest.approx(5 / 13)  # of seven seconds, the windows that lie within the copy
    assert found["longest_seconds"] == 3


@pytest.mark.parametrize(
    "sound", [white(2000, 5), music(5, seed=9), sine(441, 3000, 5)], ids=["noise", "music", "tone"]
)
def test_what_is_of_elsewhere_is_no_copy(pattern: Pattern, sound: np.ndarray) -> None:
    found = copy_figures(sound, SONG, TRAIN, pattern)
    assert abs(found["highest"]["correlation"]) < COPIED
    assert found["copied_share"] == found["longest_seconds"] == 0
    assert 0 <= found["median"] <= abs(found["highest"]["correlation"])


def test_noise_is_like_nothing(pattern: Pattern) -> None:
    assert abs(copy_figures(white(2000, 5), SONG, TRAIN, pattern)["highest"]["correlation"]) < 0.1


def test_the_dev_split_is_not_searched(pattern: Pattern) -> None:
    """The reach of the last places ends with the train split."""
    found = copy_figures(SONG[TRAIN + RATE : TRAIN + 4 * RATE], SONG, TRAIN, pattern)
    assert found["copied_share"] == 0
    assert found["highest"]["song_sample"] + RATE <= TRAIN


def test_a_copy_that_reaches_out_of_the_train_split_is_matched_within(pattern: Pattern) -> None:
    """The place is in reach of the last that the pattern knows, and 300 samples of it are of the dev split."""
    start = TRAIN - RATE + 300
    match = best_match(SONG[start : start + RATE], 0, RATE, SONG, TRAIN, np.array([start]), pattern.step)
    assert match.sample + RATE <= TRAIN
    assert abs(match.correlation) < 0.99


def test_a_run_of_copies_ends_where_the_place_changes(pattern: Pattern, monkeypatch: pytest.MonkeyPatch) -> None:
    """The windows across hold three quarters of either place, and count as copied here."""
    monkeypatch.setattr("longsong.audit.copying.COPIED", 0.5)
    sound = np.concatenate([SONG[160_000:196_000], SONG[800_000:836_000]])
    found = copy_figures(sound, SONG, TRAIN, pattern)
    assert found["copied_share"] == 1
    assert found["longest_seconds"] == 2.5


def test_copies_of_two_places_are_two(pattern: Pattern) -> None:
    sound = np.concatenate([SONG[160_000:192_000], SONG[800_000:848_000]])
    found = copy_figures(sound, SONG, TRAIN, pattern)
    assert found["longest_seconds"] == 3
    assert found["copied_share"] >= 8 / 9  # but for the window across, half of which is of either


def test_silence_is_no_copy(pattern: Pattern) -> None:
    for silence in (np.zeros(2 * RATE, np.int16), np.full(2 * RATE, 4000, np.int16)):
        found = copy_figures(silence, SONG, TRAIN, pattern)
        assert found["windows"] == 0
        assert found["highest"] is None


def test_a_short_sound_is_one_window(pattern: Pattern) -> None:
    found = copy_figures(SONG[500_123:510_123], SONG, TRAIN, pattern)
    assert (found["windows"], found["window_seconds"]) == (1, 10_000 / RATE)
    assert found["highest"]["song_sample"] == 500_123
    assert copy_figures(SONG[500_123:500_200], SONG, TRAIN, pattern)["highest"] is None


def test_a_song_that_is_shorter_than_a_window() -> None:
    samples = music(0.75, seed=5)
    song = ArraySong(samples, RATE)
    found = copy_figures(np.concatenate([samples, white(900, 1)]), song, len(song), pattern_of(samples))
    assert found["highest"]["correlation"] == pytest.approx(1)
    assert found["highest"]["song_sample"] == 0


def test_what_cannot_be_is_refused(pattern: Pattern) -> None:
    with pytest.raises(ConfigError, match="train-samples"):
        copy_figures(white(900, 1), SONG, len(SONG) + 1, pattern)
    with pytest.raises(ConfigError, match="int16"):
        copy_figures(np.zeros(100), SONG, TRAIN, pattern)
    with pytest.raises(ConfigError, match="float32"):
        Pattern(ANALYSIS, np.zeros((3, PATTERN_BANDS), np.float32))  # type: ignore[arg-type]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 60), st.integers(0, 40), st.booleans())
def test_correlations_are_those_of_their_definition(seed: int, window: int, more: int, loud: bool) -> None:
    random = np.random.default_rng(seed)
    most = 32767 if loud else 2
    query, piece = (random.integers(-most, most + 1, n).astype(np.int16) for n in (window, window + more))
    found = correlations_within(query, piece[None], np.float64)[0]
    assert len(found) == more + 1
    for lag, value in enumerate(found):
        run = piece[lag : lag + window]
        constant = query.std() == 0 or run.std() == 0
        due = 0 if constant else np.corrcoef(query, run)[0, 1]
        assert value == pytest.approx(due, abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.sampled_from([-3, -1, 2, 5]), st.integers(-900, 900))
def test_correlations_do_not_depend_on_level_and_mean(seed: int, scale: int, shift: int) -> None:
    random = np.random.default_rng(seed)
    query, piece = (random.integers(-5000, 5000, n).astype(np.int16) for n in (50, 80))
    one = correlations_within(query, piece[None], np.float64)
    other = correlations_within((query * scale + shift).astype(np.int16), piece[None], np.float64)
    np.testing.assert_allclose(other, one * np.sign(scale), atol=1e-9)


def test_float32_is_enough_for_the_first_look() -> None:
    query, piece = SONG[1000:17_000], SONG[0:18_048]
    coarse, exact = (correlations_within(query, piece[None], dtype)[0] for dtype in (np.float32, np.float64))
    assert coarse.dtype == np.float32
    np.testing.assert_allclose(coarse, exact, atol=1e-5)


def test_the_best_of_several_places_is_taken() -> None:
    sound = SONG[300_000:316_000]
    match = best_match(sound, 0, RATE, SONG, TRAIN, np.array([0, 900_000, 300_700, TRAIN - 10]), reach=1024)
    assert (match.sample, match.start) == (300_000, 0)
    assert match.correlation == pytest.approx(1)


def test_places_come_best_first_and_apart(pattern: Pattern) -> None:
    windows = [SONG[at : at + RATE] for at in (123_456, 1_000_000)]
    for at, places in zip((123_456, 1_000_000), likely_places(windows, pattern), strict=True):
        assert abs(int(places[0]) - at) <= pattern.step
        assert len(places) == 32
        assert np.diff(np.sort(places)).min() > pattern.step


def test_places_do_not_depend_on_how_many_rows_are_compared_at_once(
    pattern: Pattern, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = [SONG[777_777 : 777_777 + RATE]]
    before = likely_places(window, pattern)[0]
    monkeypatch.setattr("longsong.audit.coarse_search._ROWS_AT_ONCE", 100)
    after = likely_places(window, pattern)[0]
    assert after[0] == before[0]
    # The ends of a part may be taken for peaks, and so come in before the last ones.
    assert set(before[:20]) <= set(after)


def test_places_are_ranked_by_the_correlation_of_their_patterns(pattern: Pattern) -> None:
    """Against numpy's, the mean of each band removed; a band that never changes counts for nothing."""
    rows = pattern.rows[:400].astype(np.float64)
    rows[:, 3] = 0.1
    constant = Pattern(ANALYSIS, rows.astype(np.float16))
    window = SONG[200_000 : 200_000 + RATE]
    query = pattern_of(window).rows.astype(np.float64)
    length = len(query)
    runs = [constant.rows[at : at + length].astype(np.float64) for at in range(401 - length)]
    query, *runs = (part - part.mean(0) for part in (query, *runs))
    scores = np.array([(query * run).sum() / np.linalg.norm(query) / np.linalg.norm(run) for run in runs])
    (places,) = likely_places([window], constant)
    assert places[0] == scores.argmax() * pattern.step
    found = scores[places // pattern.step]
    assert (np.diff(found) < 1e-5).all()


def test_a_song_that_stands_still_is_like_nothing() -> None:
    still = Pattern(ANALYSIS, np.full((300, PATTERN_BANDS), 0.3, np.float16))
    (places,) = likely_places([SONG[200_000 : 200_000 + RATE]], still)
    assert len(places) <= 1  # all are as good, or as bad


def test_no_windows_have_no_places(pattern: Pattern) -> None:
    assert likely_places([], pattern) == []
    assert [len(places) for places in likely_places([white(900, 200)], pattern)] == [0]
