"""What each way of the 2016 code does to the dev cost, the sound and the time: the numbers, and what follows from them.

`longsong.experiments.as_coded` makes them, and `longsong.audit.as_coded_file` reads them again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from longsong.audit.statistics import Paired, paired
from longsong.switches import DESCRIBED
from longsong.version import __version__

__all__ = [
    "FORMAT",
    "NUMBERS",
    "SOUND_NUMBERS",
    "VERSION",
    "AsCoded",
    "Effect",
    "GeneratedWay",
    "SoundFigures",
    "TrainedRun",
    "TrainedWay",
]

FORMAT, VERSION = "longsong.as-coded", 1


@dataclass(frozen=True)
class SoundFigures:
    """A few figures of a sound (`longsong.audit.sound`); None where there is none.

    Attributes
    ----------
    rms_dbfs : float or None
        Level; None for digital silence.
    clipped_share, quiet_share : float
        Of samples at an end of int16, and of stretches of 50 ms under -60 dBFS.
    collapse_second : float or None
        From when on it is silent, constant or at full scale.
    border_step_ratio : float or None
        Steps at the borders of frames over those inside; 1 where no border is heard.
    spectral_distance : float or None
        Of its mean spectrum from the song's, in dB.
    frechet_log_mel : float or None
        Fréchet distance of its log-mel frames from the song's, in dB.
    """

    rms_dbfs: float | None
    clipped_share: float
    quiet_share: float
    collapse_second: float | None
    border_step_ratio: float | None
    spectral_distance: float | None
    frechet_log_mel: float | None

    @classmethod
    def of(cls, sound: Mapping[str, Any]) -> SoundFigures:
        """Take them from all figures of a sound."""
        levels, spectrum = sound["levels"], sound["spectrum"] or {}
        return cls(
            rms_dbfs=levels["rms_dbfs"],
            clipped_share=levels["clipped_share"],
            quiet_share=levels["quiet_share"],
            collapse_second=None if sound["collapse"] is None else sound["collapse"]["second"],
            border_step_ratio=sound["borders"]["step_ratio"],
            spectral_distance=spectrum.get("log_spectral_distance"),
            frechet_log_mel=spectrum.get("frechet_log_mel"),
        )


@dataclass(frozen=True)
class TrainedRun:
    """One run of the experiment.

    Attributes
    ----------
    seed : int
    run : str
        Its folder, beside ``as_coded.json``.
    dev_cost, over_mean : float
        The lowest dev cost as the run reports it, of its own dev split and in its own units; and over the cost of
        predicting the mean there.
    described_cost, described_over_mean : float
        Of the same parameters on the dev split as described, in the units as described.
    best_epoch, updates, starts : int
    seconds_per_update : float
        Median.
    parameters_sha256, best_sha256 : str
        Of the last parameters, and of those with the lowest dev cost.
    wav : str
        Its sound by the post's way, from the first dev example as described; beside ``as_coded.json``.
    sound : SoundFigures
    files : dict of str to str
        Files that the numbers are from, by their path from ``as_coded.json``, and their sha256.
    """

    seed: int
    run: str
    dev_cost: float
    over_mean: float
    described_cost: float
    described_over_mean: float
    best_epoch: int
    updates: int
    starts: int
    seconds_per_update: float
    parameters_sha256: str
    best_sha256: str
    wav: str
    sound: SoundFigures
    files: dict[str, str]


@dataclass(frozen=True)
class TrainedWay:
    """A way of training, over all random seeds.

    Attributes
    ----------
    name : str
        That of its switch, or ``DESCRIBED``, ``TOGETHER``, ``IN_FORCE`` of `longsong.switches`.
    switches, ids : list of str
        What is on, and the audit's rows of it.
    does : str
        What it does, in one sentence.
    runs : list of TrainedRun
        By seed.
    """

    name: str
    switches: list[str]
    ids: list[str]
    does: str
    runs: list[TrainedRun]


@dataclass(frozen=True)
class GeneratedWay:
    """A way of generating from the described run of the first seed.

    Attributes
    ----------
    name, switches, ids, does
        As for `TrainedWay`.
    run, wav : str
        Folder of the run, and the sound; from ``as_coded.json``.
    iterations : int
        Predictions made.
    sound : SoundFigures
    files : dict of str to str
        As for `TrainedRun`.
    """

    name: str
    switches: list[str]
    ids: list[str]
    does: str
    run: str
    wav: str
    iterations: int
    sound: SoundFigures
    files: dict[str, str]


@dataclass(frozen=True)
class Effect:
    """A number of a way of training over its seeds, and its difference from as described, seed by seed.

    Attributes
    ----------
    mean, spread : float
        Mean, and standard deviation (n - 1).
    difference : Paired or None
        This less as described; None of what is as described itself.
    """

    mean: float
    spread: float
    difference: Paired | None


NUMBERS: tuple[str, ...] = ("over_mean", "described_over_mean", "seconds_per_update")
"""Of a run, that effects are given of."""

SOUND_NUMBERS = tuple(field.name for field in fields(SoundFigures))
"""Of its sound."""


@dataclass(frozen=True)
class AsCoded:
    """The experiment, read.

    Attributes
    ----------
    path : Path
        ``as_coded.json``.
    command : list of str
        What makes it again.
    ended : str
        When, in UTC.
    song, configuration, machine : dict
        ``song`` as in ``config.json``; ``frame``, ``seq``, ``cell``, ``hidden``, ``layers``, ``epochs``, ``batch``,
        ``seeds``, ``seconds`` of sound; ``device_name``, ``torch``, ``precision``, ``threads``.
    training : list of TrainedWay
        As described first.
    generating : list of GeneratedWay
        As described first.
    """

    path: Path
    command: list[str]
    ended: str
    song: dict[str, Any]
    configuration: dict[str, Any]
    machine: dict[str, Any]
    training: list[TrainedWay]
    generating: list[GeneratedWay]

    def trained(self, name: str) -> TrainedWay | None:
        """Give a way of training by its name; None where it is not there (a forget bias in an RNN)."""
        return next((way for way in self.training if way.name == name), None)

    @property
    def forget_bias_changes_nothing(self) -> bool:
        """Whether D06's forget bias gave, for every seed, the very bytes of parameters that there are without."""
        ways = [self.trained(name) for name in (DESCRIBED, "forget-bias")]
        without, with_it = (
            [] if way is None else [(one.seed, one.parameters_sha256, one.best_sha256) for one in way.runs]
            for way in ways
        )
        return bool(without) and without == with_it

    @cached_property
    def effects(self) -> dict[str, dict[str, Effect | None]]:
        """Effects by way of training and by number.

        Numbers are ``over_mean``, ``described_over_mean``, ``seconds_per_update`` and those of `SoundFigures`; None
        where one of the runs, or of those as described, has no such number.
        """
        described = self.training[0]
        return {
            way.name: {name: _effect(way, described, name) for name in (*NUMBERS, *SOUND_NUMBERS)}
            for way in self.training
        }

    def to_json(self) -> dict[str, Any]:
        """Give it as values that JSON holds, effects included (``longsong.as-coded``, version 1)."""
        effects = {
            way: {name: None if effect is None else asdict(effect) for name, effect in of.items()}
            for way, of in self.effects.items()
        }
        body = {k: v for k, v in asdict(self).items() if k != "path"}
        return {
            "format": FORMAT,
            "version": VERSION,
            "made_by": {"longsong": __version__},
            **body,
            "effects": effects,
            "forget_bias_changes_nothing": self.forget_bias_changes_nothing,
        }


def _effect(way: TrainedWay, described: TrainedWay, name: str) -> Effect | None:
    own, other = _numbers(way.runs, name), _numbers(described.runs, name)
    if own is None or other is None:
        return None
    of_own = paired(list(own.values()))  # of itself: mean and spread
    difference = None
    if way is not described:
        difference = paired([value - other[seed] for seed, value in own.items()])
    return Effect(of_own.mean, of_own.spread, difference)


def _numbers(runs: Sequence[TrainedRun], name: str) -> dict[int, float] | None:
    """Give a number of each run by seed; None where one has none."""
    found = {run.seed: getattr(run if name in NUMBERS else run.sound, name) for run in runs}
    return None if any(value is None for value in found.values()) else found
