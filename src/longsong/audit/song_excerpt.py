"""The song's own figures, which those of a sound are read against; computed once for each song, split and frame.

A number alone says nothing. Half a minute of the song that no model was trained on says what it is in music.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from longsong.audit.short_time import SongLike
from longsong.audit.song_statistics import SongStatistics
from longsong.audit.sound import FORMAT, VERSION, sound_figures
from longsong.config import samples_in
from longsong.errors import RunError
from longsong.files import read_json, write_json

__all__ = ["EXCERPT_SECONDS", "excerpt_figures", "excerpt_file", "kept_excerpt_figures", "middle_of_dev"]

EXCERPT_SECONDS = 30.0
"""As long as the sounds that the post generates (P15)."""

_LEAST_SECONDS = 1.0
"""Of what is shorter there is no level over time and no window to look for copies of."""

_FORMAT, _VERSION = "longsong.song-excerpt", 1


def excerpt_figures(
    song: SongLike, statistics: SongStatistics, frame: int, seconds: float = EXCERPT_SECONDS
) -> dict[str, Any] | None:
    """Give the figures of an excerpt from the middle of the dev split.

    Parameters
    ----------
    song, statistics, frame
        As for `sound_figures`.
    seconds : float
        Length of the excerpt; all of the dev split, where that is shorter.

    Returns
    -------
    dict or None
        As `sound_figures`, and ``start``, its first sample in the song; None where the dev split is shorter than a
        second.

    Raises
    ------
    ConfigError, RunError
        As `sound_figures`.
    """
    rate = song.sample_rate
    place = middle_of_dev(len(song), statistics.train_samples, rate, seconds)
    if place is None:
        return None
    figures = sound_figures(song[place.start : place.stop], rate, frame, statistics, song)
    return figures | {"start": place.start}


def middle_of_dev(samples: int, train_samples: int, sample_rate: int, seconds: float = EXCERPT_SECONDS) -> range | None:
    """Give the samples of an excerpt from the middle of the dev split; None where that is shorter than a second.

    Parameters
    ----------
    samples, train_samples : int
        Of the song, and of its train split.
    sample_rate : int
        Hz.
    seconds : float
        Length of the excerpt; all of the dev split, where that is shorter.
    """
    dev = samples - train_samples
    length = min(dev, samples_in(seconds, sample_rate))
    if length < samples_in(_LEAST_SECONDS, sample_rate):
        return None
    start = train_samples + (dev - length) // 2
    return range(start, start + length)


def excerpt_file(folder: Path, statistics: SongStatistics, frame: int) -> Path:
    """Give the file that `kept_excerpt_figures` keeps in a folder: one for each song, split and frame."""
    return Path(folder) / f"song-excerpt-{statistics.digest[:16]}-{statistics.train_samples}-{frame}.json"


def kept_excerpt_figures(folder: Path, song: SongLike, statistics: SongStatistics, frame: int) -> dict[str, Any] | None:
    """Give `excerpt_figures` from `excerpt_file`, or compute them and write them there.

    A file that is cut short, of another song or split, or of another version of the figures is written anew.

    Parameters
    ----------
    folder : Path
        Has to be there.
    song, statistics, frame
        As for `sound_figures`.

    Raises
    ------
    ConfigError, RunError
        As `sound_figures`.
    SpaceError
        The file cannot be written.
    """
    path = excerpt_file(folder, statistics, frame)
    known = {"digest": statistics.digest, "train_samples": statistics.train_samples}
    due = {"format": FORMAT, "version": VERSION, "frame": frame}
    try:
        return _read(path, known, due)
    except RunError:
        figures = excerpt_figures(song, statistics, frame)
        if figures is not None:
            write_json(path, {"format": _FORMAT, "version": _VERSION, **known, "figures": figures}, sealed=True)
        return figures


def _read(path: Path, known: dict[str, Any], due: dict[str, Any]) -> dict[str, Any]:
    """Read the figures; raises `RunError` unless the file says `known`, and its figures say `due`."""
    found = read_json(path, _FORMAT, _VERSION)
    figures = found.get("figures")
    for holds, wanted in ((found, known), (figures, due)):
        if not isinstance(holds, dict) or {key: holds.get(key) for key in wanted} != wanted:
            raise RunError(f"{path} has not the figures of {wanted}; they are computed again")
    return dict(figures or {})
