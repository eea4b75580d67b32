"""A sound as a page shows it: to play, to look at over time and frequency, and in words."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from longsong.audit.levels import QUIET_DBFS, dbfs, level_figures
from longsong.audit.short_time import FULL_SCALE
from longsong.audit.wavs import Wav
from longsong.files import sha256_of
from longsong.report.ticks import Tick, frequency_ticks, level_ticks, minus, time_ticks
from longsong.report.waveform import HEIGHT, envelope, outline, range_for
from longsong.spectrogram import HIGHEST_DB, LOWEST_DB, colour_stops, draw_spectrogram
from longsong.units import human_time

__all__ = ["SoundView", "view_sound"]

_TELLING_DB = 3.0
"""A difference of level that is worth a sentence: twice the power."""

_TELLING_SHARE = 0.005
"""Of the sound: less than that rounds to 0 per cent."""


@dataclass(frozen=True)
class SoundView:
    """A sound on a page; `player` of ``player.html.j2`` draws it.

    Attributes
    ----------
    title : str
    audio, spectrogram : str
        URLs of the wav and of the picture, from the page.
    seconds : float
    sample_rate : int
        Hz.
    waveform : str
        The outline of the samples over time: path of an SVG in a box of `columns` by `height`.
    columns, height : int
    time_ticks, level_ticks, frequency_ticks : list of Tick
        Of the three axes; levels are samples as shares of full scale, frequencies are in Hz on the mel scale.
    described : str
        What is seen, in words.
    """

    title: str
    audio: str
    spectrogram: str
    seconds: float
    sample_rate: int
    waveform: str
    columns: int
    time_ticks: list[Tick]
    level_ticks: list[Tick]
    frequency_ticks: list[Tick]
    described: str
    height: int = HEIGHT

    @property
    def colours(self) -> str:
        """The colours of the spectrogram, from its lowest level to its highest: stops of a gradient of CSS."""
        return colour_stops()

    @property
    def colour_ends(self) -> tuple[str, str]:
        """What the first and the last of the colours stand for."""
        return minus(f"{LOWEST_DB} dB"), minus(f"{HIGHEST_DB} dB")


def view_sound(wav: Path, *, title: str, page: Path, picture: Path | None = None) -> SoundView:
    """Take what a page shows of a sound from its file, and draw its spectrogram where that is not there yet.

    Parameters
    ----------
    wav : Path
        One channel of 16 bits.
    title : str
    page : Path
        The folder of the page, from which files are named.
    picture : Path or None
        Where the spectrogram is, or is to be; None for the name of the wav with ``.png``.

    Raises
    ------
    RunError
        The wav is missing, cut short, without a sample, or of another kind.
    SpaceError
        The picture cannot be written.
    """
    found = Wav.open(wav)
    samples, rate = found.data, found.sample_rate
    drawn = draw_spectrogram(picture or wav.with_suffix(".png"), samples, rate, sha256_of(wav))
    least, largest = envelope(samples)
    figures = level_figures(samples, rate)
    end = range_for(figures["peak"])
    return SoundView(
        title=title,
        audio=_url(wav, page),
        spectrogram=_url(drawn.path, page),
        seconds=found.seconds,
        sample_rate=rate,
        waveform=outline(least, largest, end),
        columns=len(least),
        time_ticks=time_ticks(found.seconds),
        level_ticks=level_ticks(end),
        frequency_ticks=frequency_ticks(rate),
        described=_in_words(samples, rate, figures, drawn.half_power_hertz),
    )


def _url(file: Path, page: Path) -> str:
    return quote(Path(os.path.relpath(file, page)).as_posix())


def _in_words(samples: NDArray[np.int16], rate: int, figures: dict[str, Any], half_power: float | None) -> str:
    """Say what waveform and spectrogram show."""
    length = human_time(len(samples) / rate)
    if figures["rms_dbfs"] is None:
        return f"{length} of digital silence: every sample is 0."
    if samples.min() == samples.max():
        return f"{length} of nothing to hear: every sample is {minus(str(samples[0]))} of {FULL_SCALE:,}."
    loudest = int(np.argmax(np.abs(samples.astype(np.int32)))) / rate
    quiet = minus(f"{QUIET_DBFS:g}")
    level, digits = minus(f"{figures['rms_dbfs']:.1f}"), 1 if len(samples) > rate else 3
    said = [
        f"{length} at {rate / 1000:g} kHz.",
        f"Its level is {level} dBFS, its peak {figures['peak']:.2g} of full scale, at second {loudest:.{digits}f}.",
        *_over_time(figures["over_time"]["rms_dbfs"][: len(samples) // rate]),
    ]
    moving = dbfs(float(samples.std(dtype=np.float64)))
    if moving is None or moving < QUIET_DBFS:
        constant = minus(f"{figures['dc']:.2g}")
        said.append(f"But for a constant, {constant} of full scale, it is silent: under {quiet} dBFS.")
    elif half_power is not None:
        said.append(f"Half of its power lies below about {half_power:,.0f} Hz.")
    if figures["quiet_share"] >= _TELLING_SHARE:
        said.append(f"{figures['quiet_share']:.0%} of it is under {quiet} dBFS, which is silence.")
    if figures["clipped_share"] > 0:
        said.append(f"{100 * figures['clipped_share']:.2g}% of its samples are at full scale.")
    return " ".join(said)


def _over_time(levels: list[float | None]) -> list[str]:
    """Say how the level of whole seconds changes, if there are some to compare."""
    heard = [level for level in levels if level is not None]
    if len(heard) < 2:
        return []
    said = []
    if max(heard) - min(heard) >= _TELLING_DB:
        least, most = (minus(f"{level:.0f}") for level in (min(heard), max(heard)))
        said.append(f"From second to second it lies between {least} and {most} dBFS.")
    if levels[0] is not None and levels[-1] is not None and abs(change := levels[-1] - levels[0]) >= _TELLING_DB:
        said.append(f"It ends {abs(change):.0f} dB {'louder' if change > 0 else 'quieter'} than it begins.")
    return said
