"""Updates one after the other, and what there is to say of each once it is made."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from longsong.training.optimiser import StepStatistics
from longsong.training.updater import Updater

__all__ = ["ImmediateUpdates", "Outcome", "Updates"]


@dataclass(frozen=True)
class Outcome:
    """What an update was.

    Attributes
    ----------
    cost : float
        Of its mini-batch, for the parameters before it.
    step : StepStatistics
    seconds : float
        From the end of the update before, or from the beginning of the epoch.
    computed_seconds : float
        From its own beginning.
    """

    cost: float
    step: StepStatistics
    seconds: float
    computed_seconds: float


class Updates(Protocol):
    """How updates are made: while one waits for each of them, or not."""

    def begin_epoch(self) -> None:
        """Count the seconds of the next update from here."""

    def begin(self, inputs: Tensor, targets: Tensor) -> None:
        """Begin an update with a mini-batch, of shape (batch, seq, frame); raises as `finished`."""

    def finished(self, *, wait: bool) -> Iterator[Outcome]:
        """Give, in their order, the updates that are made and were not given before.

        Parameters
        ----------
        wait : bool
            Give all that were begun.

        Raises
        ------
        longsong.errors.NotFiniteError
            A cost, a gradient or a step is not finite. Parameters are as they were before that update, whatever was
            begun after it.
        """


class ImmediateUpdates:
    """Each is made when it is begun."""

    def __init__(self, updater: Updater) -> None:
        self._updater = updater
        self._made: list[Outcome] = []
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Count the seconds of the next update from here."""
        self._ended = time.monotonic()

    def begin(self, inputs: Tensor, targets: Tensor) -> None:
        """Make an update; raises as `Updater.update`."""
        begun = time.monotonic()
        cost, step = self._updater.update(inputs, targets)
        before, self._ended = self._ended, time.monotonic()
        self._made.append(Outcome(cost, step, self._ended - before, self._ended - begun))

    def finished(self, *, wait: bool) -> Iterator[Outcome]:
        """Give the updates that were not given before."""
        while self._made:
            yield self._made.pop(0)
