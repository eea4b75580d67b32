"""The dev split, several mini-batches at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from longsong.training.feed import torch_batches
from longsong.training.splits import mini_batch_bytes
from streams import DataStream

__all__ = ["BYTES_TOGETHER", "DevGroups"]

_MOST_TOGETHER = 8
"""Mini-batches: more gain nothing (docs/LOG.md)."""

BYTES_TOGETHER = 1 << 25
"""What they may take; a mini-batch of more comes by itself, made ahead by the stream."""


class DevGroups:
    """The mini-batches of each epoch of a stream, in its order, in groups that are computed together.

    They are read into one buffer, so that they stand behind each other and nothing is copied.

    Parameters
    ----------
    stream : DataStream
    device : device
    dtype : torch.dtype
        Of the numbers.
    """

    def __init__(self, stream: DataStream, device: torch.device, dtype: torch.dtype) -> None:
        windows = stream.windows
        size = mini_batch_bytes(windows.frame, windows.seq, stream.scheme.batch_size)
        self._together = min(_MOST_TOGETHER, BYTES_TOGETHER // size) if device.type == "cpu" else 1
        self._stream, self._dtype = stream, dtype
        self._batches = torch_batches(stream, device, dtype)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, list[int]]]:
        """Give inputs and targets of a group, each of shape (examples, seq, frame), and its mini-batches' sizes."""
        if self._together <= 1:
            for inputs, targets in self._batches:
                yield inputs, targets, [len(inputs)]
            return
        indices = self._stream.read_epoch(lambda rows: rows)
        while group := list(islice(indices, self._together)):
            frames = torch.from_numpy(self._stream.windows.read_frames(np.concatenate(group))).to(self._dtype)
            yield frames[:, :-1], frames[:, 1:], [len(rows) for rows in group]
