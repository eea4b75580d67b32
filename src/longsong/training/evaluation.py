"""The dev split, several mini-batches at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from longsong.training.background import in_background
from longsong.training.feed import torch_batches
from longsong.training.splits import mini_batch_bytes
from streams import DataStream

__all__ = ["BYTES_TOGETHER", "DevGroups"]

_MOST_TOGETHER, _MOST_ELSEWHERE = 8, 16
"""Mini-batches: on a CPU more gain nothing (docs/LOG.md); elsewhere, of 128 rows, what keeps an H100 busy (16 rows for
each of 132 multiprocessors)."""

BYTES_TOGETHER = 1 << 25
"""What they may take; a mini-batch of more comes by itself."""

Group = tuple[Tensor, Tensor, list[int]]


class DevGroups:
    """The mini-batches of each epoch of a stream, in its order, in groups that are computed together.

    They are read into one buffer, so that they stand behind each other and nothing is copied; a group is read while
    the one before is computed.

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
        most = _MOST_TOGETHER if device.type == "cpu" else _MOST_ELSEWHERE
        self._together = max(1, min(most, BYTES_TOGETHER // size))
        # Mini-batches that a stream makes when they are asked for have no room beside an update.
        self._ahead = device.type == "cpu" and stream.prefetch > 0
        self._stream, self._device, self._dtype = stream, device, dtype
        self._begun: tuple[Iterator[Group], Future[Group | None]] | None = None

    def begin(self) -> None:
        """Have the first group of the next epoch read beside an update, if there is memory for both."""
        if self._ahead and self._begun is None:
            self._begun = self._begin()

    def __iter__(self) -> Iterator[Group]:
        """Give inputs and targets of a group, each of shape (examples, seq, frame), and its mini-batches' sizes."""
        if not self._ahead:
            yield from self._read()
            return
        groups, reading = self._begun or self._begin()
        self._begun = None
        while (group := reading.result()) is not None:
            reading = in_background(partial(next, groups, None))
            yield group
            del group  # so that its memory is free for the next but one

    def _begin(self) -> tuple[Iterator[Group], Future[Group | None]]:
        groups = self._read()
        return groups, in_background(partial(next, groups, None))

    def _read(self) -> Iterator[Group]:
        if self._device.type != "cpu":
            batches = iter(torch_batches(self._stream, self._device, self._dtype))
            while batch := list(islice(batches, self._together)):
                inputs, targets = (
                    torch.cat(parts) if len(parts) > 1 else parts[0] for parts in zip(*batch, strict=True)
                )
                sizes = [len(one) for one, _ in batch]
                del batch
                yield inputs, targets, sizes
            return
        indices = self._stream.read_epoch(lambda rows: rows)
        while group := list(islice(indices, self._together)):
            frames = torch.from_numpy(self._stream.windows.read_frames(np.concatenate(group))).to(self._dtype)
            yield frames[:, :-1], frames[:, 1:], [len(rows) for rows in group]
