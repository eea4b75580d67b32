"""The post's way of generating: whole predicted sequences fed back (P12), the last frame of each kept (P14)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from longsong.model import Network

__all__ = ["generate_post"]


@torch.no_grad()
def generate_post(
    network: Network,
    parameters: Tensor,
    seed: Tensor,
    frames: int,
    on_frames: Callable[[int], None] | None = None,
) -> Tensor:
    """Generate frames as the post describes (P12 to P14), on a wavefront.

    Iteration k predicts a whole sequence, from the initial state, out of the sequence that iteration
    k - 1 predicted (the seed, for the first), and gives its last frame. Step t of iteration k needs
    step t - 1 of iteration k and the prediction of step t of iteration k - 1, and nothing else; so all
    steps with the same k + t are computed at once: `frames` + seq - 1 steps of up to seq rows, in place
    of `frames` x seq steps of one row, and the same numbers.

    Parameters
    ----------
    network : Network
    parameters : Tensor, shape (network.size,)
    seed : Tensor, shape (seq, frame)
        The sequence to begin with; it is not in the output (P13).
    frames : int
        How many to generate.
    on_frames : callable or None
        Called with the number of frames that are done, now and then.

    Returns
    -------
    Tensor, shape (frames, frame)
    """
    p = network.named(parameters)
    if network.config.recurrence == "batch":
        # One example is one step there (D01): positions do not see each other, and only the last is kept.
        seed = seed[-1:]
    seq = seed.shape[0]
    generated = seed.new_empty(frames, seed.shape[1])
    # Row t is position t of the sequence: what it is fed next, and the state that it begins from (that of
    # position t - 1 of the same iteration; row 0 always has the initial one, row seq is never read).
    feed = seed.clone()
    states = [tuple(part.clone() for part in state) for state in network.initial_states(p, seq + 1)]
    for front in range(frames + seq - 1):
        first, last = max(0, front - frames + 1), min(seq, front + 1)
        rows = [tuple(part[first:last] for part in state) for state in states]
        predictions, after = network.step(p, feed[first:last], rows)
        feed[first:last] = predictions
        for state, new in zip(states, after, strict=True):
            for part, new_part in zip(state, new, strict=True):
                part[first + 1 : last + 1] = new_part
        done = front - seq + 2
        if done > 0:
            generated[done - 1] = feed[seq - 1]
            if on_frames is not None and done % 64 == 0:
                on_frames(done)
    return generated
