"""What the experiment of the 2016 code's ways compares: a configuration, and everything that is done to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from longsong.config import (
    Cell,
    DataConfig,
    ExecutionConfig,
    ModelConfig,
    RunConfig,
    Switch,
    TrainingConfig,
    finite,
    whole,
)
from longsong.errors import ConfigError
from longsong.switches import DESCRIBED, FORGET_BIAS, IN_FORCE, TOGETHER, Deviation, deviations_of, switch_on

__all__ = ["LEAST_SEEDS", "Experiment", "Way", "generating_switches", "ways_of_generating", "ways_of_training"]

LEAST_SEEDS = 3
"""Random seeds for a mean with a spread that says something."""

_AS_DESCRIBED = "as the post describes: none of the 2016 code's ways"
_TOGETHER = "all of the 2016 code's ways above at once"
_FORGETTING = {
    "gru": "begin with a bias of -1 in every update gate, which is a forget bias that works: the state is kept",
    "lstm": "begin with a bias of 1 in every forget gate, which is a forget bias that works: the cell is kept",
}


@dataclass(frozen=True)
class Experiment:
    """The configuration that everything is done to; the defaults take minutes on two cores and the demo song.

    Attributes
    ----------
    frame, seq, hidden, layers, epochs, batch : int
    cell : {'gru', 'lstm', 'rnn'}
    seeds : int
        Random seeds, from 1.
    seconds : float
        Of each sound.
    execution : ExecutionConfig
    """

    frame: int = 100
    seq: int = 50
    hidden: int = 100
    layers: int = 2
    epochs: int = 30
    batch: int = 128
    cell: Cell = "gru"
    seeds: int = LEAST_SEEDS
    seconds: float = 30.0
    execution: ExecutionConfig = field(default_factory=ExecutionConfig)

    def __post_init__(self) -> None:
        whole("seeds", self.seeds)
        if self.seeds < LEAST_SEEDS:
            raise ConfigError(f"seeds is {self.seeds}, and a mean with its spread takes {LEAST_SEEDS} or more")
        whole("epochs", self.epochs)
        if self.epochs < 2:
            raise ConfigError(f"epochs is {self.epochs}, and a run is killed after half of them; give 2 or more")
        finite("seconds", self.seconds, above=0)
        for way in ways_of_training(self.cell):
            self.config(Path(), way, 1)

    @property
    def name(self) -> str:
        """What its folder is called: ``100x50-gru-100-30-epochs``."""
        return f"{self.frame}x{self.seq}-{self.cell}-{self.hidden}-{self.epochs}-epochs"

    def config(self, shards: Path | str, way: Way, seed: int, out: Path | None = None) -> RunConfig:
        """Give the configuration of one run."""
        forget_bias = FORGET_BIAS if way.name == IN_FORCE else 0.0
        base = RunConfig(
            shards,
            DataConfig(self.frame, self.seq, self.batch),
            ModelConfig(cell=self.cell, hidden=self.hidden, layers=self.layers, forget_bias=forget_bias),
            TrainingConfig(epochs=self.epochs, seed=seed),
            self.execution,
            out,
        )
        return switch_on(base, way.switches)

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON values, without how it is computed."""
        return {name: value for name, value in vars(self).items() if name != "execution"}


@dataclass(frozen=True)
class Way:
    """One thing that is done to the configuration.

    Attributes
    ----------
    name : str
        That of its switch, or ``DESCRIBED``, ``TOGETHER``, ``IN_FORCE`` of `longsong.switches`.
    switches, ids : tuple of str
        What is on, and the audit's rows of it.
    does : str
        What it does, in one sentence.
    """

    name: str
    switches: tuple[str, ...]
    ids: tuple[str, ...]
    does: str

    @property
    def killed(self) -> bool:
        """Whether a run of it is killed in the middle, and goes on."""
        return "bare-resume" in self.switches

    def words(self) -> dict[str, Any]:
        """Give it as plain JSON values."""
        return {"name": self.name, "switches": list(self.switches), "ids": list(self.ids), "does": self.does}


def ways_of_training(cell: Cell) -> list[Way]:
    """Give the ways of training: as described, each switch alone, a forget bias that works, and all switches at once.

    An RNN has no gate, and so no forget bias that works.
    """
    alone = deviations_of("training")
    in_force = [Way(IN_FORCE, (), ("D06",), _FORGETTING[cell])] if cell in _FORGETTING else []
    return [_described(), *map(_way, alone), *in_force, _together(alone)]


def ways_of_generating() -> list[Way]:
    """Give the ways of generating: as described, each switch alone, and all at once."""
    alone = deviations_of("generating")
    return [_described(), *map(_way, alone), _together(alone)]


def generating_switches(way: Way) -> tuple[Switch, ...]:
    """Give the switches of a way of generating, by their type."""
    return tuple(one.name for one in deviations_of("generating") if one.name in way.switches)  # type: ignore[misc]


def _described() -> Way:
    return Way(DESCRIBED, (), (), _AS_DESCRIBED)


def _together(alone: Sequence[Deviation]) -> Way:
    return Way(TOGETHER, tuple(one.name for one in alone), tuple(one.id for one in alone), _TOGETHER)


def _way(one: Deviation) -> Way:
    return Way(one.name, (one.name,), (one.id,), one.does)
