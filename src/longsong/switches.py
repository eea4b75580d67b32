"""The ways of the 2016 code that can be switched on one at a time, each by its name (FACTS section 6).

What the 2016 code did and what the post says are two replications; each difference between them is off by default.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from longsong.config import RunConfig, Switch, TrainingSwitch, choice
from longsong.errors import ConfigError

__all__ = [
    "DESCRIBED",
    "DEVIATIONS",
    "FORGET_BIAS",
    "IN_FORCE",
    "TOGETHER",
    "TRAIN_SEED",
    "Deviation",
    "deviations_of",
    "explained",
    "format_switches",
    "switch_on",
]

Stage = Literal["training", "generating"]

DESCRIBED, TOGETHER, IN_FORCE = "described", "all", "forget-bias-in-force"
"""What is compared with single switches: none of them on, all of them on, and a forget bias that works (beside D06)."""

FORGET_BIAS = 1.0
"""What the variants of 2016 that were named for it meant to set (D06)."""

TRAIN_SEED = 400
"""The example of the train split that the scripts of 2016 began with (D15)."""


@dataclass(frozen=True)
class Deviation:
    """A difference of the 2016 code from the post that is a switch.

    Attributes
    ----------
    name : str
        What it is switched on by: ``--as-coded NAME``.
    id : str
        Its row in the audit, such as ``D01``.
    stage : {'training', 'generating'}
        Whether `longsong train` has it, or `longsong generate`.
    does : str
        What it does, in one sentence.
    """

    name: TrainingSwitch | Switch
    id: str
    stage: Stage
    does: str


DEVIATIONS: tuple[Deviation, ...] = (
    Deviation(
        "recurrence",
        "D01",
        "training",
        "carry the state from one shuffled example of the mini-batch to the next, never along time",
    ),
    Deviation(
        "overlap",
        "D07",
        "training",
        "cut the song into examples a second time, half an example later, and split the list of all: most of the "
        "second pass is trained on as well, and the dev split is its end, shifted copies of audio that was trained on",
    ),
    Deviation(
        "bare-resume",
        "D10",
        "training",
        "go on after a stop from the parameters alone: the optimiser's state is zero and the learning rate the first",
    ),
    Deviation(
        "mean-shift",
        "D12",
        "training",
        "shift the samples by the song's mean, but normalise by minimum and maximum from before the shift",
    ),
    Deviation(
        "forget-bias",
        "D06",
        "training",
        "set a bias of 1 in the layers named gru or lstm; there is none of that name, so it changes nothing",
    ),
    Deviation(
        "untrained",
        "D02",
        "generating",
        "predict by a new network that has no recurrent layer, only the two linear maps",
    ),
    Deviation(
        "whole-sequences",
        "D03",
        "generating",
        "write whole predicted sequences, not the last frame of each",
    ),
    Deviation(
        "upside-down",
        "D04",
        "generating",
        "feed predictions back upside down, with their level expanded to that of all so far",
    ),
    Deviation(
        "stretch",
        "D13",
        "generating",
        "stretch the sound so that its minimum and maximum are -3000 and 3000",
    ),
    Deviation(
        "drop-seq",
        "D14",
        "generating",
        "run seq more iterations than are needed, and drop the first seq",
    ),
    Deviation(
        "train-seed",
        "D15",
        "generating",
        "begin with example 400 of the train split",
    ),
)
"""All of them, in the order in which they are shown."""


def deviations_of(stage: Stage) -> tuple[Deviation, ...]:
    """Give those of one stage."""
    return tuple(one for one in DEVIATIONS if one.stage == stage)


def explained(stage: Stage) -> str:
    """Give the switches of one stage and what they do in a line, for the help of a command."""
    return "; ".join(f"{one.name} ({one.id}): {one.does}" for one in deviations_of(stage))


def switch_on(config: RunConfig, names: Sequence[str]) -> RunConfig:
    """Give the configuration of a run with some ways of the 2016 code on.

    Parameters
    ----------
    config : RunConfig
    names : sequence of str
        Of switches of training.

    Raises
    ------
    ConfigError
        There is no such switch, or the configuration cannot have it.
    """
    data, model, training = config.data, config.model, config.training
    for name in names:
        choice("as-coded", name, TrainingSwitch)
    if "recurrence" in names:
        model = replace(model, recurrence="batch")
    if "forget-bias" in names:
        model = replace(model, named_forget_bias=FORGET_BIAS)
    if "bare-resume" in names:
        training = replace(training, bare_resume=True)
    if "mean-shift" in names:
        data = replace(data, mean_shift=True)
    if "overlap" in names:
        length = data.frame * data.seq
        if length % 2:
            raise ConfigError(
                f"as-coded overlap shifts by half an example, and {data.frame} x {data.seq} samples have no half; "
                "give an even --frame or --seq"
            )
        data = replace(data, example_shift=length // 2)
    return replace(config, data=data, model=model, training=training)


def format_switches(width: int = 100) -> str:
    """Give all switches as a table that explains them.

    Parameters
    ----------
    width : int
        Columns of the terminal.
    """
    names = max(len(name) for kind in (TrainingSwitch, Switch) for name in get_args(kind))
    lines = []
    commands = {"training": "longsong train ... --as-coded NAME", "generating": "longsong generate ... --as-coded NAME"}
    for stage in get_args(Stage):
        lines.append(f"{stage} ({commands[stage]})")
        for one in deviations_of(stage):
            head = f"  {one.name:<{names}}  {one.id}  "
            lines += textwrap.wrap(one.does, width, initial_indent=head, subsequent_indent=" " * len(head))
        lines.append("")
    lines += textwrap.wrap(
        "Each is off by default and may be combined with others. `longsong audit RUNS --as-coded` trains and generates "
        "with each of them and says what it does to the cost, the sound and the time.",
        width,
    )
    return "\n".join(lines)
