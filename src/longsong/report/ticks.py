"""Where the axes of a sound have labels, and what these say."""

from __future__ import annotations

import math
from dataclasses import dataclass

from longsong.spectrogram import place_of

__all__ = ["Tick", "frequency_ticks", "level_ticks", "minus", "time_ticks"]

_MOST_TIMES = 6
_MINUTE = 60
_STEPS_OF_MINUTES = (10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600)
"""Seconds between labels, where they are minutes and seconds."""

_FREQUENCIES = (100, 500, 1000, 2000, 4000, 8000, 16000, 32000)
_LEAST_GAP = 0.12
"""Between labels of frequencies, as a share of the axis."""


@dataclass(frozen=True)
class Tick:
    """A label on an axis.

    Attributes
    ----------
    at : float
        From 0 at the left or upper end of the axis to 100 at the other: a length in per cent, as CSS counts.
    label : str
    """

    at: float
    label: str


def minus(text: str) -> str:
    """Put a minus sign in place of each hyphen of a number."""
    return text.replace("-", "\N{MINUS SIGN}")


def time_ticks(seconds: float) -> list[Tick]:
    """Label an axis of so many seconds, at most six times and with round numbers; from a minute on as ``1:30``.

    Parameters
    ----------
    seconds : float
        Above 0.
    """
    step = _time_step(seconds / _MOST_TIMES, clock=seconds > _MINUTE)
    count = math.floor(seconds / step * (1 + 1e-9))
    return [Tick(min(100.0, 100 * n * step / seconds), _time(n * step, seconds, step)) for n in range(count + 1)]


def level_ticks(end: float) -> list[Tick]:
    """Label an axis of samples from `-end` to `end`, in shares of full scale."""
    return [Tick(0.0, f"+{end:g}"), Tick(50.0, "0"), Tick(100.0, minus(f"-{end:g}"))]


def frequency_ticks(sample_rate: int) -> list[Tick]:
    """Label the frequencies of a spectrogram, as many as can be read."""
    found: list[Tick] = []
    last = -1.0
    for hertz in _FREQUENCIES:
        place = place_of(hertz, sample_rate)
        if place is not None and place - last >= _LEAST_GAP:
            found.append(Tick(100 * (1 - place), f"{hertz:,}" if found else f"{hertz:,} Hz"))
            last = place
    return found


def _time_step(least: float, *, clock: bool) -> float:
    """Give the shortest round step that is not shorter than `least`."""
    if clock:
        hour = _STEPS_OF_MINUTES[-1]
        return next((step for step in _STEPS_OF_MINUTES if step >= least), math.ceil(least / hour) * hour)
    power = 10.0 ** math.floor(math.log10(least))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= least * (1 - 1e-9))


def _time(at: float, seconds: float, step: float) -> str:
    if seconds <= _MINUTE:
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        return f"{at:.{digits}f} s" if at else "0 s"
    hours, rest = divmod(round(at), 3600)
    clock = f"{rest // 60}:{rest % 60:02}"
    return f"{hours}:{clock.zfill(5)}" if hours else clock
