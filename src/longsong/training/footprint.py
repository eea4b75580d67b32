"""What a run holds in memory, part by part (``docs/decisions/009-memory.md``)."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import torch

from longsong.config import DataConfig, ExecutionConfig, ModelConfig
from longsong.model import Network
from longsong.model.fused import FusedGradient, has_bfloat16
from longsong.training.device import DTYPES
from longsong.training.evaluation import BYTES_TOGETHER
from longsong.training.forms import make_gradient
from longsong.training.memory import resident_bytes
from longsong.training.splits import mini_batch_bytes, prefetched
from streams.blocks import Blocks

__all__ = ["Work", "bytes_per_row", "least_memory", "standing_bytes", "working_bytes"]

# Vectors of `hidden` numbers for one step of one layer of the reference cells, and vectors of `frame` numbers for
# one step of the input and output layers: the peak of resident memory over updates on a CPU, rounded up
# (docs/LOG.md). A test holds them against what autograd keeps.
_STATES_HELD = {"gru": 14, "lstm": 21, "rnn": 6}
_FRAMES_HELD = 7

_LIBRARIES = 80 << 20
"""What is loaded between the plan and the end of the first update, but for numba: TensorBoard, safetensors, kernels.
It differs from start to start: 44 MiB to 80 in nine starts of one run."""

_NUMBA = 72 << 20
"""What numba takes once it is imported, and as much again once it has compiled something."""

_VECTORS = 6
"""Vectors of all parameters: they, RMSProp's mean squares, the gradient, and while a checkpoint is written three."""

_OPERANDS = {"gru": 3, "lstm": 5, "rnn": 2}
"""Widths, in hidden units, of the two largest operands of one product: the gates' gradients, and a layer's inputs."""

_OPERANDS_AT_ONCE = {"gru": 4, "lstm": 5, "rnn": 2}
"""Of all that are held for several products, on a device where layers go side by side and each holds its own."""

_ROUNDED, _EMULATED = 0.5, 1.5
"""Numbers beside an operand that is rounded to bfloat16: itself in half the bytes, and where that is emulated again."""

_SONG = "the song"
"""What the pages of mapped shards are called."""

_SHARE_OF_SONG = 0.25
"""Of the memory that pages of mapped shards count for at most: what is beyond, the system takes back when needed."""


