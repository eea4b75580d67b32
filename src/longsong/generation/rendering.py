"""From predicted frames back to samples."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.errors import NotFiniteError

__all__ = ["Level", "Renderer", "render"]

_SILENT_RMS = 1.0  # one step of int16
_BOUNDS = np.iinfo(np.int16)


@dataclass(frozen=True)
class Level:
    """The level of rendered samples, in units of int16.

    Attributes
    ----------
    rms, peak : float, int
    minimum, maximum : int
    clipped_samples : int
        How many lay outside of int16 before they were clipped to it.
    clipped_from : float or None
        The second of the first of them.
    """

    rms: float
    peak: int
    minimum: int
    maximum: int
    clipped_samples: int
    clipped_from: float | None

    def to_json(self) -> dict[str, Any]:
        """Give the level as plain JSON values."""
        return asdict(self)

    def notes(self) -> list[str]:
        """Say in plain sentences what is wrong with the level, if anything."""
        notes = [] if self.dead is None else [self.dead]
        if self.clipped_samples:
            notes.append(f"{self.clipped_samples:,} samples, from second {self.clipped_from:.2f} on, were clipped.")
        return notes

    @property
    def dead(self) -> str | None:
        """Says that there is no sound at all; None where there is."""
        if self.minimum == self.maximum:
            return f"The sound is constant: every sample is {self.minimum}."
        if self.rms < _SILENT_RMS:
            return f"The sound is silent: its RMS is {self.rms:.2g} of 32,768."
        return None


class Renderer:
    """Undoes the normalisation, piece by piece: ``(y - offset) / scale``, rounded, clipped to int16.

    Nothing is stretched (D13).

    Parameters
    ----------
    samples : int
        How many to give in all.
    scale, offset : float
        Of the normalisation, ``x * scale + offset``.
    sample_rate : int
        In Hz; to say when.

    Attributes
    ----------
    done : int
        Samples given so far.
    """

    def __init__(self, samples: int, *, scale: float, offset: float, sample_rate: int) -> None:
        self.done = 0
        self._samples, self._scale, self._offset, self._rate = samples, scale, offset, sample_rate
        self._squares, self._clipped = 0.0, 0
        self._clipped_from: float | None = None
        self._low, self._high = int(_BOUNDS.max), int(_BOUNDS.min)

    def render(self, frames: NDArray[np.floating[Any]]) -> NDArray[np.int16]:
        """Give the next samples, shape (samples,), as many as are left to give.

        Parameters
        ----------
        frames : ndarray, shape (frames, frame)
            Predictions, joined end to end (P14).

        Raises
        ------
        NotFiniteError
            A prediction is not finite.
        """
        flat = frames.reshape(-1)[: self._samples - self.done].astype(np.float64)
        finite = np.isfinite(flat)
        if not finite.all():
            second = (self.done + int(np.argmin(finite))) / self._rate
            raise NotFiniteError(
                f"what is generated is not finite from second {second:.3f} on, and no file is kept of it. Train with a "
                "smaller --learning-rate, or generate with --parameters best"
            )
        flat = np.rint((flat - self._offset) / self._scale)
        clipped = (flat < _BOUNDS.min) | (flat > _BOUNDS.max)
        if self._clipped_from is None and clipped.any():
            self._clipped_from = (self.done + int(np.argmax(clipped))) / self._rate
        self._clipped += int(np.count_nonzero(clipped))
        rendered = np.clip(flat, _BOUNDS.min, _BOUNDS.max).astype(np.int16)
        if len(rendered):
            self._low, self._high = min(self._low, int(rendered.min())), max(self._high, int(rendered.max()))
            self._squares += float(np.sum(rendered.astype(np.float64) ** 2))
            self.done += len(rendered)
        return rendered

    @property
    def level(self) -> Level:
        """The level of all samples so far, of which there must be one."""
        rms = math.sqrt(self._squares / self.done)
        return Level(rms, max(-self._low, self._high), self._low, self._high, self._clipped, self._clipped_from)


def render(
    frames: NDArray[np.floating[Any]], samples: int, *, scale: float, offset: float, sample_rate: int
) -> tuple[NDArray[np.int16], Level]:
    """Give samples, shape (samples,), int16, of all frames at once, and their level; as `Renderer`."""
    renderer = Renderer(samples, scale=scale, offset=offset, sample_rate=sample_rate)
    return renderer.render(frames), renderer.level
