"""The grid of runs for one song: what fits, what was chosen, in what order, and how long it takes here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import streams
from longsong.config import (
    Cell,
    DataConfig,
    ExecutionConfig,
    ModelConfig,
    RunConfig,
    TrainingConfig,
    choice,
    whole,
)
from longsong.errors import ConfigError, SpaceError
from longsong.estimate import Estimate
from longsong.reported import (
    CODE_CONFIGURATIONS,
    LAYERS,
    SEQUENCES,
    SONG_SECONDS,
    WIDTHS,
    Configuration,
    post_configurations,
)
from longsong.units import human_seconds

__all__ = ["PROFILES", "Choice", "PlannedRun", "Profile", "ReportedSet", "State", "parse_shapes", "plan_grid"]

ReportedSet = Literal["post", "code"]
State = Literal["done", "failed", "running", "left", "left out", "does not fit", "not chosen"]
Group = Literal["grid", "comparison"]

_COMPARISON_SHAPES = ("1000x100", "4000x50", "1000x50")  # the shapes of most of the code's folders
_COMPARED: tuple[Cell, ...] = ("gru", "lstm", "rnn")


@dataclass(frozen=True)
class Profile:
    """How much of the grid is run, and on how much song.

    Attributes
    ----------
    seconds : float
        Of the embedded song; of the song that is given, at most.
    whole_song : bool
        Whether a song that is given is taken whole.
    widths : tuple of int
        Hidden units.
    longest : int or None
        The longest sequence that is run; longer ones are listed. None for no limit.
    shapes : tuple of str or None
        The only shapes that are looked at; None for all.
    comparison_shapes : int
        How many shapes LSTM, GRU and RNN are compared on (P08, P09).
    comparison_seeds : tuple of int
    """

    seconds: float
    whole_song: bool
    widths: tuple[int, ...]
    longest: int | None
    shapes: tuple[str, ...] | None = None
    comparison_shapes: int = 3
    comparison_seeds: tuple[int, ...] = (1, 2, 3)


PROFILES = {
    "demo": Profile(120, False, WIDTHS[:1], SEQUENCES[1]),
    "full": Profile(SONG_SECONDS, True, WIDTHS, None),
    "smoke": Profile(40, False, WIDTHS[:1], SEQUENCES[0], ("800x50", "1000x50"), 1, (1, 2)),
}


@dataclass(frozen=True)
class Choice:
    """What the user chose of the grid.

    Attributes
    ----------
    profile : str
        A key of `PROFILES`.
    reported : {'post', 'code'}
        The post's grid, or the 2016 code's own configurations (D05).
    widths : tuple of int or None
        Hidden units; None for the profile's.
    only : tuple of str or None
        The only shapes to run, such as ``1000x100``.
    everything : bool
        Longer sequences too.
    execution : ExecutionConfig
    """

    profile: str
    reported: ReportedSet = "post"
    widths: tuple[int, ...] | None = None
    only: tuple[str, ...] | None = None
    everything: bool = False
    execution: ExecutionConfig = field(default_factory=ExecutionConfig)

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise ConfigError(f"profile must be one of {', '.join(PROFILES)}, not {self.profile!r}")
        choice("set", self.reported, ReportedSet)
        for width in self.widths or ():
            whole("widths", width)

    def configurations(self) -> list[Configuration]:
        """Give the configurations to look at, each once.

        Raises
        ------
        ConfigError
            A shape or width that was asked for is not in the set.
        """
        profile = PROFILES[self.profile]
        if self.reported == "code":
            found = [c for c in CODE_CONFIGURATIONS if self.widths is None or c.hidden in self.widths]
        else:
            found = post_configurations(tuple(dict.fromkeys(self.widths or profile.widths)))
        if not found:
            raise ConfigError(f"no configuration of the set {self.reported!r} has the widths {self.widths}")
        known = list(dict.fromkeys(c.shape for c in found))
        for shape in self.only or ():
            if shape not in known:
                raise ConfigError(f"{shape} is not in this set; it has {', '.join(known)}")
        if profile.shapes is not None and self.reported == "post" and self.only is None:
            found = [c for c in found if c.shape in profile.shapes]
        return found


@dataclass(frozen=True)
class PlannedRun:
    """One run of the grid, as it stands in ``grid.json`` (``docs/formats.md``).

    Attributes
    ----------
    name : str
        Its folder's name.
    configuration : Configuration
    cell : {'gru', 'lstm', 'rnn'}
    seed : int
    group : {'grid', 'comparison'}
    state : str
    reason : str
        Why it is not run, in numbers.
    train_examples, dev_examples, updates_per_epoch : int
    samples_needed : int
        What one train example takes of the train split.
    estimated_seconds, estimated_sound_seconds : float or None
        Training and generation, and generation alone, on this machine; None for what does not fit.
    slots : int
        Of this machine's, as runs share it.
    """

    name: str
    configuration: Configuration
    cell: Cell
    seed: int
    group: Group
    state: State
    reason: str
    train_examples: int
    dev_examples: int
    updates_per_epoch: int
    samples_needed: int
    estimated_seconds: float | None = None
    estimated_sound_seconds: float | None = None
    slots: int = 1

    @property
    def data(self) -> DataConfig:
        """How its examples lie in the song."""
        return _data(self.configuration)

    @property
    def model(self) -> ModelConfig:
        """Its network."""
        return ModelConfig(cell=self.cell, hidden=self.configuration.hidden, layers=LAYERS)

    def with_estimate(self, estimate: Estimate) -> PlannedRun:
        """Give the run with what it is expected to take."""
        return replace(
            self,
            estimated_seconds=estimate.seconds,
            estimated_sound_seconds=estimate.sound_seconds,
            slots=estimate.slots,
        )

    def config(self, shards: Path, out: Path, execution: ExecutionConfig) -> RunConfig:
        """Give the configuration of the run in the folder `out` of all runs."""
        c = self.configuration
        return RunConfig(
            shards=shards,
            data=self.data,
            model=self.model,
            training=TrainingConfig(epochs=c.epochs, seed=self.seed),
            execution=execution,
            out=out / self.name,
        )

    def to_json(self, reported: ReportedSet) -> dict[str, Any]:
        """Give the run as plain JSON values."""
        values = asdict(self)
        return {"name": values.pop("name"), "set": reported, **values.pop("configuration"), **values}


def _data(c: Configuration) -> DataConfig:
    return DataConfig(frame=c.frame, seq=c.seq, batch=c.batch, normalise=c.normalise)


def parse_shapes(text: str) -> tuple[str, ...]:
    """Read shapes as a user gives them: ``1000x100,40x50``.

    Raises
    ------
    ConfigError
        One of them is no shape.
    """
    shapes = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    for shape in shapes:
        sides = shape.split("x")
        if len(sides) != 2 or not all(side.isascii() and side.isdigit() for side in sides):
            raise ConfigError(f"a shape is FRAMExSEQ, such as 1000x100, not {shape!r}")
    if not shapes:
        raise ConfigError(f"no shape in {text!r}; give some such as 1000x100,40x50")
    return shapes


def plan_grid(song: streams.Song, chosen: Choice, estimate: Callable[[PlannedRun], Estimate]) -> list[PlannedRun]:
    """Plan all runs for a song, the cheapest first; what does not fit or was not chosen comes last.

    Parameters
    ----------
    song : streams.Song
    chosen : Choice
    estimate : callable
        Gives what a run is expected to take; raises SpaceError where its updates do not fit in memory.

    Raises
    ------
    ConfigError
        A shape that was asked for is not in the set.
    """
    profile = PROFILES[chosen.profile]
    grid = [_estimated(_planned(song, chosen, profile, c), estimate) for c in chosen.configurations()]
    runs = grid
    if chosen.reported == "post":
        width = grid[0].configuration.hidden
        runs = grid + [_estimated(run, estimate) for run in _comparison(grid, profile, width)]
    order = ("left", "not chosen", "does not fit")
    return sorted(runs, key=lambda run: (order.index(run.state), run.estimated_seconds or run.samples_needed, run.name))


def _estimated(run: PlannedRun, estimate: Callable[[PlannedRun], Estimate]) -> PlannedRun:
    if run.state == "does not fit":
        return run
    try:
        return run.with_estimate(estimate(run))
    except SpaceError as error:
        return replace(run, state="does not fit", reason=str(error))


def _planned(song: streams.Song, chosen: Choice, profile: Profile, c: Configuration) -> PlannedRun:
    split = streams.train_samples(len(song))
    shape: dict[str, Any] = {"frame": c.frame, "seq": c.seq, "normalise": c.normalise}
    train = len(streams.Windows(song, **shape, stop=split))
    dev = len(streams.Windows(song, **shape, start=split))
    needed = c.frame * c.seq
    state: State = "left"
    reason = ""
    if train < 1:
        state = "does not fit"
        reason = (
            f"needs {human_seconds(needed / song.sample_rate)} of song for one example; this one has "
            f"{human_seconds(split / song.sample_rate)} to train on"
        )
    elif chosen.only is not None and c.shape not in chosen.only:
        state, reason = "not chosen", "not in --only"
    elif profile.longest is not None and c.seq > profile.longest and not (chosen.everything or chosen.only):
        state, reason = "not chosen", f"a longer sequence than profile {chosen.profile} runs; --all runs it"
    prefix = "code-" if chosen.reported == "code" else ""
    name = f"{prefix}{c.shape}-gru-{c.hidden}-s1"
    return PlannedRun(name, c, "gru", 1, "grid", state, reason, train, dev, -(-train // c.batch), needed)


def _comparison(grid: list[PlannedRun], profile: Profile, width: int) -> list[PlannedRun]:
    """Give the runs of LSTM, GRU and RNN side by side that the grid itself does not hold (P08, P09)."""
    # Without a dev example there is nothing to compare.
    candidates = [run for run in grid if run.state == "left" and run.configuration.hidden == width and run.dev_examples]

    # Two of the 2016 folders' shapes, and of the others rather that of the fewest steps with more than one update an
    # epoch: on a short song the cells learn nothing at the former, and are alike in that alone. Not by what is
    # estimated: each start, wherever it is, has to choose the same.
    known = sorted(
        (run for run in candidates if run.configuration.shape in _COMPARISON_SHAPES),
        key=lambda run: _COMPARISON_SHAPES.index(run.configuration.shape),
    )[:2]
    others = sorted(
        (run for run in candidates if run not in known),
        key=lambda run: (run.updates_per_epoch < 2, run.train_examples * run.configuration.seq),
    )
    runs = []
    for base in (known + others)[: profile.comparison_shapes]:
        for cell in _COMPARED:
            for seed in profile.comparison_seeds:
                if (cell, seed) == (base.cell, base.seed):
                    continue
                name = f"{base.configuration.shape}-{cell}-{width}-s{seed}"
                runs.append(replace(base, name=name, cell=cell, seed=seed, group="comparison", estimated_seconds=None))
    return runs
