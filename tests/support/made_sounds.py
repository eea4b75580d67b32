"""Sounds with a known answer, and a small song that is not like itself elsewhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 16_000

Samples = NDArray[np.int16]


def int16(values: NDArray[np.float64]) -> Samples:
    """Round to int16, clipped."""
    return np.clip(np.rint(values), -32768, 32767).astype(np.int16)


def sine(hertz: float, amplitude: float, seconds: float) -> Samples:
    """Give a sine; `amplitude` in int16 steps."""
    return int16(amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE))


def white(rms: float, seconds: float, seed: int = 0) -> Samples:
    """Give white noise; `rms` in int16 steps."""
    return int16(np.random.default_rng(seed).normal(0, rms, round(seconds * RATE)))


def music(seconds: float, seed: int = 0) -> Samples:
    """Give plucked notes of many pitches that never come in the same order, with a little noise."""
    random = np.random.default_rng(seed)
    samples = round(seconds * RATE)
    sound = random.normal(0, 20, samples)
    for _ in range(round(seconds * 6)):
        start, length = int(random.integers(0, samples)), int(random.integers(RATE // 8, RATE))
        t = np.arange(min(length, samples - start)) / RATE
        pitch, decay = 80 * 2 ** random.uniform(0, 5), random.uniform(2, 12)
        overtones = random.uniform(0, 1, 4) / np.arange(1, 5)
        wave = sum(a * np.sin(2 * np.pi * k * pitch * t) for k, a in enumerate(overtones, 1))
        sound[start : start + len(t)] += random.uniform(500, 4000) * np.exp(-decay * t) * wave
    return int16(sound)


def autoregressive(coefficient: float, samples: int, seed: int) -> NDArray[np.float32]:
    """Give x_t = a x_(t-1) + e_t, with a variance of 1."""
    from scipy.signal import lfilter

    noise = np.random.default_rng(seed).normal(0, np.sqrt(1 - coefficient**2), samples + 1000)
    return lfilter([1], [1, -coefficient], noise)[1000:].astype(np.float32)
