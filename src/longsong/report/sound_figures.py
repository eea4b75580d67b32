"""The figures of a sound in plain words, with their numbers, each beside that of the song itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from longsong.audit.copying import COPIED
from longsong.audit.levels import QUIET_DBFS
from longsong.audit.sound import FORMAT, VERSION
from longsong.report.figure import Figure, inside, made_figure, number, require_version
from longsong.report.ticks import minus

__all__ = ["figures_in_words", "figures_of_sound", "heard_first"]

Figures = Mapping[str, Any]
Describe = Callable[[Figures], str]

_HEARD_FIRST = (
    "steps at borders over inside",
    "spectrum off the song's, level apart",
    "log-mel Fréchet distance",
    "repeats its wave",
    "most like the song",
)


def figures_of_sound(sound: Figures) -> list[Figure]:
    """Give all figures that `longsong.judging.Judge` has of a sound.

    Parameters
    ----------
    sound : mapping
        Version 1 or 2; an empty one, of a sound that was never looked at, has none to give.

    Returns
    -------
    list of Figure
        Without those that this sound has not (it is too short, or the song was not there).

    Raises
    ------
    RunError
        It is of another format, or of a newer version.
    """
    if not sound:
        return []
    require_version(sound, FORMAT, VERSION)
    song = inside(sound, "song")
    groups = (_of_level, _of_spectrum, _of_borders, _of_repetition, _of_copying)
    return [figure for group in groups for figure in group(sound, song if isinstance(song, Mapping) else {})]


def figures_in_words(sound: Figures) -> list[tuple[str, str]]:
    """Give what is heard of a sound first, as names and values; else as `figures_of_sound`."""
    return heard_first(figures_of_sound(sound))


def heard_first(figures: Sequence[Figure]) -> list[tuple[str, str]]:
    """Give those of `figures_of_sound` that are heard first, as names and values."""
    found = {figure.name: figure for figure in figures}
    return [
        (name, figure.value + (f" (the song itself: {figure.song})" if figure.song else ""))
        for name in _HEARD_FIRST
        if (figure := found.get(name)) is not None
    ]


def _of_level(sound: Figures, song: Figures) -> list[Figure]:
    return [
        *made_figure("level", _plain("levels.rms_dbfs", ".1f", " dBFS"), sound, song,
                     "How loud all of it is; a sine of full scale has 0."),
        *made_figure("level of each second", _seconds, sound, song,
                     "The softest and the loudest second, and the last: a sound that dies away ends soft."),
        *made_figure("peak", _plain("levels.peak", ".1%"), sound, song,
                     "The largest sample, as a share of full scale."),
        *made_figure("peak over level", _plain("levels.crest", ".2f"), sound, song,
                     "The crest: 1 of a square wave, 1.41 of a sine, more of music."),
        *made_figure("mean of all samples", _plain("levels.dc", "+.3%"), sound, song,
                     "The share of full scale by which its middle is off 0 (DC)."),
        *made_figure(minus(f"under {QUIET_DBFS:g} dBFS"), _plain("levels.quiet_share", ".1%"), sound, song,
                     "Share of stretches of 50 ms that count as silent."),
        *made_figure("clipped", _clipped, sound, song,
                     "Share of samples at either end of the scale, where a wave is cut off."),
        *made_figure("collapse", _collapse, sound, song,
                     "Whether from some second on it is silent, constant or at full scale to its end."),
    ]  # fmt: skip


def _of_spectrum(sound: Figures, song: Figures) -> list[Figure]:
    references = [
        f"{words} {distance:.1f} dB"
        for name, words in (
            ("floor", "all of the dev split"), ("white_noise", "white noise"), ("silence", "silence"),
        )
        if (distance := number(sound, f"spectrum.frechet_references.{name}")) is not None
    ]  # fmt: skip
    beside = f" To compare: {', '.join(references)}." if references else ""
    noise = np.exp(-np.euler_gamma)
    return [
        *made_figure("spectrum off the song's", _plain("spectrum.log_spectral_distance", ".1f", " dB"), sound, song,
                     "How far its mean spectrum is from that of the train split, over all frequencies."),
        *made_figure("spectrum off the song's, level apart",
                     _plain("spectrum.log_spectral_distance_of_shapes", ".1f", " dB"), sound, song,
                     "The same, without that it is louder or softer."),
        *made_figure("flatness of its spectrum", _plain("spectrum.flatness", ".2g"), sound, song,
                     f"0 of a tone, {noise:.2f} of white noise."),
        *made_figure("log-mel Fréchet distance", _plain("spectrum.frechet_log_mel", ".1f", " dB"), sound, song,
                     f"How far the statistics of its timbre are from those of the train split.{beside}"),
    ]  # fmt: skip


def _of_borders(sound: Figures, song: Figures) -> list[Figure]:
    return [
        *made_figure("steps at borders over inside", _plain("borders.step_ratio", ".2f"), sound, song,
                     "Steps from sample to sample where frames meet, over those within: more than the song has is "
                     "heard as clicks."),
        *made_figure("like itself a frame later", _plain("borders.autocorrelation", ".3f"), sound, song,
                     "Correlation of the sound with itself one frame later; 1 repeats with every frame."),
        *made_figure("its steps, a frame later", _plain("borders.step_autocorrelation", ".3f"), sound, song,
                     "The same of its steps: clicks at every border raise it, a tone does not."),
    ]  # fmt: skip


def _of_repetition(sound: Figures, song: Figures) -> list[Figure]:
    similarity = "repetition.self_similarity"
    return [
        *made_figure("like itself throughout", _plain(f"{similarity}.mean", ".2f"), sound, song,
                     "Mean likeness of timbre of any two half seconds; 1 stands still, 0 never comes back."),
        *made_figure("like itself elsewhere", _plain(f"{similarity}.nearest", ".2f"), sound, song,
                     "Likeness of a half second to the one, not beside it, that is most like it; near 1 all comes "
                     "again."),
        *made_figure("repeats its wave", _period, sound, song,
                     "How exactly the wave repeats with the period, longer than a frame, that fits best; 1 is a loop."),
    ]  # fmt: skip


def _of_copying(sound: Figures, song: Figures) -> list[Figure]:
    return [
        *made_figure("most like the song", _highest, sound, song,
                     "Highest correlation of a second of it with any place of the train split; 1 is a copy."),
        *made_figure("a usual second like the song", _plain("copying.median", ".2f"), sound, song,
                     "The same of its median second."),
        *made_figure("copied from the song", _copied, sound, song,
                     f"Share of its seconds with a correlation of {COPIED:g} or more, and the longest run of them."),
    ]  # fmt: skip


def _plain(path: str, form: str, unit: str = "") -> Describe:
    """Describe the number at a path by itself."""

    def describe(figures: Figures) -> str:
        value = number(figures, path)
        return "" if value is None else f"{value:{form}}{unit}"

    return describe


def _seconds(figures: Figures) -> str:
    levels = inside(figures, "levels.over_time.rms_dbfs")
    if not isinstance(levels, list) or not levels:
        return ""
    heard = [level for level in levels if isinstance(level, int | float)]
    if not heard:
        return "silent"
    last = levels[-1]
    end = f"{last:.1f} dBFS" if isinstance(last, int | float) else "silence"
    low = f"{min(heard):.1f}" if len(heard) == len(levels) else "silence"
    return f"{low} to {max(heard):.1f}, at its end {end}"


def _clipped(figures: Figures) -> str:
    share, longest = number(figures, "levels.clipped_share"), number(figures, "levels.longest_clip")
    if share is None or longest is None:
        return ""
    return f"{share:.2%}, {longest:,.0f} in a row" if share else "none"


def _collapse(figures: Figures) -> str:
    if "collapse" not in figures:
        return ""
    second, kind = number(figures, "collapse.second"), inside(figures, "collapse.kind")
    return "none" if second is None else f"{kind} from second {second:.2f} on"


def _period(figures: Figures) -> str:
    strength, seconds = (number(figures, f"repetition.period.{name}") for name in ("strength", "seconds"))
    return "" if strength is None or seconds is None else f"{strength:.2f} every {seconds:.3g} s"


def _highest(figures: Figures) -> str:
    names = ("correlation", "second", "song_second")
    values = [number(figures, f"copying.highest.{name}") for name in names]
    if any(value is None for value in values):
        return ""
    correlation, second, song_second = (value or 0.0 for value in values)
    return f"{abs(correlation):.2f}, second {second:.1f} and the song's {song_second:,.1f}"


def _copied(figures: Figures) -> str:
    share, longest = (number(figures, f"copying.{name}") for name in ("copied_share", "longest_seconds"))
    if share is None or longest is None:
        return ""
    return f"{share:.0%}, {longest:.1f} s in a row" if share else "none"
