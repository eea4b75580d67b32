"""What the figures of a sound need to know of the song, computed once for each song and split, and kept."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from longsong.audit.coarse_search import Pattern, PatternTally
from longsong.audit.short_time import BANDS, FULL_SCALE, Analysis, SongLike, require_split
from longsong.audit.spectra import SpectralMoments, SpectralTally, frechet_between, moments_of_silence
from longsong.errors import ConfigError, RunError
from longsong.files import write_bytes

__all__ = ["SongStatistics", "compute_song_statistics", "load_song_statistics", "song_statistics", "statistics_file"]

_FORMAT, _VERSION = "longsong.song-statistics", 1
_NOISE_SECONDS = 30
_NOISE_SEED = 0


@dataclass(frozen=True)
class SongStatistics:
    """Statistics of a song whose first samples are the train split, and the others the dev split.

    Attributes
    ----------
    digest : str
        sha256 of the song's samples.
    sample_rate : int
        Hz.
    samples, train_samples : int
        Of the song, and of its train split.
    train : SpectralMoments
    dev : SpectralMoments or None
        None where the dev split is shorter than one window of the spectrum.
    pattern : Pattern
        Of the train split, to look for copies with.
    """

    digest: str
    sample_rate: int
    samples: int
    train_samples: int
    train: SpectralMoments
    dev: SpectralMoments | None
    pattern: Pattern

    def require(self, song: SongLike, train_samples: int | None = None) -> Self:
        """Give these statistics back if they are of that song, split at that sample.

        Raises
        ------
        RunError
            They are of another; the message says which.
        """
        of = (self.digest, self.sample_rate, self.samples)
        if of != (song.digest, song.sample_rate, len(song)):
            raise RunError(
                f"statistics are those of another song ({self.digest[:12]}, {self.samples:,} samples), not of "
                f"{song.digest[:12]}, {len(song):,} samples; compute them again"
            )
        if train_samples is not None and self.train_samples != train_samples:
            raise RunError(
                f"statistics are of a train split of {self.train_samples:,} samples, not {train_samples:,}; compute "
                "them again"
            )
        return self

    def frechet_references(self) -> dict[str, float | None]:
        """Give the Fréchet distances from the train split that a sound's own is to be read against, in dB.

        Returns
        -------
        dict
            ``floor``, of the dev split (None where there is none); and as ceilings ``white_noise``, of 30 s with the
            RMS of the train split, and ``silence``.
        """
        return dict(self._references)

    @cached_property
    def _references(self) -> dict[str, float | None]:
        """The same, computed once for all sounds."""
        analysis = self.pattern.analysis
        return {
            "floor": None if self.dev is None else frechet_between(self.dev, self.train),
            "white_noise": frechet_between(_moments_of_noise(analysis, self.train.mean_square), self.train),
            "silence": frechet_between(moments_of_silence(analysis), self.train),
        }


def statistics_file(folder: Path, song: SongLike, train_samples: int) -> Path:
    """Give the file that `song_statistics` keeps in a folder: one for each song and split."""
    return Path(folder) / f"song-statistics-{song.digest[:16]}-{train_samples}.npz"


def song_statistics(
    folder: Path, song: SongLike, train_samples: int, progress: Callable[[int], object] | None = None
) -> SongStatistics:
    """Give the statistics of a song from `statistics_file`, or compute them and write them there.

    A file that is cut short, altered, or of another song, split or version is written anew.

    Parameters
    ----------
    folder : Path
        Has to be there.
    song, train_samples, progress
        As for `compute_song_statistics`.

    Raises
    ------
    ConfigError
        As `compute_song_statistics`.
    RunError, SpaceError
        The file cannot be written (`files.write_bytes`).
    """
    path = statistics_file(folder, song, train_samples)
    try:
        return load_song_statistics(path, song, train_samples)
    except RunError:
        found = compute_song_statistics(song, train_samples, progress)
        write_bytes(path, _packed(found))
        return found


def compute_song_statistics(
    song: SongLike, train_samples: int, progress: Callable[[int], object] | None = None
) -> SongStatistics:
    """Read a song once, a piece at a time.

    Parameters
    ----------
    song : SongLike
        Such as `streams.Song`.
    train_samples : int
        Where the train split ends.
    progress : callable, optional
        Called with the number of samples that were read so far.

    Raises
    ------
    ConfigError
        The train split ends beyond the song, or is shorter than one window of the spectrum (64 ms).
    """
    require_split(song, train_samples)
    analysis = Analysis(song.sample_rate)
    patterns = PatternTally(analysis)
    moments = []
    for start, stop in ((0, train_samples), (train_samples, len(song))):
        tally = SpectralTally(analysis)
        for end, powers in analysis.powers_of_split(song, start, stop):
            mel_powers = tally.add(powers)
            if start == 0:
                patterns.add(mel_powers)
            if progress is not None:
                progress(end)
        moments.append(tally.moments())
    train, dev = moments
    if train is None:
        raise ConfigError(
            f"the train split has {train_samples:,} samples; figures of its spectrum need {analysis.window:,}, take a "
            "longer song"
        )
    return SongStatistics(song.digest, song.sample_rate, len(song), train_samples, train, dev, patterns.pattern())


def load_song_statistics(path: Path, song: SongLike, train_samples: int) -> SongStatistics:
    """Read the statistics of a song.

    Raises
    ------
    RunError
        There is no such file; it is cut short, altered, of another kind or version; or it is of another song or
        split.
    """
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return _unpacked({name: arrays[name] for name in arrays.files}).require(song, train_samples)
    except FileNotFoundError:
        raise RunError(f"there is no {path}; compute the song's statistics") from None
    except RunError as error:
        raise RunError(f"{path}: {error}") from None
    # numpy, zipfile and zlib have no root in common for what a damaged file brings about.
    except Exception as error:
        raise RunError(
            f"{path} is cut short, altered or no file of statistics ({error}); compute them again"
        ) from error


def _packed(statistics: SongStatistics) -> bytes:
    """Give the bytes of a ``.npz``: one JSON text, and arrays."""
    arrays: dict[str, NDArray[Any]] = {"pattern": statistics.pattern.rows}
    meta: dict[str, Any] = {"format": _FORMAT, "version": _VERSION}
    meta |= {name: getattr(statistics, name) for name in ("digest", "sample_rate", "samples", "train_samples")}
    for name, moments in (("train", statistics.train), ("dev", statistics.dev)):
        meta[name] = None
        if moments is not None:
            meta[name] = {key: getattr(moments, key) for key in ("windows", "mean_square", "flatness")}
            arrays |= {f"{name}:{key}": getattr(moments, key) for key in _SHAPES}
    file = io.BytesIO()
    np.savez(file, meta=np.array(json.dumps(meta)), **arrays)  # type: ignore[arg-type]
    return file.getvalue()


_SHAPES = {"log_power": None, "mel_mean": (BANDS,), "mel_covariance": (BANDS, BANDS)}
"""Arrays of `SpectralMoments`; the first has as many values as the spectrum has frequencies."""


def _unpacked(arrays: dict[str, NDArray[Any]]) -> SongStatistics:
    meta = json.loads(str(arrays["meta"]))
    if (kind := meta.get("format")) != _FORMAT:
        raise RunError(f"is of format {kind!r}, not {_FORMAT!r}; check that it is the right file")
    if (version := meta.get("version")) != _VERSION:
        raise RunError(f"has version {version!r}, and this longsong reads {_VERSION}; compute the statistics again")
    analysis = Analysis(meta["sample_rate"])
    train = _moments("train", meta, arrays, analysis)
    if train is None:
        raise RunError("has no statistics of a train split; compute them again")
    return SongStatistics(
        meta["digest"], analysis.sample_rate, meta["samples"], meta["train_samples"], train,
        _moments("dev", meta, arrays, analysis), Pattern(analysis, arrays["pattern"]),
    )  # fmt: skip


def _moments(
    name: str, meta: dict[str, Any], arrays: dict[str, NDArray[Any]], analysis: Analysis
) -> SpectralMoments | None:
    if meta[name] is None:
        return None
    found = {key: arrays[f"{name}:{key}"] for key in _SHAPES}
    for key, shape in _SHAPES.items():
        due = shape or (analysis.bins,)
        if found[key].shape != due or found[key].dtype != np.float64 or not np.isfinite(found[key]).all():
            raise RunError(f"{name}:{key} is not finite float64 of shape {due}; compute the statistics again")
    return SpectralMoments(
        meta[name]["windows"], meta[name]["mean_square"], meta[name]["flatness"],
        found["log_power"], found["mel_mean"], found["mel_covariance"],
    )  # fmt: skip


def _moments_of_noise(analysis: Analysis, mean_square: float) -> SpectralMoments:
    """Give the moments of white noise, the same at every call; `mean_square` is that of full scale times this."""
    deviates = np.random.default_rng(_NOISE_SEED).standard_normal(_NOISE_SECONDS * analysis.sample_rate)
    noise = np.clip(np.rint(deviates * np.sqrt(mean_square) * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1)
    tally = SpectralTally(analysis)
    for powers in analysis.powers(noise.astype(np.int16)):
        tally.add(powers)
    moments = tally.moments()
    if moments is None:
        raise ConfigError(f"{_NOISE_SECONDS} s at {analysis.sample_rate} Hz hold no window of {analysis.window}")
    return moments
