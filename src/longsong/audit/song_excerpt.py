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

__all__ = ["EXCERPT_SECONDS", "excerpt_figures", "excerpt_file", "kept_excerpt_figures"]

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
    rate, first = song.sample_rate, statistics.train_samples
    dev = len(song) - first
    length = min(dev, samples_in(seconds, rate))
    if length < samples_in(_LEAST_SECONDS, rate):
        return None
    start = first + (dev - length) // 2
    return sound_figures(song[start : start + length], rate, frame, statistics, song) | {"start": start}


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
            write_json(path, {"format": _FORMAT, "version": _VERSION, **known, "figures": figures})
        return figures


def _read(path: Path, known: dict[str, Any], due: dict[str, Any]) -> dict[str, Any]:
    """Read the figures; raises `RunError` unless the file says `known`, and its figures say `due`."""
    found = read_json(path, _FORMAT, _VERSION)
    figures = found.get("figures")
    for holds, wanted in ((found, known), (figures, due)):
        if not isinstance(holds, dict) or {key: holds.get(key) for key in wanted} != wanted:
            raise RunError(f"{path} has not the figures of {wanted}; they are computed again")
    return dict(figures or {})
