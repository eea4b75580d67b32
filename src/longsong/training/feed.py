"""From a stream of arrays to tensors on the device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["tensors"]


def tensors(
    batches: Iterable[tuple[NDArray[np.float32], NDArray[np.float32]]],
    device: torch.device,
    dtype: torch.dtype,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Give each mini-batch of a `streams.DataStream` as tensors.

    Parameters
    ----------
    batches : iterable of (inputs, targets), each of shape (batch, seq, frame), float32
        Both views of one buffer of shape (batch, seq + 1, frame), as `streams.Windows.read` gives them.
    device, dtype
        Where to, and as what.

    Yields
    ------
    inputs, targets : Tensor, shape (batch, seq, frame)
        Views of one tensor: the samples travel once.
    """
    for inputs, _ in batches:
        buffer = inputs.base
        if buffer is None or buffer.shape[1] != inputs.shape[1] + 1:
            raise ValueError("inputs and targets must be views of one buffer of shape (batch, seq + 1, frame)")
        # A copy even where nothing changes: torch's own memory is aligned alike in every process, and the
        # last bits of a matrix product may depend on that.
        frames = torch.from_numpy(buffer).to(device=device, dtype=dtype, copy=True)
        yield frames[:, :-1], frames[:, 1:]
