"""The embedded song is music: pitch, harmony, rhythm, dynamics and form; and the same each time."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from longsong import space
from longsong.demo_instruments import Hall
from longsong.demo_score import BARS_PER_SECTION, BEATS_PER_BAR, Score
from longsong.demo_song import SAMPLE_RATE, demo_blocks, write_demo_song
from longsong.errors import ConfigError, RunError, SpaceError

SEEDS = (0, 1, 7)
LENGTH = 200


def song(seconds: float, seed: int = 1) -> np.ndarray:
    return np.concatenate(list(demo_blocks(seconds, seed)))


@pytest.fixture(scope="module", params=SEEDS)
def played(request) -> tuple[Score, np.ndarray]:
    """A score and its first `LENGTH` seconds, full scale 1."""
    return Score(request.param), song(LENGTH, request.param) / 32768


def spectra(sound: np.ndarray, size: int = 16_384) -> tuple[np.ndarray, np.ndarray]:
    """Give the frequencies in Hz, and the power of half-overlapping windows, shape (windows, frequencies)."""
    windows = np.lib.stride_tricks.sliding_window_view(sound, size)[:: size // 2] * np.hanning(size)
    return np.fft.rfftfreq(size, 1 / SAMPLE_RATE), np.abs(np.fft.rfft(windows)) ** 2


def section_samples(score: Score) -> int:
    return round(score.seconds_per_beat * SAMPLE_RATE * BEATS_PER_BAR) * BARS_PER_SECTION


def rms(sound: np.ndarray, size: int) -> np.ndarray:
    return np.sqrt(np.mean(sound[: len(sound) // size * size].reshape(-1, size) ** 2, axis=1))


def in_scale(score: Score, section: int, sound: np.ndarray, shift: float = 0.0) -> float:
    """Give the share of power between 100 and 1000 Hz within 30 cents of the section's scale, moved by `shift`."""
    samples = section_samples(score)
    inner = sound[section * samples + 3 * SAMPLE_RATE : (section + 1) * samples]  # what rang on is over
    hertz, power = spectra(inner)
    band = (hertz > 100) & (hertz < 1000)
    pitch = 69 + 12 * np.log2(hertz[band] / 440) - shift
    scale = score.section(section * BARS_PER_SECTION).scale
    near = (np.abs(pitch - np.rint(pitch)) < 0.3) & np.isin(np.rint(pitch) % 12, list(scale))
    return float(power[:, band][:, near].sum() / power[:, band].sum())


def test_pitches_are_those_of_each_sections_key(played):
    score, sound = played
    for section in range(4):
        assert in_scale(score, section, sound) > 0.85
        assert in_scale(score, section, sound, shift=0.5) < 0.15


def test_it_is_neither_noise_nor_one_sine(played):
    _, sound = played
    hertz, power = spectra(sound)
    band = (hertz > 50) & (hertz < 4000)
    power = power[power.sum(axis=1) > 0][:, band] + 1e-12
    flatness = np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1)
    assert np.median(flatness) < 0.01  # white noise has 0.56
    # How many frequencies hold 90 % of the power of a window: a sine has three.
    ordered = -np.sort(-power, axis=1)
    needed = np.argmax(np.cumsum(ordered, axis=1) > 0.9 * ordered.sum(axis=1, keepdims=True), axis=1)
    assert np.median(needed) > 8


def test_harmony_changes_from_bar_to_bar_and_keys_from_section_to_section(played):
    score, sound = played
    hertz, _ = spectra(sound[:20_000])
    audible = (hertz > 100) & (hertz < 1000)
    classes = np.rint(69 + 12 * np.log2(hertz[audible] / 440)).astype(int) % 12
    bar = round(score.seconds_per_beat * SAMPLE_RATE * BEATS_PER_BAR)
    chroma = []
    for number in range(4 * BARS_PER_SECTION - 1):
        power = spectra(sound[number * bar : (number + 1) * bar])[1].sum(axis=0)[audible]
        chroma.append([power[classes == pitch_class].sum() for pitch_class in range(12)])
    shares = np.array(chroma) / np.sum(chroma, axis=1, keepdims=True)
    likeness = np.sum(shares[1:] * shares[:-1], axis=1) / np.linalg.norm(shares[1:], axis=1)
    likeness /= np.linalg.norm(shares[:-1], axis=1)
    assert np.median(likeness) < 0.8
    keys = {score.section(bar).scale for bar in range(0, 12 * BARS_PER_SECTION, BARS_PER_SECTION)}
    assert len(keys) >= 3


def test_there_is_a_beat_in_the_second_section(played):
    score, sound = played
    samples = section_samples(score)
    second = sound[samples : 2 * samples]
    hop = 160
    windows = np.lib.stride_tricks.sliding_window_view(second, 512)[::hop] * np.hanning(512)
    rises = np.diff(np.abs(np.fft.rfft(windows)), axis=0)
    onsets = np.convolve(np.maximum(rises, 0).sum(axis=1), np.hanning(9), "same")
    onsets -= np.convolve(onsets, np.ones(61) / 61, "same")  # swells are no onsets
    likeness = np.correlate(onsets, onsets, "full")[len(onsets) - 1 :]
    likeness /= likeness[0]
    beat = score.seconds_per_beat * SAMPLE_RATE / hop
    lags = np.arange(round(0.6 * beat), round(1.4 * beat))
    strongest = lags[np.argmax(likeness[lags])]
    assert abs(strongest - beat) <= 2
    assert likeness[strongest] > 0.15


