"""A small song, as shards, for whatever trains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streams import ShardWriter

SAMPLE_RATE = 16_000


def tune(samples: int, seed: int = 0) -> NDArray[np.int16]:
    """Make something with pitch and level that a small network can begin to learn."""
    generator = np.random.default_rng(seed)
    t = np.arange(samples) / SAMPLE_RATE
    notes = 220 * 2 ** (generator.integers(0, 12, samples // 4000 + 1) / 12)
    phase = 2 * np.pi * np.cumsum(np.repeat(notes, 4000)[:samples]) / SAMPLE_RATE
    level = 9000 * (1 + np.sin(2 * np.pi * 0.7 * t)) / 2
    return np.rint(level * np.sin(phase) + generator.normal(0, 60, samples)).astype(np.int16)


def write_shards(folder: Path, samples: NDArray[np.int16]) -> Path:
    """Write samples as a folder of small shards."""
    with ShardWriter(
        folder, sample_rate=SAMPLE_RATE, source=[], made_by={}, block_samples=5000, blocks_per_shard=3
    ) as writer:
        writer.write(samples)
    return folder
