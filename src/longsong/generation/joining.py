"""From predicted frames to one row of samples."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Crossfade", "Joining", "LastFrame", "LinearPrediction"]

Floats = NDArray[np.floating[Any]]

_ORDER = 32
"""Of the linear prediction: two coefficients for each of the sixteen strongest partials."""

_HEARD = 1024
"""Samples of the sound so far that the linear prediction is fitted to."""

_FITTED_FOR = 256
"""Samples that a linear prediction is good for: a fit takes twenty times as long as what is done with it."""

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
        self._sounds: list[_Heard] | None = None

    def join(self, frames: Floats) -> Floats:
        """Give the blended frames; see `Joining`."""
        joined = np.array(frames, dtype=np.float64)
        begun = 0
        if self._sounds is None:
            self._sounds, begun = [_Heard(sound[0]) for sound in joined], 1
        overlap = min(joined.shape[2], _OVERLAP)
        rising = np.square(np.sin(np.pi / 2 * np.arange(1, overlap + 1) / (overlap + 1)))
        for heard, sound in zip(self._sounds, joined, strict=True):
            for frame in sound[begun:]:
                onward = heard.continued(overlap)
                frame[:overlap] = onward + rising * (frame[:overlap] - onward)
                heard.add(frame)
        return joined.astype(frames.dtype)


class _Heard:
    """The last samples of a sound, and how they go on.

    Parameters
    ----------
    samples : ndarray, shape (n,)
        The first ones.
    """

    def __init__(self, samples: Floats) -> None:
        self._samples, self._since_fit = samples[-_HEARD:], 0
        self._prediction = LinearPrediction(self._samples)

    def add(self, samples: Floats) -> None:
        """Take the next samples, shape (n,)."""
        self._samples = np.concatenate([self._samples, samples])[-_HEARD:]
        self._since_fit += len(samples)

    def continued(self, samples: int) -> Floats:
        """Continue the sound by so many samples, shape (samples,), with a linear prediction that was fitted lately."""
        if self._since_fit >= _FITTED_FOR:
            self._prediction, self._since_fit = LinearPrediction(self._samples), 0
        return self._prediction.continued(self._samples, samples)


class LinearPrediction:
    """Continues a sound by linear prediction about its mean; what is continued does not grow.

    Parameters
    ----------
    heard : ndarray, shape (n,)
        What it is fitted to.
    """

    def __init__(self, heard: Floats) -> None:
        from scipy.linalg import hankel

        self._whitening = _burg(heard - heard.mean(), min(_ORDER, len(heard) // 3))
        # From the last samples, the latest first, to the state of the filter that goes on from them.
        self._to_state = -hankel(self._whitening[1:])

    def continued(self, heard: Floats, samples: int) -> Floats:
        """Continue a sound that is not shorter than what this was fitted to; gives shape (samples,)."""
        from scipy.signal import lfilter

        order = len(self._to_state)
        if order == 0:
            return np.full(samples, heard[-1], dtype=np.float64)
        mean = float(heard.mean())
        state = self._to_state @ (heard[: -order - 1 : -1] - mean)
        onward, _ = lfilter([1.0], self._whitening, np.zeros(samples), zi=state)
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
