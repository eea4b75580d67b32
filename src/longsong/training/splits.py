"""The train and dev examples of a song, as a run sees them (FACTS sections 2 and 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

import streams
from longsong.config import CacheConfig, DataConfig
from longsong.errors import ConfigError
from longsong.training.passes import PassWindows, split_passes
from longsong.training.ranks import ALONE, Ranks
from longsong.units import human_seconds

__all__ = ["DEV_SEED", "Splits", "mini_batch_bytes", "prefetched"]

DEV_SEED = 1
"""Seed of the dev split's own order; the same for every run, so that their dev costs compare."""

_PREFETCH = 2
"""Mini-batches made ahead by a thread."""

_PREFETCH_BYTES = 1 << 28
"""What they may take in all: a mini-batch that is larger is made when it is asked for."""


def mini_batch_bytes(frame: int, seq: int, examples: int) -> int:
    """Give the bytes of so many examples as float32 numbers."""
    return np.dtype(np.float32).itemsize * examples * (seq + 1) * frame


def prefetched(data: DataConfig) -> int:
    """Give how many mini-batches are made ahead of their use."""
    return min(_PREFETCH, _PREFETCH_BYTES // mini_batch_bytes(data.frame, data.seq, data.batch))


@dataclass(frozen=True)
class Splits:
    """The examples of a song for one (frame, seq).

    Attributes
    ----------
    song : streams.Song
    data : DataConfig
        With the number of train samples filled in.
    train, dev : streams.Windows
        `dev` may hold no example.
    """

    song: streams.Song
    data: DataConfig
    train: streams.Windows
    dev: streams.Windows

    @classmethod
    def open(
        cls,
        shards: Path | str,
        data: DataConfig,
        cache: CacheConfig | None = None,
        on_fetch: Callable[[str, int, int], object] | None = None,
    ) -> Splits:
        """Open a song and lay the examples out.

        Parameters
        ----------
        shards : Path or str
            Folder or URL.
        data : DataConfig
        cache : CacheConfig, optional
            Where shards of a URL are kept; by default the user's own.
        on_fetch : callable, optional
            Called while a shard comes in, with its name, bytes that are here, and bytes in all; by any thread.

        Raises
        ------
        ConfigError
            The train split holds no example, or is longer than the song; the message says how long a
            song has to be.
        streams.StreamsError
            The shards cannot be used.
        """
        song = streams.Song.open(shards, cache=_shard_cache(cache or CacheConfig(), on_fetch))
        samples = data.train_samples
        if samples is None:
            samples = streams.train_samples(len(song))
        elif samples > len(song):
            raise ConfigError(f"train-samples is {samples:,}, and {song.where} has {len(song):,}; give fewer")
        shape: dict[str, Any] = {"frame": data.frame, "seq": data.seq, "normalise": data.normalise}
        train, dev = streams.Windows(song, **shape, stop=samples), streams.Windows(song, **shape, start=samples)
        if data.example_shift is not None:
            train, dev = split_passes(song, data, samples)
        if len(train) < 1:
            needed, rate = data.frame * data.seq, song.sample_rate
            raise ConfigError(
                f"{data.frame}x{data.seq} needs {needed:,} samples ({human_seconds(needed / rate)}) in the train "
                f"split, and {song.where} has {samples:,} there ({human_seconds(samples / rate)}); take a longer song, "
                "a smaller --frame or a shorter --seq"
            )
        if data.mean_shift:
            train.normaliser = dev.normaliser = _shifted(train.normaliser, song.statistics.mean)
        return cls(song, replace(data, train_samples=samples), train, dev)

    def train_stream(self, seed: int, ranks: Ranks = ALONE) -> streams.DataStream:
        """Give the shuffled stream of the train split, of which each of `ranks` has its rows."""
        return self._stream(self.train, seed, ranks)

    def dev_stream(self, ranks: Ranks = ALONE) -> streams.DataStream | None:
        """Give the shuffled stream of the dev split, one epoch an evaluation; None where it is empty."""
        if not len(self.dev):
            return None
        return self._stream(self.dev, DEV_SEED, ranks)

    def _stream(self, windows: streams.Windows, seed: int, ranks: Ranks) -> streams.DataStream:
        return streams.DataStream(
            windows,
            streams.ShuffledScheme(len(windows), self.data.batch, seed),
            # Said here, whatever the environment says.
            rank=ranks.rank,
            world_size=ranks.size,
            prefetch=prefetched(self.data),
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many examples there are, and updates in an epoch."""
        return {
            "hop": self.train.hop,
            "train_examples": len(self.train),
            "dev_examples": len(self.dev),
            "updates_per_epoch": -(-len(self.train) // self.data.batch),
        }

    def baselines(self) -> dict[str, float]:
        """Give the costs that a network has to beat to have learnt anything.

        `cost_of_zero` is the cost of predicting zero, `cost_of_mean` that of predicting the mean of the
        train split; both over the targets of the dev split, or of the train split where there is no dev
        example.
        """
        normaliser = self.train.normaliser
        of_train = [(0, self.data.train_samples or 0)]
        mean = normaliser.scale * _moments(self.song, of_train)[0] + normaliser.offset
        first, second = _moments(self.song, _target_runs(self.dev if len(self.dev) else self.train))
        # E[(a x + b)^2] from the integer moments of x.
        a, b = normaliser.scale, normaliser.offset
        zero = a * a * second + 2 * a * b * first + b * b
        return {"cost_of_zero": zero, "cost_of_mean": zero - 2 * mean * (a * first + b) + mean * mean}

    def song_record(self, shards: Path | str) -> dict[str, Any]:
        """Describe the song, and how its samples become numbers, for ``config.json``."""
        statistics, normaliser = self.song.statistics, self.train.normaliser
        return {
            "name": _name_of(self.song.where),
            "shards": self.song.where if self.song.fetches else str(shards),
            "digest": self.song.digest,
            "samples": len(self.song),
            "sample_rate": self.song.sample_rate,
            "minimum": statistics.minimum,
            "maximum": statistics.maximum,
            "mean": statistics.mean,
            "standard_deviation": statistics.standard_deviation,
            "scale": float(normaliser.scale),
            "offset": float(normaliser.offset),
        }


def _shard_cache(config: CacheConfig, on_fetch: Callable[[str, int, int], object] | None) -> streams.ShardCache:
    if config.bytes is None:
        return streams.ShardCache(config.folder, on_progress=on_fetch)
    return streams.ShardCache(config.folder, config.bytes, on_progress=on_fetch)


def _name_of(where: str) -> str:
    """Give the last part of a folder or URL: what the song there is called."""
    return Path(urlsplit(where).path).resolve().name


def _shifted(normaliser: streams.Normaliser, mean: float) -> streams.Normaliser:
    """Give ``2 (x - mean - min) / (max - min) - 1`` for ``2 (x - min) / (max - min) - 1`` (D12)."""
    return streams.Normaliser(normaliser.scale, normaliser.offset - normaliser.scale * mean)


def _target_runs(windows: streams.Windows) -> list[tuple[int, int]]:
    """Give the runs of samples [start, stop) that the targets of all examples are."""
    if isinstance(windows, PassWindows):
        return windows.target_runs()
    start = windows.start + windows.frame
    return [(start, start + len(windows) * windows.hop)]


def _moments(song: streams.Song, runs: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """Give the mean of the samples in some runs and of their squares, exactly summed, in bounded memory."""
    total = squares = count = 0
    for start, stop in runs:
        for block in range(start, stop, 1 << 20):
            samples = song[block : min(block + (1 << 20), stop)].astype(np.int64)
            total += int(samples.sum())
            squares += int((samples * samples).sum())
        count += stop - start
    return total / count, squares / count
