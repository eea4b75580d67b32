"""From predicted frames to one row of samples."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Crossfade", "Joining", "LastFrame", "continued"]

Floats = NDArray[np.floating[Any]]

_ORDER = 32
"""Of the linear prediction: two coefficients for each of the sixteen strongest partials."""

_HEARD = 1024
"""Samples of the sound so far that the linear prediction is fitted to."""

_NOTHING_LEFT = 1e-10
"""Share of a sound's energy from which on what is left of it is rounding."""

_OVERLAP = 64
"""Samples of a frame that are blended at most: 4 ms at 16 kHz, too short to be heard as a change of the sound."""


class Joining(Protocol):
    """A way of joining frames; good for one generation, whose frames it is given in order."""

    def join(self, frames: Floats) -> Floats:
        """Give the next frames as they are to be heard, shape (seeds, some, frame), from those that were predicted."""


class LastFrame:
    """The post's way: the last frame of each predicted sequence, end to end (P14)."""

    def join(self, frames: Floats) -> Floats:
        """Give the frames; see `Joining`."""
        return frames


class Crossfade:
    """Lets the sound so far go on for some samples, while the next frame fades in.

    Each frame is predicted by itself, and begins a little off where the one before ended: a tick, as often as there are
    frames. Here the sound goes on, by linear prediction, into the next frame, and the two overlapping predictions of
    its first samples are blended with half a Hann window: at a border the sound is its own continuation, and no tick.
    What is fed back to the network stays as it is.
    """

    def __init__(self) -> None:
        self._heard: list[Floats] | None = None

    def join(self, frames: Floats) -> Floats:
        """Give the blended frames; see `Joining`."""
        joined = np.array(frames, dtype=np.float64)
        if self._heard is None:
            self._heard = [sound[0] for sound in joined]
            begun = 1
        else:
            begun = 0
        overlap = min(joined.shape[2], _OVERLAP)
        rising = np.square(np.sin(np.pi / 2 * np.arange(1, overlap + 1) / (overlap + 1)))
        for number, sound in enumerate(joined):
            heard = self._heard[number]
            for frame in sound[begun:]:
                onward = continued(heard, overlap)
                frame[:overlap] = onward + rising * (frame[:overlap] - onward)
                heard = np.concatenate([heard, frame])[-_HEARD:]
            self._heard[number] = heard
        return joined.astype(frames.dtype)


def continued(heard: Floats, samples: int) -> Floats:
    """Continue a sound by linear prediction; what is continued does not grow.

    Parameters
    ----------
    heard : ndarray, shape (n,)
        The sound so far; its mean goes on as it is.
    samples : int
        How many to add.

    Returns
    -------
    ndarray, shape (samples,)
    """
    from scipy.signal import lfilter, lfiltic

    mean = float(heard.mean())
    around = heard - mean
    whitening = _burg(around, min(_ORDER, len(heard) // 3))
    if len(whitening) == 1:
        return np.full(samples, heard[-1], dtype=np.float64)
    state = lfiltic([1.0], whitening, around[: -len(whitening) : -1])
    onward, _ = lfilter([1.0], whitening, np.zeros(samples), zi=state)
    return np.asarray(mean + onward)


def _burg(values: Floats, order: int) -> Floats:
    """Give the filter, shape (at most order + 1,), that leaves least of values, there and back (Burg, 1967).

    Exact for tones, and of minimum phase: its inverse is stable.
    """
    forward, backward = values[1:].astype(np.float64), values[:-1].astype(np.float64)
    filter_ = np.ones(1)
    for _ in range(order):
        energy = forward @ forward + backward @ backward
        if not energy > _NOTHING_LEFT * (values @ values) or not np.isfinite(energy):
            break
        reflection = -2 * (forward @ backward) / energy
        longer = np.append(filter_, 0.0)
        filter_ = longer + reflection * longer[::-1]
        forward, backward = (forward + reflection * backward)[1:], (backward + reflection * forward)[:-1]
    return filter_