@dataclass(frozen=True)
class Work:
    """What a run is to compute, as far as its memory depends on it.

    Attributes
    ----------
    train, dev : int
        Examples.
    epochs : int
    samples : int
        Of the song.
    """

    train: int
    dev: int
    epochs: int
    samples: int

    def rows_and_steps(self, data: DataConfig, model: ModelConfig) -> tuple[int, int]:
        """Give the rows and the steps of the recurrence of a mini-batch: of a full one, or of all there is.

        Over time, rows are examples and steps positions of the sequence; over the mini-batch (D01) it is the other
        way round.
        """
        batch = min(data.batch, self.train)
        return (batch, data.seq) if model.recurrence == "time" else (data.seq, batch)

    def steps(self, data: DataConfig, model: ModelConfig) -> int:
        """Give the steps of the recurrence in all updates."""
        return self.rows_and_steps(data, model)[1] * self.epochs * -(-self.train // data.batch)


def bytes_per_row(data: DataConfig, model: ModelConfig, itemsize: int) -> int:
    """Estimate the memory that one row of a mini-batch takes in an update by the reference form.

    A row is an example; where the recurrence runs over the mini-batch (D01), a position of the sequence
    over all examples.

    Parameters
    ----------
    data, model
        The shapes.
    itemsize : int
        Bytes of a number.

    Returns
    -------
    int
        Bytes.
    """
    steps = data.seq if model.recurrence == "time" else data.batch
    numbers = _FRAMES_HELD * data.frame + (2 + _STATES_HELD[model.cell] * model.layers) * model.hidden
    return steps * numbers * itemsize


def working_bytes(data: DataConfig, network: Network, execution: ExecutionConfig, rows: int, steps: int) -> int:
    """Give what an update computes in: activations, borders of segments, pieces of frames.

    Parameters
    ----------
    data : DataConfig
    network : Network
    execution : ExecutionConfig
        With its micro-batch and segment.
    rows, steps : int
        Of a mini-batch.
    """
    gradient, itemsize = make_gradient(network, execution), DTYPES[execution.precision].itemsize
    at_once, segment = min(rows, execution.micro_batch or rows), min(steps, execution.segment or steps)
    if not isinstance(gradient, FusedGradient):
        return at_once * bytes_per_row(data, network.config, itemsize)
    beside, config = 0.0, network.config
    if execution.precision == "bfloat16":
        beside = _ROUNDED if has_bfloat16() or execution.device != "cpu" else _EMULATED
    widths = _OPERANDS[config.cell] if execution.device == "cpu" else _OPERANDS_AT_ONCE[config.cell] * config.layers
    operands = at_once * segment * widths * config.hidden * itemsize
    return gradient.workspace_bytes(rows, steps, itemsize) + int(beside * operands)


def standing_bytes(
    data: DataConfig, network: Network, execution: ExecutionConfig, work: Work, device: torch.device, memory: int
) -> dict[str, int]:
    """Give what a run holds however its updates are split, by what it is for.

    Parameters
    ----------
    data : DataConfig
    network : Network
    execution : ExecutionConfig
    work : Work
    device : device
    memory : int
        Bytes that it may take in all.
    """
    dtype = DTYPES[execution.precision]
    parts = {"parameters": _VECTORS * network.size * dtype.itemsize}
    if device.type != "cpu":
        # A mini-batch as samples and as numbers, and one more while the next is on its way; its frames where
        # an update that is captured reads them.
        return parts | {"mini-batches": 4 * mini_batch_bytes(data.frame, data.seq, min(data.batch, work.train))}
    ahead = prefetched(data)
    # Of the dev split two groups at once, or as many mini-batches as of the train split.
    sizes = [_held(data, work.train, ahead, 0), _held(data, work.dev, ahead, 2 * BYTES_TOGETHER)]
    if dtype != torch.float32:
        # What is read is turned into the other type: a mini-batch of the train split, and each group of the dev split.
        sizes.append(mini_batch_bytes(data.frame, data.seq, min(data.batch, work.train)) * dtype.itemsize // 4)
        sizes.append(sizes[1] * (dtype.itemsize - 4) // 4)
    compiles = execution.elementwise == "compiled"
    compiles = compiles or work.epochs * work.train * data.frame * data.seq >= Blocks.compile_after
    process = resident_bytes() + _LIBRARIES
    if compiles:
        process += _NUMBA if "numba" in sys.modules else 2 * _NUMBA
    return {"the process": process, _SONG: _song_pages(work, memory), "mini-batches": sum(sizes), **parts}


def _song_pages(work: Work, memory: float) -> int:
    """Give what the pages of mapped shards count for in a memory of so many bytes."""
    return min(2 * work.samples, int(_SHARE_OF_SONG * memory))


def least_memory(parts: dict[str, int], work: Work) -> dict[str, int]:
    """Give the same parts in the least memory that holds them: what the song counts for depends on it."""
    if _SONG not in parts:
        return parts
    others = sum(parts.values()) - parts[_SONG]
    return parts | {_SONG: _song_pages(work, others / (1 - _SHARE_OF_SONG))}


def _held(data: DataConfig, examples: int, ahead: int, least: int) -> int:
    """Give the bytes of mini-batches of a split at once: those made ahead, the one in use, and the one before it."""
    full, everything = (mini_batch_bytes(data.frame, data.seq, n) for n in (data.batch, examples))
    return min(max((ahead + 2) * full, least), everything)
