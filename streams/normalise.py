"""From int16 samples to the numbers that a network sees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from streams.errors import WindowError
from streams.statistics import Statistics

__all__ = ["NORMALISATIONS", "Normaliser"]

NORMALISATIONS = ("minmax", "stdev", "none")
"""The kinds of normalisation (FACTS section 3)."""


@dataclass(frozen=True, slots=True)
class Normaliser:
    """``x * scale + offset``: a float32 multiplication, then a float32 addition, each rounded.

    So that every device gives the same bits, the two are never fused (DESIGN, "Close means close per
    tensor").

    Parameters
    ----------
    scale, offset : float
        Rounded to the nearest float32 when the normaliser is made.

    Raises
    ------
    WindowError
        One of them is not finite as a float32, or the scale is 0.
    """

    scale: float
    offset: float

    def __post_init__(self) -> None:
        for name in ("scale", "offset"):
            value = getattr(self, name)
            with np.errstate(over="ignore"):
                rounded = float(np.float32(value))
            if not math.isfinite(rounded) or (name == "scale" and rounded == 0):
                raise WindowError(f"{name} of the normalisation is {value}: give one that float32 can hold")
            object.__setattr__(self, name, rounded)

    @classmethod
    def of(cls, kind: str, statistics: Statistics) -> Self:
        """Make the normaliser of a whole song (FACTS section 3).

        Parameters
        ----------
        kind : str
            ``minmax``: ``2 (x - min) / (max - min) - 1``; ``stdev``: divided by the population standard
            deviation, no mean subtracted; ``none``: the samples as they are, as float32.
        statistics : Statistics
            Those of the whole song.

        Raises
        ------
        WindowError
            An unknown kind; ``minmax`` or ``stdev`` of a song in which every sample is the same.
        """
        if kind not in NORMALISATIONS:
            raise WindowError(f"normalise is {kind!r}: choose one of {', '.join(NORMALISATIONS)}")
        if kind == "none":
            return cls(1.0, 0.0)
        lowest, highest = statistics.minimum, statistics.maximum
        if lowest == highest:
            raise WindowError(
                f"every sample of the song is {lowest}, so there is no range to normalise by ({kind!r}): "
                "take another song, or 'none' for the normalisation"
            )
        if kind == "minmax":
            return cls(2 / (highest - lowest), -(highest + lowest) / (highest - lowest))
        return cls(1 / statistics.standard_deviation, 0.0)

    def apply(self, samples: npt.NDArray[np.int16], out: npt.NDArray[np.float32]) -> None:
        """Normalise `samples` into `out`, both of one shape."""
        np.multiply(samples, np.float32(self.scale), out=out)
        np.add(out, np.float32(self.offset), out=out)
