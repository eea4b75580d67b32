"""What a run is asked to be: one frozen dataclass per concern, checked when made.

The defaults are those of the 2016 experiment (FACTS sections 1, 3 and 4).
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

from longsong.errors import ConfigError

__all__ = [
    "ENCODINGS",
    "LARGEST_SEED",
    "MOST",
    "MOST_LAYERS",
    "MOST_UNITS",
    "CacheConfig",
    "Cell",
    "DataConfig",
    "Device",
    "Elementwise",
    "ExecutionConfig",
    "Form",
    "Join",
    "Mode",
    "ModelConfig",
    "Normalise",
    "Precision",
    "Recurrence",
    "RunConfig",
    "Switch",
    "TrainingConfig",
    "TrainingSwitch",
    "choice",
    "finite",
    "samples_in",
    "whole",
]

Cell = Literal["gru", "lstm", "rnn"]
Recurrence = Literal["time", "batch"]
Normalise = Literal["minmax", "stdev", "none"]
Precision = Literal["float32", "float64", "bfloat16", "tf32"]
Form = Literal["fused", "reference"]
Elementwise = Literal["compiled", "kernel", "plain"]
Device = Literal["auto", "cpu", "cuda"]
Mode = Literal["post", "carry"]
Join = Literal["last-frame", "crossfade"]
Switch = Literal["untrained", "whole-sequences", "upside-down", "stretch", "drop-seq", "train-seed"]
TrainingSwitch = Literal["recurrence", "overlap", "bare-resume", "mean-shift", "forget-bias"]

ENCODINGS = ("npy", "flac")
"""How a song's blocks are stored in its shards (``docs/shards.md``)."""


_MOST_SECONDS = 1e9  # 30 years
MOST = 10**9
"""Of anything that is counted: what is beyond it would end in an overflow somewhere."""
MOST_UNITS, MOST_LAYERS = 10**6, 1000
LARGEST_SEED = 2**32 - 1
_LARGEST = 1e30
"""Of what float32 numbers are multiplied by, added to or drawn from: far beyond it there is none."""


def whole(name: str, value: object, least: int = 1, most: int = MOST) -> None:
    """Raise `ConfigError` unless `value` is an int from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} must be a whole number of at least {least}, not {reprlib.repr(value)}")
    if value > most:
        raise ConfigError(f"{name} must be at most {most}, not {reprlib.repr(value)}")


def finite(
    name: str, value: object, *, above: float | None = None, least: float | None = None, most: float | None = None
) -> float:
    """Give `value`; raise `ConfigError` unless it is a finite number, and within the bounds that are given."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not _is_finite(value):
        raise ConfigError(f"{name} must be a finite number, not {reprlib.repr(value)}")
    if above is not None and value <= above:
        raise ConfigError(f"{name} must be greater than {above:g}, not {value!r}")
    if least is not None and value < least:
        raise ConfigError(f"{name} must be at least {least:g}, not {value!r}")
    if most is not None and value > most:
        raise ConfigError(f"{name} must be at most {most:g}, not {value!r}")
    return value


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that is too large for a float
        return False


def samples_in(seconds: object, sample_rate: int) -> int:
    """Give the number of samples in a length that a user asks for, to the nearest.

    Raises
    ------
    ConfigError
        The length is not a finite number above 0, holds no sample, or is beyond 30 years.
    """
    samples = round(finite("seconds", seconds, above=0, most=_MOST_SECONDS) * sample_rate)
    if samples == 0:
        raise ConfigError(f"seconds must hold at least one sample of 1/{sample_rate} s, not {seconds!r}")
    return samples


def choice(name: str, value: object, of: object) -> None:
    """Raise `ConfigError` unless `value` is one of the strings of the `Literal` `of`."""
    if not isinstance(value, str) or value not in get_args(of):
        raise ConfigError(f"{name} must be one of {', '.join(get_args(of))}, not {reprlib.repr(value)}")


