"""How long the experiment takes on this machine, and how long it still does."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from longsong.audit.song_statistics import song_statistics
from longsong.audit.sound import sound_figures
from longsong.errors import ConfigError
from longsong.estimate import Speed, measure_speed
from longsong.experiments.as_coded_ways import Experiment, Way, generating_switches
from longsong.training.splits import Splits
from longsong.units import human_time

__all__ = ["Expected", "TimeLeft", "expected_seconds"]

_TRUST = 60.0
"""Seconds of work after which what it took counts as much as what was expected."""


@dataclass(frozen=True)
class Expected:
    """What parts of the experiment are expected to take, in seconds.

    Attributes
    ----------
    experiment : Experiment
    described : Splits
    speed : Speed
        Of the network.
    judging : float
        Of finding the figures of a sound.
    """

    experiment: Experiment
    described: Splits
    speed: Speed
    judging: float

    def training(self, way: Way) -> float:
        """Of one run, its sound included."""
        data = self.experiment.config("", way, 1).data
        # Two passes over the song are twice the examples.
        passes = 1 if data.example_shift is None else data.frame * data.seq // data.example_shift
        counts = (len(self.described.train) * passes, len(self.described.dev) * passes)
        seconds = self.speed.training_seconds(data, *counts, self.experiment.epochs)
        return seconds + self._sound + self.judging

    def generating(self, way: Way) -> float:
        """Of one sound."""
        switches = generating_switches(way)
        if not switches:
            return 0.0  # the run's own
        if not {"untrained", "whole-sequences", "upside-down"} & set(switches):
            return self._sound + self.judging
        # Whole sequences, one after the other: no step of one is computed beside one of another.
        data = self.described.data
        steps = ceil(self._samples / data.frame) * (1 if "whole-sequences" in switches else data.seq)
        return steps * self.speed.costs.generation(1, data.frame) + self.judging

    @property
    def _samples(self) -> int:
        return round(self.experiment.seconds * self.described.song.sample_rate)

    @property
    def _sound(self) -> float:
        return self.speed.generation_seconds(self.described.data, self._samples)


def expected_seconds(experiment: Experiment, described: Splits, folder: Path) -> Expected:
    """Measure this machine for some seconds.

    Parameters
    ----------
    experiment : Experiment
    described : Splits
        The song's examples as described.
    folder : Path
        Of the experiment's runs, where statistics of the song are kept.
    """
    config = experiment.config("", Way("", (), (), ""), 1)
    speed = measure_speed(config.model, config.execution)
    song, train = described.song, described.data.train_samples or len(described.song)
    compared: tuple[Any, ...] = ()
    with suppress(ConfigError):  # a song too short to compare a sound with: none will be
        compared = (song_statistics(folder, song, train), song)
    piece = song[: min(len(song), round(experiment.seconds * song.sample_rate))]
    began = time.monotonic()
    sound_figures(piece, song.sample_rate, experiment.frame, *compared)
    return Expected(experiment, described, speed, time.monotonic() - began)


class TimeLeft:
    """Says after each part what is left, the more by what parts took the more of them are done.

    Parameters
    ----------
    expected : float
        Seconds in all.
    """

    def __init__(self, expected: float) -> None:
        self._all, self._expected, self._began = expected, 0.0, time.monotonic()

    def done(self, expected: float) -> str:
        """Say of a part that it is done, and what is left; `expected` are the seconds that it was to take."""
        self._expected += expected
        spent = time.monotonic() - self._began
        slower = (spent + _TRUST) / (self._expected + _TRUST)
        left = (self._all - self._expected) * slower
        return f"done, about {human_time(left)} left" if left >= 1 else "done"