def test_level_swells_within_sections_and_differs_between_them(played):
    score, sound = played
    seconds = rms(sound[3 * SAMPLE_RATE :], SAMPLE_RATE)
    assert seconds.max() > 2 * seconds.min()
    assert seconds.min() > 0.01
    sections = rms(sound, section_samples(score))
    assert sections.max() > 1.25 * sections.min()


def test_a_good_part_of_the_range_is_used_and_nothing_is_clipped(played):
    _, sound = played
    assert 0.3 < np.abs(sound).max() < 0.9
    assert abs(sound.mean()) < 1e-3


def test_the_form_is_a_rondo_whose_sections_come_back_changed():
    score = Score(3)
    sections = [score.section(bar) for bar in range(0, 16 * BARS_PER_SECTION, BARS_PER_SECTION)]
    assert "".join("ABCDE"[section.letter] for section in sections) == "ABACABADABACABAE"
    homes = [section for section in sections if section.letter == 0]
    assert [home.visit for home in homes] == list(range(8))
    assert homes[0].tonic == score.home
    assert len({home.tonic for home in homes}) == 4
    assert len({home.roots for home in homes}) > 1
    first = [
        [note.pitch for note in score.notes(bar) if note.instrument == "bell"] for bar in (0, 2 * BARS_PER_SECTION)
    ]
    assert first[0] == first[1]  # the motif, note for note


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**40),
    short=st.floats(0.001, 25),
    longer=st.floats(0, 15),
)
def test_the_same_again_and_a_short_song_is_the_beginning_of_a_longer_one(seed, short, longer):
    beginning = song(short, seed)
    assert beginning.dtype == np.int16
    assert len(beginning) == round(short * SAMPLE_RATE)
    np.testing.assert_array_equal(beginning, song(short + longer, seed)[: len(beginning)])


def test_another_seed_is_another_song():
    assert not np.array_equal(song(10, 1), song(10, 2))


def test_memory_does_not_grow_with_the_length():
    def peak(seconds: int) -> int:
        tracemalloc.start()
        try:
            for _ in demo_blocks(seconds, 5):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    song(300, 5)  # tables and notes that are kept are made here
    assert peak(600) < 1.1 * peak(60)


@settings(max_examples=20, deadline=None)
@given(data=st.data(), pieces=st.integers(1, 6))
def test_the_hall_is_the_same_for_pieces_of_any_length_and_dies_away(data, pieces):
    cuts = sorted(data.draw(st.lists(st.integers(0, 9000), min_size=pieces, max_size=pieces)))
    dry = np.random.default_rng(0).standard_normal(9000).astype(np.float32)
    whole = Hall()(dry)
    hall = Hall()
    parts = [hall(part) for part in np.split(dry, cuts) if len(part)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    tail = hall(np.zeros(160_000, np.float32))
    assert np.abs(tail[:2000]).max() > 0.01
    assert np.abs(tail[-2000:]).max() < 1e-4


def test_it_is_written_as_a_wav_of_exactly_that_length(tmp_path, capsys):
    path = tmp_path / "demo.wav"
    write_demo_song(path, 12.5, 3, quiet=True)
    assert capsys.readouterr() == ("", "")
    info = soundfile.info(path)
    assert (info.frames, info.samplerate, info.channels, info.subtype) == (200_000, 16_000, 1, "PCM_16")
    np.testing.assert_array_equal(soundfile.read(path, dtype="int16")[0], song(12.5, 3))
    assert [entry.name for entry in tmp_path.iterdir()] == ["demo.wav"]


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 1e-9])
def test_lengths_that_cannot_be_are_refused_before_anything_is_written(tmp_path, seconds):
    with pytest.raises(ConfigError, match="seconds"):
        write_demo_song(tmp_path / "a.wav", seconds)
    with pytest.raises(ConfigError, match="seconds"):
        demo_blocks(seconds)
    assert not list(tmp_path.iterdir())


def test_other_arguments_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"seed must be .*-3"):
        demo_blocks(1, -3)
    with pytest.raises(ConfigError, match=r"a\.flac"):
        write_demo_song(tmp_path / "a.flac", 1)
    with pytest.raises(RunError, match="no folder"):
        write_demo_song(tmp_path / "nowhere" / "a.wav", 1, quiet=True)


def test_a_disk_that_will_be_too_small_is_named_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(space, "free_bytes", lambda _: 20_000_000)
    with pytest.raises(SpaceError, match=r"11,520,000,000 bytes.*20,000,000 bytes"):
        write_demo_song(tmp_path / "a.wav", 100 * 3600, quiet=True)
    assert not list(tmp_path.iterdir())
