"""From predicted frames back to samples."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.errors import NotFiniteError

__all__ = ["Level", "render"]

_SILENT_RMS = 1.0  # one step of int16


@dataclass(frozen=True)
class Level:
    """The level of rendered samples, in units of int16.

    Attributes
    ----------
    rms, peak : float, int
    minimum, maximum : int
    clipped_samples : int
        How many lay outside of int16 before they were clipped to it.
    """

    rms: float
    peak: int
    minimum: int
    maximum: int
    clipped_samples: int

    def to_json(self) -> dict[str, Any]:
        """Give the level as plain JSON values."""
        return asdict(self)

    def notes(self) -> list[str]:
        """Say in plain sentences what is wrong with the level, if anything."""
        notes = []
        if self.minimum == self.maximum:
            notes.append(f"The sound is constant: every sample is {self.minimum}.")
        elif self.rms < _SILENT_RMS:
            notes.append(f"The sound is silent: its RMS is {self.rms:.2g} of 32,768.")
        if self.clipped_samples:
            notes.append(f"{self.clipped_samples:,} samples were beyond int16 and clipped.")
        return notes


def render(
    frames: NDArray[np.floating[Any]], samples: int, *, scale: float, offset: float, sample_rate: int
) -> tuple[NDArray[np.int16], Level]:
    """Undo the normalisation: ``(y - offset) / scale``, rounded, clipped to int16; nothing is stretched (D13).

    Parameters
    ----------
    frames : ndarray, shape (frames, frame)
        Predictions, joined end to end (P14).
    samples : int
        How many to keep.
    scale, offset : float
        Of the normalisation, ``x * scale + offset``.
    sample_rate : int
        In Hz; for the message alone.

    Returns
    -------
    samples : ndarray, shape (samples,), int16
    level : Level

    Raises
    ------
    NotFiniteError
        A prediction is not finite.
    """
    flat = frames.reshape(-1)[:samples].astype(np.float64)
    finite = np.isfinite(flat)
    if not finite.all():
        second = int(np.argmin(finite)) / sample_rate
        raise NotFiniteError(
            f"what was generated is not finite from second {second:.3f} on; nothing was written. Train with a "
            "smaller --learning-rate, or generate with --parameters best"
        )
    flat = np.rint((flat - offset) / scale)
    bounds = np.iinfo(np.int16)
    clipped = int(np.count_nonzero((flat < bounds.min) | (flat > bounds.max)))
    rendered = np.clip(flat, bounds.min, bounds.max).astype(np.int16)
    low, high = int(rendered.min()), int(rendered.max())
    rms = float(np.sqrt(np.mean(rendered.astype(np.float64) ** 2)))
    return rendered, Level(rms, max(-low, high), low, high, clipped)
