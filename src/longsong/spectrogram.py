"""The spectrogram of a sound as a picture: power in mel bands over time, in colours evenly spaced to the eye."""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.audit.short_time import BANDS, Analysis, decibels, int16_row
from longsong.files import write_bytes

__all__ = [
    "COLUMNS",
    "HIGHEST_DB",
    "LOWEST_DB",
    "Picture",
    "colour_stops",
    "draw_spectrogram",
    "mel_columns",
    "place_of",
    "spectrogram_png",
]

COLUMNS = 800
"""Columns of a picture: more than the pixels that a page has for it."""

LOWEST_DB, HIGHEST_DB = -100, -20
"""The ends of the colour scale, in dB under a sine of full scale; the same on every picture, so that they compare."""

_PIXELS_PER_BAND = 4
"""Of a picture that is shown as it is: as tall as it takes to see single bands."""

_COLOURS = "magma"
_FORMAT, _VERSION = "longsong.spectrogram", 1
_NOTE = "longsong"
"""Key of the text in a picture's file that says what it was drawn from."""

_FIRST_BIN = 2
"""Of the frequencies that share of power is taken of: a constant in the sound reaches the first two (Hann's window)."""

Samples = NDArray[np.int16]


@dataclass(frozen=True)
class Picture:
    """A spectrogram that is on the disk.

    Attributes
    ----------
    path : Path
        A PNG of `COLUMNS` by `BANDS` pixels, low frequencies at the bottom.
    half_power_hertz : float or None
        Half of the sound's power lies below this frequency; None for a sound without any, such as silence.
    """

    path: Path
    half_power_hertz: float | None


def draw_spectrogram(path: Path, samples: Samples, sample_rate: int, sha256: str) -> Picture:
    """Draw the spectrogram of a sound, unless the file there is of this very sound.

    Parameters
    ----------
    path : Path
        The PNG to write; its folder has to be there.
    samples : ndarray, shape (n,), int16
        One or more.
    sample_rate : int
        Hz.
    sha256 : str
        Digest of the sound's file. It is kept in the PNG, and a PNG that has another, or is cut short, is drawn anew.

    Raises
    ------
    ConfigError
        `samples` are not int16 in a row.
    SpaceError, RunError
        As `longsong.files.write_bytes`.
    """
    there = _read_note(path)
    if there is None or there["sha256"] != sha256:
        columns, half = mel_columns(samples, sample_rate)
        there = {"format": _FORMAT, "version": _VERSION, "sha256": sha256, "half_power_hertz": half}
        write_bytes(path, _png(columns, there))
    return Picture(path, there["half_power_hertz"])


def spectrogram_png(samples: Samples, sample_rate: int) -> bytes:
    """Give the spectrogram of a sound as a PNG to be shown as it is, where no page draws it out.

    Parameters
    ----------
    samples : ndarray, shape (n,), int16
        One or more.
    sample_rate : int
        Hz.

    Returns
    -------
    bytes
        A PNG of `COLUMNS` pixels by four for each of `BANDS`, low frequencies at the bottom.

    Raises
    ------
    ConfigError
        `samples` are not int16 in a row.
    """
    columns, _ = mel_columns(samples, sample_rate)
    return _png(np.repeat(columns, _PIXELS_PER_BAND, axis=0))


