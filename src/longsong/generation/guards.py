"""Guard rails: what may be done to a predicted frame before it is given and fed back. Off by default."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["Guard", "clip", "hold_level"]

Guard = Callable[[Tensor], object]
"""Changes frames, shape (rows, frame), in place; rows are those of all seeds, in their order, again and again."""

_WITHIN = 4.0
"""Times the seed's level, or of it: 12 decibels. Frames are short, and their level is not the same even in a seed."""


def clip(low: float, high: float) -> Guard:
    """Keep samples within the range that the song has, in normalised numbers; what is not finite becomes NaN."""

    def guard(frames: Tensor) -> None:
        frames.masked_fill_(~frames.isfinite(), torch.nan).clamp_(low, high)

    return guard


def hold_level(seeds: Tensor, zero: float) -> Guard:
    """Keep the level of each frame within 12 decibels of its seed's; a frame that is all silence stays so.

    A frame that is not finite becomes NaN: it has no level to hold.

    Parameters
    ----------
    seeds : Tensor, shape (seeds, seq, frame)
        Normalised samples.
    zero : float
        What a sample of 0 is, normalised: the level is the root mean square about it.
    """
    target = (seeds - zero).square().mean((1, 2)).sqrt()

    def guard(frames: Tensor) -> None:
        about = frames.sub_(zero).view(-1, len(target), frames.shape[-1])
        # Of numbers of at most 1, since squares of very large ones are not finite where the numbers still are.
        peak = about.abs().amax(2)
        shares = about / peak.clamp_min(torch.finfo(peak.dtype).tiny)[..., None]
        level = peak * shares.square().mean(2).sqrt()
        wanted = torch.maximum(torch.minimum(level, target * _WITHIN), target / _WITHIN)
        about.mul_(torch.where(level == 0, 1.0, wanted / level)[..., None])
        frames.add_(zero)

    return guard
