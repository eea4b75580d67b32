"""From the last frames of predicted sequences to one row of frames."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["Crossfade", "Joining", "LastFrame"]


class Joining(Protocol):
    """A way of joining what iterations predict; good for one generation, whose pieces it is given in order."""

    @property
    def last(self) -> int:
        """How many last frames of each predicted sequence it needs."""

    @property
    def more(self) -> int:
        """How many iterations it needs beyond one for each frame."""

    def join(self, piece: Tensor) -> Tensor:
        """Give the next frames, shape (some, seeds, frame), from a piece, shape (some, last, seeds, frame)."""


class LastFrame:
    """The post's way: the last frame of each predicted sequence, end to end (P14)."""

    last, more = 1, 0

    def join(self, piece: Tensor) -> Tensor:
        """Give the last frames; see `Joining`."""
        return piece[:, -1]


class Crossfade:
    """The last two frames of each predicted sequence, overlapping and added.

    An iteration predicts the frame that comes next, and once more the one before it: two frames that follow each other
    without a seam. Those of successive iterations overlap by one frame; each is weighted by a Hann window over both of
    its frames, whose overlapping halves add up to 1 (overlap-add, Allen and Rabiner 1977). So at a border of frames the
    sound is that of one prediction alone, and no tick.
    """

    last, more = 2, 1

    def __init__(self) -> None:
        self._before: Tensor | None = None

    def join(self, piece: Tensor) -> Tensor:
        """Give the blended frames; see `Joining`. The last one of a piece waits for the next piece."""
        earlier, latest = piece[:, 0], piece[:, 1]
        if self._before is None:
            earlier = earlier[1:]  # of the first iteration it is the seed's last frame
        else:
            latest = torch.cat([self._before[None], latest])
        self._before = piece[-1, 1].clone()
        frame = piece.shape[-1]
        at = (torch.arange(frame, device=piece.device, dtype=piece.dtype) + 0.5) * (math.pi / (2 * frame))
        rising = at.sin().square_()
        return torch.lerp(latest[: len(earlier)], earlier, rising)
