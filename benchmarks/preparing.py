"""Preparing a song: `longsong shard` beside decoding and resampling alone."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import interleaved

__all__ = ["COLUMNS", "FORMATS", "prepare_songs", "ratios_of_preparing"]

FORMATS = {"wav": (44_100, "WAV", "PCM_16"), "flac": (44_100, "FLAC", "PCM_16"), "opus": (48_000, "OGG", "OPUS")}
"""By ending: rate in Hz, and what libsndfile calls container and encoding."""

COLUMNS = {
    "title": ("preparing", str),
    "shape": ("file", str),
    "prepare_seconds": ("seconds", lambda value: f"{value:.2f}"),
    "samples_per_second": ("10^6 samples/s", lambda value: f"{value / 1e6:.2f}"),
}


def prepare_songs(work: Path, minutes: float, rounds: int, endings: Sequence[str]) -> list[dict[str, Any]]:
    """Time both for stereo files.

    Parameters
    ----------
    work : Path
        A folder.
    minutes : float
        Length of the file.
    rounds : int
        How often each has its turn.
    endings : sequence of str
        Formats of the file, of `FORMATS`.
    """
    from longsong.audio import read_blocks
    from longsong.shard import shard_song

    rows = []
    for ending in endings:
        file, out = work / f"song.{ending}", work / "shards"
        _write_music(file, minutes, *FORMATS[ending])
        samples = sum(map(len, read_blocks(file)))

        def decode(file: Path = file) -> float:
            begun = time.perf_counter()
            for _ in read_blocks(file):
                pass
            return time.perf_counter() - begun

        def shard(file: Path = file, out: Path = out) -> float:
            begun = time.perf_counter()
            shard_song([file], out, quiet=True)
            seconds = time.perf_counter() - begun
            shutil.rmtree(out)
            return seconds

        shard()  # imports what it needs
        found = interleaved({"decode": decode, "shard": shard}, rounds)
        titles = {"decode": "decoding and resampling alone", "shard": "longsong shard"}
        for name, seconds in found.items():
            median = statistics.median(seconds)
            rows.append(
                {
                    "candidate": name,
                    "title": titles[name],
                    "kind": "preparing",
                    "shape": ending,
                    "prepare_seconds": median,
                    "prepare_seconds_each": seconds,
                    "samples_per_second": samples / median,
                }
            )
    return rows


def ratios_of_preparing(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Give the speed of `longsong shard` over that of decoding alone, for each format."""
    seconds = {(row["candidate"], row["shape"]): row["prepare_seconds"] for row in rows}
    return {
        f"shard_over_decoding:{ending}": seconds["decode", ending] / seconds["shard", ending]
        for candidate, ending in seconds
        if candidate == "shard"
    }


def _write_music(path: Path, minutes: float, rate: int, container: str, encoding: str) -> None:
    """Write chords with a little noise, in stereo: something that a codec has to work at."""
    import soundfile

    generator = np.random.default_rng(7)
    time_of = np.arange(rate * 2) / rate
    with soundfile.SoundFile(path, "w", rate, 2, format=container, subtype=encoding) as file:
        for _ in range(round(minutes * 30)):
            notes = 110 * 2 ** (generator.integers(0, 36, (2, 4)) / 12)
            tones = np.sin(2 * np.pi * notes[..., np.newaxis] * time_of).sum(axis=1)
            file.write((0.15 * tones + generator.normal(0, 0.005, tones.shape)).T)
