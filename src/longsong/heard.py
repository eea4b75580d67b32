"""A sound while it comes: what is kept of it, to say afterwards what became of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.audit.levels import CollapseTally
from longsong.config import samples_in
from longsong.generation import Level
from longsong.judging import Judge

__all__ = ["JUDGED_SECONDS", "Heard"]

JUDGED_SECONDS = 60.0
"""Of a sound that figures are of: what they compare with the song takes time in proportion."""


class Heard:
    """Keeps the first minute of a sound, and of all of it whether it lives.

    Parameters
    ----------
    sample_rate : int
        Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._kept: list[NDArray[np.int16]] = []
        self._left = samples_in(JUDGED_SECONDS, sample_rate)
        self._collapse = CollapseTally(sample_rate)

    def add(self, samples: NDArray[np.int16]) -> None:
        """Take the next samples, shape (n,), int16."""
        self._collapse.add(samples)
        if self._left:
            self._kept.append(samples[: self._left])
            self._left -= len(self._kept[-1])

    @property
    def samples(self) -> NDArray[np.int16]:
        """The first minute, shape (n,), or all of what is shorter; empty before there is any."""
        return np.concatenate(self._kept or [np.empty(0, np.int16)])

    def notes(self, level: Level) -> list[str]:
        """Say in plain sentences what is wrong with the sound, whose level is given, if anything.

        It is to be said of every sound that is dead, of all of it or from some second on, or was clipped.
        """
        found, dead = level.notes(), self._collapse.result()
        if dead is None or (dead["second"] == 0 and level.dead is not None):
            return found
        when = "All of it" if dead["second"] == 0 else f"From second {dead['second']:.2f} on it"
        return [*found, f"{when} is {dead['kind']}."]

    def figures(self, judge: Judge) -> dict[str, Any]:
        """Give the figures of the first minute, and when all of it collapsed, if it did (`Judge.figures`)."""
        return judge.figures(self.samples) | {"collapse": self._collapse.result()}
