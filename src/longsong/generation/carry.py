"""Generating with carried state: one frame in, one frame out."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from longsong.model import Network

__all__ = ["generate_carry"]


@torch.no_grad()
def generate_carry(
    network: Network,
    parameters: Tensor,
    seed: Tensor,
    frames: int,
    on_frames: Callable[[int], None] | None = None,
) -> Tensor:
    """Generate frames one by one, the recurrent state carried along (not the post's way).

    The seed is run through once; the prediction of its last step is the first frame, which is fed back
    with the state that the seed left behind, and so on.

    Parameters and return value are those of `longsong.generation.post.generate_post`.
    """
    p = network.named(parameters)
    generated = seed.new_empty(frames, seed.shape[1])
    predictions, states = network.steps(p, seed[:, None])
    x = predictions[-1]
    for index in range(frames):
        generated[index] = x[0]
        if index + 1 < frames:
            x, states = network.step(p, x, states)
        if on_frames is not None and index % 64 == 63:
            on_frames(index + 1)
    return generated