def mel_columns(samples: Samples, sample_rate: int, columns: int = COLUMNS) -> tuple[NDArray[np.float64], float | None]:
    """Give the power of a sound in mel bands, at evenly spaced moments from its beginning to its end.

    Windows are those of `longsong.audit.short_time.Analysis`, the first one about the first sample, the last about the
    last; the sound is mirrored at its ends, so that no click is seen there. Where there are more windows than columns
    a column is their mean power, else it lies on a straight line between two of them.

    Parameters
    ----------
    samples : ndarray, shape (n,), int16
    sample_rate : int
        Hz.
    columns : int

    Returns
    -------
    ndarray, shape (BANDS, columns), float64
        In dB under a sine of full scale, the lowest band first.
    float or None
        The frequency below which half of the power lies.

    Raises
    ------
    ConfigError
        `samples` are not int16 in a row.
    """
    analysis = Analysis(sample_rate)
    count, hop, half = len(int16_row(samples)), analysis.hop, analysis.window // 2
    hops = math.ceil(count / hop)
    powers_of_bins, bands = np.zeros(analysis.bins), np.empty((hops + 1, BANDS), np.float32)
    done = 0
    for powers in analysis.powers(np.pad(samples, (half, half + hops * hop - count), mode="symmetric")):
        powers_of_bins += powers.sum(axis=0, dtype=np.float64)
        bands[done : done + len(powers)] = analysis.mel_powers(powers)
        done += len(powers)
    if count >= hop * columns:
        column = np.minimum(np.arange(hops + 1) * hop * columns // count, columns - 1)
        starts = np.searchsorted(column, np.arange(columns))
        means = np.add.reduceat(bands.astype(np.float64), starts, axis=0) / np.bincount(column)[:, None]
        found = decibels(means, analysis.floor)
    else:
        at = (np.arange(columns) + 0.5) / columns * count / hop
        before = np.minimum(at.astype(np.int64), hops - 1)
        share = (at - before)[:, None]
        levels = decibels(bands.astype(np.float64), analysis.floor)
        found = (1 - share) * levels[before] + share * levels[before + 1]
    return found.T, _half_power(powers_of_bins, sample_rate / analysis.window)


def place_of(hertz: float, sample_rate: int) -> float | None:
    """Give where a frequency lies in a picture, from 0 at the bottom to 1 at the top; None if beyond its bands."""
    analysis = Analysis(sample_rate)
    middles = np.arange(analysis.bins) * (sample_rate / analysis.window) @ analysis.mel_bank.astype(np.float64)
    if not middles[0] <= hertz <= middles[-1]:
        return None
    return float((np.interp(hertz, middles, np.arange(BANDS)) + 0.5) / BANDS)


def colour_stops(stops: int = 9) -> str:
    """Give the colours from `LOWEST_DB` to `HIGHEST_DB` as evenly spaced stops of a gradient of CSS."""
    return ", ".join(f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in _palette(stops))


def _half_power(powers: NDArray[np.float64], hertz_apart: float) -> float | None:
    running = np.cumsum(powers[_FIRST_BIN:])
    if not running[-1] > 0:
        return None
    return float((_FIRST_BIN + int(np.searchsorted(running, running[-1] / 2))) * hertz_apart)


def _palette(colours: int) -> NDArray[np.uint8]:
    """Give colours from the lowest to the highest level, shape (colours, 3).

    They are matplotlib's *magma*: perceptually uniform, and of rising lightness, so that it reads without colours too
    (Smith and van der Walt, "A Better Default Colormap for Matplotlib", SciPy 2015).
    """
    import matplotlib as mpl

    found: NDArray[np.uint8] = mpl.colormaps[_COLOURS](np.linspace(0, 1, colours), bytes=True)[:, :3]
    return found


def _png(columns: NDArray[np.float64], note: dict[str, Any] | None = None) -> bytes:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    shares = np.clip((columns[::-1] - LOWEST_DB) / (HIGHEST_DB - LOWEST_DB), 0, 1)
    image = Image.fromarray(np.rint(255 * shares).astype(np.uint8))
    image.putpalette(_palette(256).tobytes())
    info, file = PngInfo(), io.BytesIO()
    if note is not None:
        info.add_text(_NOTE, json.dumps(note))
    image.save(file, "PNG", pnginfo=info, optimize=True)
    return file.getvalue()


def _read_note(path: Path) -> dict[str, Any] | None:
    """Read what a picture was drawn from; None where there is no such picture, or not a whole one."""
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as image:
            image.load()
            note = json.loads(image.info[_NOTE])
            if image.size == (COLUMNS, BANDS) and (note["format"], note["version"]) == (_FORMAT, _VERSION):
                return {key: note[key] for key in ("format", "version", "sha256", "half_power_hertz")}
    # Pillow raises OSError, SyntaxError and ValueError for what is cut short or no PNG.
    except (OSError, SyntaxError, ValueError, KeyError, TypeError):
        return None
    return None
