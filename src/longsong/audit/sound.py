"""All figures of a generated sound, by numpy and scipy alone: no network, and nothing from the network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.audit.borders import border_figures
from longsong.audit.copying import copy_figures
from longsong.audit.levels import collapse, level_figures
from longsong.audit.repetition import period_lock, self_similarity
from longsong.audit.short_time import SongLike, int16_row
from longsong.audit.song_statistics import SongStatistics
from longsong.audit.spectra import SpectralTally, spectral_figures
from longsong.config import whole
from longsong.errors import ConfigError

__all__ = ["FORMAT", "VERSION", "sound_figures"]

FORMAT, VERSION = "longsong.sound", 2
"""Version 2 has ``song`` beside the figures of a sound (`longsong.judging.Judge`)."""

_STRETCH_SECONDS = 0.5
"""Of the stretches that are compared with each other for self-similarity."""

Samples = NDArray[np.int16]


def sound_figures(
    samples: Samples,
    sample_rate: int,
    frame: int,
    statistics: SongStatistics | None = None,
    song: SongLike | None = None,
) -> dict[str, Any]:
    """Give all that can be told of a sound without listening to it.

    Parameters
    ----------
    samples : ndarray, shape (n,), int16
    sample_rate : int
        Hz.
    frame : int
        Samples in a frame of the model that made it.
    statistics : SongStatistics, optional
        Of the song that the model was trained on. Without, nothing is compared with the song.
    song : SongLike, optional
        That song, to look for copies in. Without, none are looked for.

    Returns
    -------
    dict
        Ready for JSON: ``format``, ``version``, ``sample_rate``, ``samples``, ``seconds``, ``frame``, and

        - ``levels`` : `levels.level_figures`
        - ``collapse`` : `levels.collapse`, None where the sound lives to its end
        - ``spectrum`` : `spectra.spectral_figures`, and ``frechet_references`` as
          `SongStatistics.frechet_references`
        - ``borders`` : `borders.border_figures`
        - ``repetition`` : ``self_similarity`` as `repetition.self_similarity`, and ``period`` as
          `repetition.period_lock`
        - ``copying`` : `copying.copy_figures`

        What cannot be told (no song was given, or the sound is shorter than one window) is None.

    Raises
    ------
    ConfigError
        `samples` are not int16 in a row, `frame` is less than 1, or the sample rate is not the song's.
    RunError
        The statistics are not those of the song.
    """
    int16_row(samples)
    whole("frame", frame)
    if statistics is not None and statistics.sample_rate != sample_rate:
        raise ConfigError(
            f"the sound has {sample_rate} Hz and the song {statistics.sample_rate}; give the song that it was made from"
        )
    if statistics is not None and song is not None:
        statistics.require(song)
    spectrum, similarity = _against_song(samples, statistics)
    copying = None
    if statistics is not None and song is not None:
        copying = copy_figures(samples, song, statistics.train_samples, statistics.pattern)
    return {
        "format": FORMAT,
        "version": VERSION,
        "sample_rate": sample_rate,
        "samples": len(samples),
        "seconds": len(samples) / sample_rate,
        "frame": frame,
        "levels": level_figures(samples, sample_rate),
        "collapse": collapse(samples, sample_rate),
        "spectrum": spectrum,
        "borders": border_figures(samples, frame),
        "repetition": {"self_similarity": similarity, "period": period_lock(samples, sample_rate, frame)},
        "copying": copying,
    }


def _against_song(
    samples: Samples, statistics: SongStatistics | None
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Compare spectra and self-similarity, which need the song's mean spectrum."""
    if statistics is None:
        return None, None
    analysis = statistics.pattern.analysis
    tally, log_mel = SpectralTally(analysis), []
    for powers in analysis.powers(samples):
        log_mel.append(analysis.log_mel(powers))
        tally.add(powers)
    moments = tally.moments()
    if moments is None:
        return None, None
    spectrum = spectral_figures(moments, statistics.train)
    spectrum["frechet_references"] = statistics.frechet_references()
    together = max(1, round(_STRETCH_SECONDS * analysis.sample_rate / analysis.hop))
    return spectrum, self_similarity(np.concatenate(log_mel), statistics.train.mel_mean, together)
