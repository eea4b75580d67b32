"""What fits: the rows of a mini-batch that are computed at once."""

from __future__ import annotations

import torch

from longsong.config import DataConfig, ModelConfig
from longsong.errors import SpaceError
from longsong.units import human_bytes

__all__ = ["bytes_on_disk", "bytes_per_row", "choose_micro_batch", "free_memory"]

# Vectors of `hidden` numbers for one step of one layer of the reference cells, and vectors of `frame` numbers for
# one step of the input and output layers: the peak of resident memory over updates on a CPU, rounded up
# (docs/LOG.md). A test holds them against what autograd keeps.
_STATES_HELD = {"gru": 16, "lstm": 14, "rnn": 5}
_FRAMES_HELD = 7
_SHARE_OF_FREE = 0.5
_BYTES_OF_METRICS = 8 << 20  # and TensorBoard; an update takes about 1 KiB


def bytes_on_disk(parameters: int, itemsize: int) -> int:
    """Give the bytes that a run with that many parameters may take on the disk at once, without its sound.

    Parameters and optimiser, twice while one checkpoint replaces another, the best parameters, and the metrics.
    """
    return 5 * parameters * itemsize + _BYTES_OF_METRICS


def bytes_per_row(data: DataConfig, model: ModelConfig, itemsize: int) -> int:
    """Estimate the memory that one row of a mini-batch takes in an update.

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


def free_memory(device: torch.device) -> int:
    """Give the bytes of memory that are free on the device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    import psutil

    return int(psutil.virtual_memory().available)


def choose_micro_batch(data: DataConfig, model: ModelConfig, itemsize: int, free: int) -> int:
    """Choose how many rows of a mini-batch are computed at once, so that half of `free` bytes suffices.

    The mini-batch is cut into pieces of equal size (the last may be smaller).

    Raises
    ------
    SpaceError
        Not even one row fits.
    """
    rows = data.batch if model.recurrence == "time" else data.seq
    each = bytes_per_row(data, model, itemsize)
    at_once = int(_SHARE_OF_FREE * free) // each
    if at_once < 1:
        raise SpaceError(
            f"{data.frame}x{data.seq} with hidden {model.hidden} takes {human_bytes(each)} for one row of a "
            f"mini-batch, and {human_bytes(_SHARE_OF_FREE * free)} may be used (half of what is free); free "
            "some memory, or take a shorter sequence, smaller frame or fewer hidden units"
        )
    pieces = -(-rows // min(rows, at_once))
    return -(-rows // pieces)
