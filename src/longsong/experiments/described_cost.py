"""What all runs of an experiment share, however they were trained: the dev split as described, and a seed from it."""

from __future__ import annotations

import math

import numpy as np
import torch

import streams
from longsong.errors import NotFiniteError
from longsong.generating import Seed
from longsong.runs import Run
from longsong.training.device import available_threads
from longsong.training.evaluation import DevGroups
from longsong.training.forms import make_gradient
from longsong.training.splits import DEV_SEED, Splits

__all__ = ["described_cost", "described_seed"]


def described_cost(run: Run, described: Splits) -> float:
    """Compute the dev cost of a run's parameters on the dev split as described.

    The network is given samples as it was trained on them (its own normalisation), and computes as it was trained (its
    own axis of the recurrence); the cost is brought to the scale as described. It is the unweighted mean over
    mini-batches, in the order of the evaluation after the run's epoch: of a run as described it is what that reports.

    Parameters
    ----------
    run : Run
    described : Splits
        Of the same song, frame and sequence; with a dev example or more.

    Raises
    ------
    NotFiniteError
        It is not.
    """
    execution = run.record.execution
    torch.set_num_threads(execution.threads or available_threads())
    form = make_gradient(run.network, execution)
    own = _as_trained_on(run, described)
    stream = streams.DataStream(
        own, streams.ShuffledScheme(len(own), described.data.batch, DEV_SEED), rank=0, world_size=1
    )
    stream.load_state_dict(stream.state_dict() | {"epoch": run.epoch})
    costs: list[float] = []
    for group in DevGroups(stream, run.device, run.parameters.dtype):
        costs += form.costs(run.parameters, *group)
    cost = math.fsum(costs) / len(costs)
    if not math.isfinite(cost):
        raise NotFiniteError(f"{run.folder}: its dev cost on the dev split as described is {cost}; train it again")
    return cost * (described.train.normaliser.scale / own.normaliser.scale) ** 2


def described_seed(run: Run, described: Splits) -> Seed:
    """Give the first dev example as described as a seed, as a run was trained on such."""
    own = _as_trained_on(run, described)
    inputs, _ = own.read(np.array([0]))
    start = own.first_sample(0)
    origin = {"source": "dev", "example": 0, "start": start, "stop": start + inputs[0].size, "file": None}
    return Seed(np.array(inputs[0]), origin)


def _as_trained_on(run: Run, described: Splits) -> streams.Windows:
    """Give the dev examples as described with the normalisation of a run."""
    dev, song = described.dev, run.record.song
    windows = streams.Windows(dev.song, dev.frame, dev.seq, start=dev.start)
    windows.normaliser = streams.Normaliser(song["scale"], song["offset"])
    return windows
