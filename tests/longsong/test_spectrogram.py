"""Spectrograms: power where and when it is in the sound, in colours that mean the same, drawn once for each sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_sounds import RATE, sine, white
from PIL import Image

from longsong import spectrogram
from longsong.audit.short_time import BANDS
from longsong.errors import ConfigError
from longsong.spectrogram import (
    COLUMNS,
    HIGHEST_DB,
    LOWEST_DB,
    colour_stops,
    draw_spectrogram,
    mel_columns,
    place_of,
    spectrogram_png,
)


def pixels(path: Path) -> np.ndarray:
    """Give the picture as the shares of the colour scale, low frequencies first."""
    with Image.open(path) as image:
        return np.asarray(image)[::-1] / 255


@pytest.mark.parametrize("seconds", [0.05, 1.0, 60.0])
@pytest.mark.parametrize("hertz", [200, 1000, 5000])
def test_a_sine_is_drawn_at_its_frequency_and_level(hertz: int, seconds: float) -> None:
    columns, half_power = mel_columns(sine(hertz, 16384, seconds), RATE)
    assert columns.shape == (BANDS, COLUMNS)
    middle = columns[:, COLUMNS // 2]
    assert abs((middle.argmax() + 0.5) / BANDS - place_of(hertz, RATE)) < 1.5 / BANDS
    # A band is the mean of its frequencies, and a sine of half of full scale fills a part of it.
    assert -30 < middle.max() < -6
    assert half_power == pytest.approx(hertz, abs=40)


@pytest.mark.parametrize(("seconds", "columns"), [(2.0, COLUMNS), (60.0, COLUMNS), (20.0, 37)])
def test_a_burst_is_drawn_when_it_sounds(seconds: float, columns: int) -> None:
    sound = np.zeros(round(seconds * RATE), np.int16)
    start, stop = round(0.5 * len(sound)), round(0.75 * len(sound))
    sound[start:stop] = white(3000, (stop - start) / RATE)
    level = mel_columns(sound, RATE, columns)[0].mean(axis=0)
    loud = np.flatnonzero(level > -80)
    margin = columns * 0.064 / seconds + 1
    assert loud[0] == pytest.approx(columns / 2, abs=margin)
    assert loud[-1] == pytest.approx(columns * 0.75, abs=margin)
    assert len(loud) == loud[-1] - loud[0] + 1


def test_a_mean_of_windows_has_their_power() -> None:
    sound = np.concatenate([white(3000, 10.0), white(30, 10.0, seed=1)])
    two, _ = mel_columns(sound, RATE, 2)
    many, _ = mel_columns(sound, RATE, 600)
    power = 10 ** (many / 10)
    due = 10 * np.log10(np.stack([power[:, :300].mean(axis=1), power[:, 300:].mean(axis=1)], axis=1))
    assert two == pytest.approx(due, abs=0.5)


def test_silence_and_constants_have_no_clicks_at_their_ends() -> None:
    silence, half_power = mel_columns(np.zeros(800, np.int16), RATE)
    assert silence.max() < LOWEST_DB
    assert half_power is None
    constant, _ = mel_columns(np.full(RATE, 20000, np.int16), RATE)
    assert constant[4:].max() < LOWEST_DB
    assert np.ptp(constant, axis=1).max() < 1e-3


def test_one_sample_has_a_picture(tmp_path: Path) -> None:
    assert pixels(draw_spectrogram(tmp_path / "a.png", np.ones(1, np.int16), RATE, "a").path).shape == (BANDS, COLUMNS)


def test_colours_stand_for_decibels(tmp_path: Path) -> None:
    for amplitude, half in ((16384, "0.5"), (328, "0.01")):
        path = draw_spectrogram(tmp_path / f"{half}.png", sine(1000, amplitude, 1.0), RATE, half).path
        columns, _ = mel_columns(sine(1000, amplitude, 1.0), RATE)
        due = np.clip((columns - LOWEST_DB) / (HIGHEST_DB - LOWEST_DB), 0, 1)
        assert pixels(path) == pytest.approx(due, abs=0.5 / 255 + 1e-9)


def test_a_picture_to_be_shown_as_it_is_has_the_same_bands_four_times_as_tall(tmp_path: Path) -> None:
    sound = sine(1000, 16384, 1.0)
    (tmp_path / "tall.png").write_bytes(spectrogram_png(sound, RATE))
    flat, tall = pixels(draw_spectrogram(tmp_path / "flat.png", sound, RATE, "a").path), pixels(tmp_path / "tall.png")
    np.testing.assert_array_equal(tall, np.repeat(flat, 4, axis=0))


def test_colours_grow_lighter_evenly() -> None:
    stops = colour_stops(17).split(", ")
    rgb = np.array([[int(stop[at : at + 2], 16) / 255 for at in (1, 3, 5)] for stop in stops])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)  # sRGB, IEC 61966-2-1
    lightness = 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16  # of CIELAB
    steps = np.diff(lightness[1:])  # near black the cube root is a straight line in CIELAB
    assert steps.min() > 0.6 * steps.mean()
    assert steps.max() < 1.4 * steps.mean()


def test_a_picture_is_drawn_anew_only_for_another_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, sound = tmp_path / "a.png", sine(440, 9000, 0.5)
    drawn = []
    compute = spectrogram.mel_columns

    def counted(*arguments):
        drawn.append(arguments)
        return compute(*arguments)

    monkeypatch.setattr(spectrogram, "mel_columns", counted)
    first = draw_spectrogram(path, sound, RATE, "one")
    whole = path.read_bytes()
    assert draw_spectrogram(path, sound, RATE, "one") == first
    assert len(drawn) == 1
    draw_spectrogram(path, sine(880, 9000, 0.5), RATE, "two")
    assert len(drawn) == 2
    assert path.read_bytes() != whole
    for damaged in (whole[: len(whole) // 2], whole[:60], b"", b"GIF89a"):
        path.write_bytes(damaged)
        assert draw_spectrogram(path, sound, RATE, "one") == first
        assert path.read_bytes() == whole
    assert len(drawn) == 6
    monkeypatch.setattr(spectrogram, "_VERSION", 2)
    draw_spectrogram(path, sound, RATE, "one")
    assert len(drawn) == 7
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_what_is_no_sound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="float64"):
        draw_spectrogram(tmp_path / "a.png", np.zeros(100), RATE, "a")
    assert list(tmp_path.iterdir()) == []
