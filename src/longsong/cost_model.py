"""What a configuration costs on a song that one does not have: counts, operations, bytes. Nothing here is measured.

Counts are the data layer's own (`streams.Windows`), operations those of `longsong.training.floor`, memory and disk
those of `longsong.training.plan`: there is no second model of any of them.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import cast

import numpy as np
import torch

import streams
from longsong.config import DataConfig, ExecutionConfig, ModelConfig
from longsong.generating import GENERATED_SECONDS
from longsong.model import Network
from longsong.training.device import DTYPES
from longsong.training.floor import products_of_update
from longsong.training.footprint import Work
from longsong.training.forms import choose_elementwise
from longsong.training.plan import Plan, bytes_on_disk, make_plan
from longsong.units import human_bytes
from streams.checksum import CHECKSUM, DIGITS
from streams.errors import SchemeError
from streams.index import LARGEST_INDEX
from streams.index_shards import shard_document
from streams.shard import BYTES_PER_SAMPLE, Shard, column
from streams.statistics import Statistics
from streams.windows import Recording
from streams.writer import BLOCK_SAMPLES, BLOCKS_PER_SHARD

__all__ = ["SongSize", "Workload", "breaking_points", "order_bytes", "plan_memory", "workload"]

_TAR = tarfile.BLOCKSIZE
_ARRAY_HEADER = 128
"""Bytes before the samples of a ``.npy`` of one dimension (NumPy's format 1.0: a multiple of 64)."""


@dataclass(frozen=True)
class SongSize:
    """The length of a song, and what its shards take.

    Attributes
    ----------
    samples : int
    sample_rate : int
        In Hz.
    block_samples, blocks_per_shard : int
        Samples of a member and members of a shard, as `streams.writer.ShardWriter` has them.
    """

    samples: int
    sample_rate: int
    block_samples: int = BLOCK_SAMPLES
    blocks_per_shard: int = BLOCKS_PER_SHARD

    @property
    def members(self) -> int:
        """Blocks of consecutive samples."""
        return -(-self.samples // self.block_samples)

    @property
    def shards(self) -> int:
        """Files."""
        return -(-self.members // self.blocks_per_shard)

    def shard_bytes(self, flac_ratio: float | None = None) -> int:
        """Give the bytes of all tars.

        Parameters
        ----------
        flac_ratio : float or None
            Bytes of a FLAC member over those of its samples; None for members that hold samples as they are.
        """
        full, rest = divmod(self.samples, self.block_samples)
        member = self._member_bytes(self.block_samples, flac_ratio)
        members = full * member + (self._member_bytes(rest, flac_ratio) if rest else 0)
        in_full_shards = (self.shards - 1) * self.blocks_per_shard * member
        others = (self.shards - 1) * _tar_bytes(self.blocks_per_shard * member)
        return others + _tar_bytes(members - in_full_shards)

    def index_bytes(self, flac_ratio: float | None = None) -> int:
        """Estimate the bytes of ``index.json``: as many entries as there are shards, each like the last full one."""
        return self.shards * (len(json.dumps(self._entry(flac_ratio))) + len(",\n  "))

    def _entry(self, flac_ratio: float | None) -> Mapping[str, object]:
        count = min(self.members, self.blocks_per_shard)
        stored = [self._stored(self.block_samples, flac_ratio) for _ in range(count)]
        if flac_ratio is not None:  # no two are alike
            stored = [size + _TAR * (number % 2) for number, size in enumerate(stored)]
        steps = [3 * _TAR + _padded(size) for size in stored]
        offsets = [3 * _TAR + at for at in accumulate([0, *steps[:-1]])]
        shard = Shard(
            name=f"song-{self.shards - 1:06d}.tar",
            bytes=_tar_bytes(sum(steps)),
            sha256="0" * DIGITS["sha256"],
            start=max(0, (self.shards - 2) * self.blocks_per_shard * self.block_samples),
            samples=count * self.block_samples,
            offsets=column(offsets),
            lengths=column([self.block_samples] * count),
            sizes=column(stored),
            checks="0" * (DIGITS[CHECKSUM] * count),
            names=None,
            first=0,
            encoding="npy" if flac_ratio is None else "flac",
        )
        return shard_document(shard, self.block_samples)

    @staticmethod
    def _stored(samples: int, flac_ratio: float | None) -> int:
        size = BYTES_PER_SAMPLE * samples
        return _ARRAY_HEADER + size if flac_ratio is None else max(1, round(flac_ratio * size))

    def _member_bytes(self, samples: int, flac_ratio: float | None) -> int:
        """Give a member's bytes in its tar: two headers, the place as JSON in one more block, and what is stored."""
        return 3 * _TAR + _padded(self._stored(samples, flac_ratio))


@dataclass(frozen=True)
class Workload:
    """What a run computes.

    Attributes
    ----------
    song : SongSize
    data : DataConfig
    model : ModelConfig
    epochs : int
    train, dev : int
        Examples; `train` is 0 where the song is too short for one.
    parameters : int
    """

    song: SongSize
    data: DataConfig
    model: ModelConfig
    epochs: int
    train: int
    dev: int
    parameters: int

    @classmethod
    def of(cls, song: SongSize, data: DataConfig, model: ModelConfig, epochs: int, train: int, dev: int) -> Workload:
        """Give what a run computes on so many examples."""
        return cls(song, data, model, epochs, train, dev, Network(model, data.frame).size)

    @property
    def name(self) -> str:
        """The shape, as ``1000x100``."""
        return f"{self.data.frame}x{self.data.seq}"

    @property
    def updates_per_epoch(self) -> int:
        """Mini-batches of the train split; the last may be shorter."""
        return -(-self.train // self.data.batch)

    @property
    def updates(self) -> int:
        """In all epochs."""
        return self.epochs * self.updates_per_epoch

    @property
    def work(self) -> Work:
        """What the plan of its memory depends on."""
        return Work(self.train, self.dev, self.epochs, self.song.samples)

    @property
    def steps(self) -> int:
        """Of the recurrence, in all updates."""
        return self.work.steps(self.data, self.model) if self.train else 0

    def operations(self) -> dict[str, int]:
        """Count multiplications and additions of all matrix products, by part of the network.

        A product of (m, k) by (k, n) has 2 m k n of them. Each weight is in three products of an update: forward, back
        to what it was given, and for its own gradient; the input layer's in two, since nobody asks for the gradient of
        the song (`longsong.training.floor.products_of_update`; FACTS section 4 has the equations). So for each frame of
        each example, with frames of F samples and layers of N units, an update has::

            layers * c * N^2    recurrence: c is 36 (GRU: 6 N^2 weights), 48 (LSTM: 8 N^2), 12 (RNN: 2 N^2)
            4 F N + 6 F N       input and output layer

        An evaluation has the forward products alone. What is no matrix product grows with N and F, not with their
        products, and is left out; so are states that are computed a second time where memory is short.

        Returns
        -------
        dict of str to int
            ``input``, ``recurrence``, ``output``: of all epochs, with an evaluation before the first and after each.
        """
        network = Network(self.model, self.data.frame)
        found = {"input": 0, "recurrence": 0, "output": 0}
        for product in products_of_update(network, steps=self.data.seq, rows=1):
            forward = self.dev * (self.epochs + 1) if product.role == "forward" else 0
            found[product.kind] += product.flops * (self.train * self.epochs + forward)
        return found

    def disk_bytes(self, execution: ExecutionConfig, keep_checkpoints: int = 1) -> int:
        """Give the bytes of the run's folder while it trains: checkpoints, metrics, and the sound at the end."""
        itemsize = DTYPES[execution.precision].itemsize
        sound = 2 * BYTES_PER_SAMPLE * round(GENERATED_SECONDS * self.song.sample_rate)  # a wav, and in TensorBoard
        return bytes_on_disk(self.parameters, itemsize, self.updates, keep_checkpoints) + sound


def workload(song: SongSize, data: DataConfig, model: ModelConfig, epochs: int) -> Workload:
    """Count the examples of a shape in a song of that length, as `longsong.training.splits.Splits` does.

    Parameters
    ----------
    song : SongSize
    data : DataConfig
    model : ModelConfig
    epochs : int
    """
    recording, split = cast("Recording", _Length(song.samples)), streams.train_samples(song.samples)
    train = len(streams.Windows(recording, data.frame, data.seq, stop=split, normalise="none"))
    dev = len(streams.Windows(recording, data.frame, data.seq, start=split, normalise="none"))
    return Workload.of(song, data, model, epochs, train, dev)


def plan_memory(load: Workload, execution: ExecutionConfig, device: torch.device, memory: int) -> Plan:
    """Plan how updates are split, and the memory of the process, as a new run does.

    Parameters
    ----------
    load : Workload
        With an example to train on.
    execution : ExecutionConfig
    device : device
        Need not be here.
    memory : int
        Bytes that the run may hold.

    Raises
    ------
    SpaceError
        Not even the smallest pieces fit.
    """
    elementwise = choose_elementwise(execution, device, load.steps)
    execution = replace(execution, elementwise=elementwise)
    return make_plan(load.data, Network(load.model, load.data.frame), execution, load.work, device, memory)


def breaking_points(load: Workload, flac_ratio: float | None = None) -> list[str]:
    """Name what of a run does not go as in short ones, or not at all, by the limits of the code that would meet it.

    Parameters
    ----------
    load : Workload
    flac_ratio : float or None
        As for `SongSize.shard_bytes`.
    """
    song, found = load.song, []
    if not load.train:
        needed = load.data.frame * load.data.seq
        found.append(f"one example has {needed:,} samples, and there are {streams.train_samples(song.samples):,}")
    elif not load.dev:
        found.append("no dev example: the last parameters count as the best")
    try:
        streams.ShuffledScheme(load.train, load.data.batch)
    except SchemeError as error:
        found.append(f"the order of an epoch is refused: {error}")
    if (size := song.index_bytes(flac_ratio)) > LARGEST_INDEX:
        found.append(
            f"index.json would have some {human_bytes(size)}, and {human_bytes(LARGEST_INDEX)} are read at most"
        )
    return found


def order_bytes(load: Workload) -> int:
    """Give the bytes of the list that an epoch's shuffled order is, which no plan of memory counts."""
    return np.dtype(np.int64).itemsize * load.train


class _Length:
    """The length of a song, which is all that counting its windows asks for."""

    statistics = Statistics(count=1, sum=0, sum_of_squares=0, minimum=0, maximum=0)

    def __init__(self, samples: int) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return self._samples


def _padded(size: int) -> int:
    """Give the bytes that a member of so many has in a tar."""
    return -(-size // _TAR) * _TAR


def _tar_bytes(members: int) -> int:
    """Give the bytes of a tar whose members have so many with their headers: two empty blocks end it."""
    return -(-(members + 2 * _TAR) // tarfile.RECORDSIZE) * tarfile.RECORDSIZE