@dataclass(frozen=True)
class _Section:
    """A section of a run's configuration, to and from plain JSON values."""

    _later: ClassVar[frozenset[str]] = frozenset()
    """Settings that files of before 2026-11-23 lack: they were not there, and so at their defaults."""

    @classmethod
    def from_json(cls, section: Mapping[str, Any]) -> Self:
        """Make the section from a mapping; keys that it does not have are left out.

        Settings that are younger than the file are at their defaults.

        Raises
        ------
        ConfigError
            A key is missing, or a value cannot be.
        """
        names = [f.name for f in fields(cls) if f.name in section or f.name not in cls._later]
        missing = [name for name in names if name not in section]
        if missing:
            raise ConfigError(f"the configuration lacks {', '.join(missing)}; it was not written by longsong")
        return cls(**{name: section[name] for name in names})

    def to_json(self) -> dict[str, Any]:
        """Give the section as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class DataConfig(_Section):
    """How examples lie in the song (FACTS sections 2 and 5; P02 to P06).

    Attributes
    ----------
    frame : int
        Samples in a frame.
    seq : int
        Frames in a sequence.
    batch : int
        Examples in a mini-batch.
    normalise : {'minmax', 'stdev', 'none'}
        How samples become numbers of about one.
    train_samples : int or None
        Samples of the train split, from the start of the song; None for the 2016 fraction.
    example_shift : int or None
        Samples from one pass over the song to the next, of which there are as many as make up an example; examples
        of different passes overlap, and the splits are cut from the list of all (D07). None for one pass.
    mean_shift : bool
        Shift what min-max normalisation gives by the song's mean (D12).
    """

    _later = frozenset({"example_shift", "mean_shift"})

    frame: int
    seq: int
    batch: int = 128
    normalise: Normalise = "minmax"
    train_samples: int | None = None
    example_shift: int | None = None
    mean_shift: bool = False

    def __post_init__(self) -> None:
        whole("frame", self.frame)
        whole("seq", self.seq)
        whole("batch", self.batch)
        choice("normalise", self.normalise, Normalise)
        if self.train_samples is not None:
            whole("train-samples", self.train_samples, most=10**15)
        length = self.frame * self.seq
        if self.example_shift is not None:
            whole("example-shift", self.example_shift)
            if self.example_shift == length or length % self.example_shift:
                raise ConfigError(
                    f"example-shift is {self.example_shift}, and an example of {self.frame} x {self.seq} samples is "
                    "made up of no whole number of those, from 2 on; give a part of it, such as its half"
                )
        if self.mean_shift and self.normalise != "minmax":
            raise ConfigError(f"mean-shift is of min-max normalisation, and normalise is {self.normalise!r}")


@dataclass(frozen=True)
class ModelConfig(_Section):
    """The network (FACTS section 4; P08 to P10).

    Attributes
    ----------
    cell : {'gru', 'lstm', 'rnn'}
        The recurrent cell.
    hidden : int
        Units in each layer.
    layers : int
        Recurrent layers.
    init_width : float
        Weights are drawn from U[-init_width, init_width].
    recurrence : {'time', 'batch'}
        The axis along which the state is carried: over time, as the post describes, or over the
        examples of the mini-batch, as the 2016 code did (D01).
    forget_bias : float
        Bias towards keeping the state that gates begin with: it is added to the LSTM's forget gate, and taken from
        the GRU's update gate. 0, as in 2016, for none.
    named_forget_bias : float
        The same for the layers called ``gru`` or ``lstm``, of which there is none: what 2016 tried (D06).
    """

    _later = frozenset({"forget_bias", "named_forget_bias"})

    cell: Cell = "gru"
    hidden: int = 199
    layers: int = 2
    init_width: float = 0.04
    recurrence: Recurrence = "time"
    forget_bias: float = 0.0
    named_forget_bias: float = 0.0

    def __post_init__(self) -> None:
        choice("cell", self.cell, Cell)
        whole("hidden", self.hidden, most=MOST_UNITS)
        whole("layers", self.layers, most=MOST_LAYERS)
        finite("init-width", self.init_width, above=0, most=_LARGEST)
        choice("recurrence", self.recurrence, Recurrence)
        finite("forget-bias", self.forget_bias, least=-_LARGEST, most=_LARGEST)
        finite("named-forget-bias", self.named_forget_bias, least=-_LARGEST, most=_LARGEST)
        if self.forget_bias and self.cell == "rnn":
            raise ConfigError(f"forget-bias is {self.forget_bias:g}, and an rnn has no gate to forget by; leave it out")


@dataclass(frozen=True)
class TrainingConfig(_Section):
    """The optimiser and how long it runs (FACTS section 4; P07).

    Attributes
    ----------
    epochs : int
        Passes over the train split.
    seed : int
        Seeds the initial weights and the order of the train examples.
    learning_rate, lr_decay : float
        The rate of the first epoch, and what it is multiplied by after each.
    rmsprop_decay : float
        The decay of RMSProp's running mean of squares.
    step_clip : float
        The largest L2 norm of a step; larger ones are scaled down to it.
    start_from : str or None
        Folder of a run whose best parameters are the initial ones.
    bare_resume : bool
        Where the run is stopped and goes on, it does so without the optimiser's state and with the learning rate of
        the first epoch (D10).
    """

    _later = frozenset({"bare_resume"})

    epochs: int = 30
    seed: int = 1
    learning_rate: float = 0.002
    lr_decay: float = 0.97
    rmsprop_decay: float = 0.95
    step_clip: float = 1.0
    start_from: str | None = None
    bare_resume: bool = False

    def __post_init__(self) -> None:
        whole("epochs", self.epochs)
        whole("seed", self.seed, 0, LARGEST_SEED)
        finite("learning-rate", self.learning_rate, above=0, most=_LARGEST)
        finite("lr-decay", self.lr_decay, above=0)
        # By logarithms: the power itself may be beyond any float.
        last = math.log(self.learning_rate) + self.epochs * math.log(self.lr_decay)
        if last > math.log(_LARGEST):
            raise ConfigError(
                f"lr-decay is {self.lr_decay!r}, which takes the learning rate beyond {_LARGEST:g} in "
                f"{self.epochs} epochs; give one of 1 or below"
            )
        finite("rmsprop-decay", self.rmsprop_decay, least=0)
        if self.rmsprop_decay >= 1:
            raise ConfigError(f"rmsprop-decay must be below 1, not {self.rmsprop_decay!r}")
        finite("step-clip", self.step_clip, above=0, most=_LARGEST)


@dataclass(frozen=True)
class ExecutionConfig(_Section):
    """Where and how finely it is computed; what is None is chosen at the first start and kept.

    Attributes
    ----------
    device : {'auto', 'cpu', 'cuda'}
        `auto` takes CUDA where there is one.
    precision : {'float32', 'float64', 'bfloat16', 'tf32'}
        Of parameters, states, optimiser and cost; ``bfloat16`` and ``tf32`` have them in float32, and products of
        operands in bfloat16, or with 10 bits behind the leading one as CUDA devices have it, with float32 sums.
    threads : int or None
        CPU threads; None for the cores there are.
    micro_batch : int or None
        Rows of a mini-batch computed at once (positions of the sequence, where the recurrence runs
        over the mini-batch); None for as many as memory holds.
    form : {'fused', 'reference'}
        How cost and gradient are computed: the fast form, or the reference cells under automatic
        differentiation. Option ``--recurrence``.
    elementwise : {'compiled', 'kernel', 'plain'} or None
        How the fused form does what is no matrix product: in compiled loops (CPU), in one kernel together with the
        products of a step (CUDA), in operations of torch; None for what pays.
    segment : int or None
        Steps of the recurrence whose states stand in memory at once, in the fused form; the others' are
        computed a second time on the way back. None for as many as memory holds.
    memory : int or None
        Bytes that the process (on CUDA: the device) may hold at most; None for three quarters of what is free.
    deterministic : bool
        On CUDA the same bytes each time, for some of its speed; a CPU gives them anyway.
    """

    device: Device = "auto"
    precision: Precision = "float32"
    threads: int | None = None
    micro_batch: int | None = None
    form: Form = "fused"
    elementwise: Elementwise | None = None
    segment: int | None = None
    memory: int | None = None
    deterministic: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.deterministic, bool):
            raise ConfigError(f"deterministic must be true or false, not {reprlib.repr(self.deterministic)}")
        choice("device", self.device, Device)
        choice("precision", self.precision, Precision)
        choice("recurrence", self.form, Form)
        if self.threads is not None:
            whole("threads", self.threads, most=1024)
        if self.micro_batch is not None:
            whole("micro-batch", self.micro_batch)
        if self.elementwise is not None:
            choice("elementwise", self.elementwise, Elementwise)
        if self.segment is not None:
            whole("segment", self.segment)
        if self.memory is not None:
            whole("memory", self.memory, most=10**15)
        if self.form == "reference":
            fused_alone = {
                "precision": self.precision if self.precision in ("bfloat16", "tf32") else None,
                "segment": self.segment,
                "elementwise": self.elementwise,
            }
            for name, value in fused_alone.items():
                if value is not None:
                    raise ConfigError(f"{name} {value} is of the fused form alone; leave it out, or take that form")

    @classmethod
    def from_json(cls, section: Mapping[str, Any]) -> Self:
        """Make the section from a mapping, as `_Section.from_json`.

        What was written before there was a fused form has no word of it: it was computed by the reference form.
        """
        later = {"form": "reference", "elementwise": None, "segment": None, "memory": None}
        section = {"deterministic": False, **section}
        return super().from_json(section if later.keys() & section.keys() else {**section, **later})

    def to_json(self) -> dict[str, Any]:
        """Give the section as a mapping of plain values; `deterministic` only where it is asked for."""
        return {name: value for name, value in super().to_json().items() if name != "deterministic" or value}


@dataclass(frozen=True)
class CacheConfig:
    """Where the shards of a URL are kept, and what they may take; of no meaning for a folder.

    Attributes
    ----------
    folder : Path or None
        None for the user's own cache.
    bytes : int or None
        None for what `streams.cache.ShardCache` takes by itself.
    """

    folder: Path | None = None
    bytes: int | None = None

    def __post_init__(self) -> None:
        if self.bytes is not None:
            whole("cache-bytes", self.bytes, most=10**18)


@dataclass(frozen=True)
class RunConfig:
    """All that a run is asked to be.

    Attributes
    ----------
    shards : Path or str
        Folder or URL of the song's shards.
    data, model, training, execution
        One section each.
    out : Path or None
        The run's folder; None for ``runs/`` and `name`.
    cache : CacheConfig
        Where shards of a URL are kept.
    given : frozenset of str
        Settings of `execution` that are asked for although they may be the default: a run that was started with
        others does not go on.
    """

    shards: Path | str
    data: DataConfig
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    execution: ExecutionConfig = field(default_factory=ExecutionConfig)
    out: Path | None = None
    cache: CacheConfig = field(default_factory=CacheConfig)
    given: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """A name that tells runs of one song apart: ``1000x100-gru-199-s1``."""
        name = f"{self.data.frame}x{self.data.seq}-{self.model.cell}-{self.model.hidden}-s{self.training.seed}"
        if self.model.forget_bias:
            name += f"-forget-bias-{self.model.forget_bias:g}"
        return "-".join([name, "as-coded", *self.as_coded]) if self.as_coded else name

    @property
    def as_coded(self) -> tuple[TrainingSwitch, ...]:
        """What is done as the 2016 code did (`longsong.switches`)."""
        on: dict[TrainingSwitch, bool] = {
            "recurrence": self.model.recurrence == "batch",
            "overlap": self.data.example_shift is not None,
            "bare-resume": self.training.bare_resume,
            "mean-shift": self.data.mean_shift,
            "forget-bias": self.model.named_forget_bias != 0,
        }
        return tuple(name for name, is_on in on.items() if is_on)

    @property
    def folder(self) -> Path:
        """Where the run is written."""
        return self.out if self.out is not None else Path("runs") / self.name
