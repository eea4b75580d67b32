"""How like its song a sound is, beside how like itself the song is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from longsong.audit.copying import COPIED
from longsong.audit.likeness import Alike, Likeness
from longsong.audit.song import SeenSong, see_song
from streams import ArraySong

RATE = 16_000


@pytest.fixture(scope="module")
def seen(song: Path) -> SeenSong:
    return see_song(str(song), song.parent)


def of(seen: SeenSong, samples: np.ndarray, train: int) -> Likeness:
    """Give the likeness to another song."""
    return Likeness.of(replace(seen, song=ArraySong(samples.astype(np.int16), RATE), samples=len(samples)), train)


def test_music_that_repeats_itself_is_no_copy_of_itself(seen: SeenSong) -> None:
    """The song of the tests is three tones that come and go."""
    likeness = Likeness.of(seen, 293_874)
    assert likeness.own is not None
    assert COPIED < abs(likeness.own.correlation) < 1
    assert likeness.own.share > 0
    assert not likeness.copied(likeness.own)
    assert likeness.copied(replace(likeness.own, correlation=-0.9999)).startswith("a second of it has")
    piece = seen.song[100_000 : 100_000 + 2 * RATE]
    for gain, correlation in ((1, 1.0), (-0.5, -1.0)):
        found = likeness.of_sound(np.rint(piece * gain).astype(np.int16))
        assert found is not None
        assert found.correlation == pytest.approx(correlation, abs=1e-3)
        assert f"the correlation {correlation:.3f} with a place in the song (the song's own" in likeness.copied(found)


def test_of_noise_no_second_is_like_another(seen: SeenSong) -> None:
    samples = np.random.default_rng(1).integers(-9000, 9000, 12 * RATE)
    likeness = of(seen, samples, 10 * RATE)
    assert likeness.own is not None
    assert abs(likeness.own.correlation) < 0.1
    assert likeness.own.share == 0
    found = likeness.of_sound(samples[RATE : 3 * RATE].astype(np.int16))
    assert found is not None
    assert found.correlation == pytest.approx(1, abs=1e-4)
    assert likeness.copied(found)


def test_a_song_with_a_loop_does_not_excuse_more_of_the_same(seen: SeenSong) -> None:
    """A tenth of dev is the train split's, sample by sample; a sound of nothing else is a copy all the same."""
    samples = np.random.default_rng(1).integers(-9000, 9000, 40 * RATE)
    samples[24 * RATE : 26 * RATE] = samples[4 * RATE : 6 * RATE]
    likeness = of(seen, samples, 20 * RATE)
    assert likeness.own is not None
    assert likeness.own.correlation == pytest.approx(1, abs=1e-4)
    assert 0 < likeness.own.share < 0.3
    noise = np.random.default_rng(2).normal(0, 3000, 12 * RATE)  # so that it is less alike than the loop
    copied = (samples[6 * RATE : 18 * RATE] + noise).astype(np.int16)
    found = likeness.of_sound(copied)
    assert found is not None
    assert COPIED < found.correlation < 0.95
    assert "100% of its seconds have a correlation of 0.8 or more with the song" in likeness.copied(found)


@pytest.mark.parametrize(
    ("correlation", "share", "open_"), [(0.79, 0.0, False), (-0.8, 0.1, True), (0.81, 0.1, True), (-0.999, 1.0, True)]
)
def test_without_a_second_of_dev_split_nobody_is_accused(
    seen: SeenSong, correlation: float, share: float, open_: bool
) -> None:
    """Nor acquitted: tones that were learnt are as like the song as copies are."""
    samples = np.random.default_rng(1).integers(-9000, 9000, 6 * RATE)
    likeness = of(seen, samples, 6 * RATE - RATE // 2)
    assert likeness.own is None
    found = Alike(correlation, share)
    assert likeness.copied(found) == ""
    assert bool(likeness.undecided(found)) == open_
    assert not open_ or f"correlation {correlation:.3f}" in likeness.undecided(found)
    assert not open_ or "the dev split of 0.50 s has no second" in likeness.undecided(found)


def test_with_a_second_of_dev_split_it_is_decided(seen: SeenSong) -> None:
    likeness = of(seen, np.random.default_rng(1).integers(-9000, 9000, 12 * RATE), 10 * RATE)
    for found in (Alike(0.99, 1.0), Alike(0.1, 0.0)):
        assert likeness.undecided(found) == ""
    assert likeness.copied(Alike(0.99, 1.0))


def test_where_there_is_nothing_to_look_in_or_for_there_is_no_correlation(seen: SeenSong) -> None:
    likeness = of(seen, np.arange(6 * RATE) % 100, 500)
    assert likeness.pattern is None
    assert likeness.of_sound(np.ones(RATE, np.int16)) is None
    assert Likeness.of(seen, 293_874).of_sound(np.zeros(RATE, np.int16)) is None
    assert Likeness.of(seen, 293_874).of_sound(np.zeros(0, np.int16)) is None
