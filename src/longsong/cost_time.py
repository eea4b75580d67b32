"""How long a configuration takes on a song that one does not have, from what its steps cost (`longsong.cost_steps`)."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from longsong.config import DataConfig
from longsong.cost_model import Workload
from longsong.estimate import Costs, Speed
from longsong.generating import GENERATED_SECONDS
from longsong.scheduling.order import Job, makespan
from longsong.training.plan import Plan
from longsong.training.splits import Splits
from streams import ShardWriter

__all__ = [
    "RunTime",
    "all_reduce_seconds",
    "measure_reading",
    "ranks_of",
    "run_time",
    "share_of_rank",
    "whole_grid",
]

_ANY = 1000
"""Of the song that is read: neither its rate nor the frame changes how long that takes."""


def all_reduce_seconds(parameters: int, itemsize: int, ranks: int, bandwidth: float) -> float:
    """Give the seconds in which ranks add up a gradient: each sends and receives 2 (n - 1) / n of its bytes.

    The least that there can be for bytes sent (Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms for clusters
    of workstations, J. Parallel Distrib. Comput. 69, 2009); what a message takes however short it is, is left out.

    Parameters
    ----------
    parameters, itemsize : int
    ranks : int
    bandwidth : float
        Bytes a second between any two, in each direction.
    """
    return 2 * (ranks - 1) / ranks * parameters * itemsize / bandwidth


@dataclass(frozen=True)
class RunTime:
    """Seconds of a run.

    Attributes
    ----------
    update : float
        A full mini-batch, on one device.
    alone : float
        All of it on one device, with its sound.
    shared : float
        The same where all devices share each mini-batch.
    sound : float
        Of both, the sound's.
    """

    update: float
    alone: float
    shared: float
    sound: float


def ranks_of(load: Workload, devices: int) -> int:
    """Give how many of the devices have rows of a mini-batch; more than there are rows gain nothing."""
    return min(devices, load.train, load.data.batch)


def share_of_rank(load: Workload, ranks: int) -> Workload:
    """Give what the rank computes that has most: of each mini-batch as many rows, rounded up, and of all examples."""
    data = replace(load.data, batch=-(-load.data.batch // ranks))
    return replace(load, data=data, train=-(-load.train // ranks), dev=-(-load.dev // ranks))


def run_time(
    load: Workload, costs: Costs, plan: Plan, rank_plan: Plan, ranks: int, itemsize: int, bandwidth: float
) -> RunTime:
    """Give how long a run takes, on one device and on several.

    Parameters
    ----------
    load : Workload
        With an example to train on.
    costs : Costs
    plan, rank_plan : Plan
        Of memory: of one process that computes all, and of a rank that has its share (`share_of_rank`).
    ranks : int
        Devices that share each mini-batch.
    itemsize : int
        Bytes of a parameter.
    bandwidth : float
        As for `all_reduce_seconds`.
    """
    speed = Speed(load.model, costs, lambda data, train, dev: plan)
    sound = speed.generation_seconds(load.data, round(GENERATED_SECONDS * load.song.sample_rate))
    update = speed.training_seconds(load.data, min(load.train, load.data.batch), 0, 1)
    alone = speed.training_seconds(load.data, load.train, load.dev, load.epochs) + sound
    share = share_of_rank(load, ranks)
    of_rank = Speed(load.model, costs, lambda data, train, dev: rank_plan)
    together = of_rank.training_seconds(share.data, share.train, share.dev, share.epochs) + sound
    together += load.updates * all_reduce_seconds(load.parameters, itemsize, ranks, bandwidth)
    return RunTime(update, alone, together, sound)


def whole_grid(times: Sequence[RunTime], devices: int) -> tuple[float, float]:
    """Give the seconds of all runs: side by side, one on each device, and one after the other, each on all devices."""
    jobs = [Job(str(number), time.alone) for number, time in enumerate(times)]
    return makespan(jobs, [], devices), sum(time.shared for time in times)


def measure_reading(samples: int = 1 << 23) -> float:
    """Measure the seconds for each sample of a song that a new run spends on it beside its updates.

    Every byte is compared with its checksum before the first update, and the costs of predicting zero and the mean are
    summed up after the last; both in the page cache, from a song of noise that is written for it.

    Parameters
    ----------
    samples : int
        Of that song.
    """
    noise = np.random.default_rng(1).integers(-20_000, 20_000, samples, dtype=np.int16)
    with tempfile.TemporaryDirectory(prefix="longsong-plan-") as folder:
        shards = Path(folder) / "noise"
        with ShardWriter(shards, sample_rate=_ANY, source=[], made_by={}) as writer:
            writer.write(noise)
        splits = Splits.open(shards, DataConfig(_ANY, 1))
        begun = time.perf_counter()
        splits.song.verify()
        splits.baselines()
        return (time.perf_counter() - begun) / samples
