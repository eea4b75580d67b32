"""Layers side by side: while one is at a chunk of a sequence, the layer above is at the chunk before.

On the way back it is the other way round. A recurrent layer on an accelerator waits for itself at each step and leaves
most of the device idle; two of them, a chunk apart, take little longer than one. The numbers are those of one layer
after the other, but for the order in which gradients of weights are added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from torch import Tensor

from longsong.model.cell import Parameters
from longsong.model.fused.lanes import Lanes
from longsong.model.fused.layer import FusedLayer

__all__ = ["Seen", "backward", "chunks_of", "forward"]

_CHUNKS, _LEAST_STEPS = 16, 32
"""In how many chunks a sequence goes, and steps of each at the least: a chunk costs a few launches, and the layer above
begins one chunk late."""


@dataclass(frozen=True)
class Seen:
    """What a layer was given on the way there, and what it left for the way back.

    Attributes
    ----------
    e : Tensor, shape (steps, rows, hidden)
    states : list of Tensor, shape (steps + 1, rows, hidden)
    kept : dict of str to Tensor, shape (steps, rows, width * hidden)
    """

    e: Tensor
    states: list[Tensor]
    kept: dict[str, Tensor]

    def part(self, first: int, stop: int) -> tuple[Tensor, list[Tensor], dict[str, Tensor]]:
        """Give views of the steps [first, stop)."""
        states = [tensor[first : stop + 1] for tensor in self.states]
        return self.e[first:stop], states, {name: tensor[first:stop] for name, tensor in self.kept.items()}


def chunks_of(steps: int) -> list[tuple[int, int]]:
    """Give the first step of each chunk of a sequence, and that behind its last."""
    each = max(_LEAST_STEPS, ceil(steps / _CHUNKS))
    return list(pairwise([*range(0, steps, each), steps]))


def forward(layers: Sequence[FusedLayer], p: Parameters, seen: Sequence[Seen], lanes: Lanes) -> None:
    """Run all layers through a segment.

    Parameters
    ----------
    layers : sequence of FusedLayer
        From the input up.
    p : mapping of str to Tensor
    seen : sequence of Seen
        Of each layer; its inputs are the later states of the layer below. First states are set, all else is written.
    lanes : Lanes
    """
    lanes.begin()
    for first, stop in chunks_of(len(seen[0].e)):
        below = None
        for n, layer in enumerate(layers):
            with lanes.on(n, below):
                layer.forward(p, *seen[n].part(first, stop))
            below = lanes.ticket(n)
    lanes.end()


def backward(
    layers: Sequence[FusedLayer],
    p: Parameters,
    gradient: Parameters,
    seen: Sequence[Seen],
    d_h: Tensor,
    between: Sequence[Tensor],
    d_state: Sequence[list[Tensor]],
    lanes: Lanes,
) -> None:
    """Run all layers back through a segment.

    Parameters
    ----------
    gradient : mapping of str to Tensor
        This segment's part is added.
    seen : sequence of Seen
        As `forward` left it; its activations are overwritten.
    d_h : Tensor, shape (steps + 1, rows, hidden)
        From its second step on the gradients of the states of the last layer through what is above it; then those of
        the first layer's inputs.
    between : sequence of Tensor, each of shape (steps + chunks, rows, hidden)
        For each layer but the last; overwritten. Each chunk has its own first step, where the gradient of the state
        before it comes to, while the layer above is at the chunk before.
    d_state : sequence of list of Tensor, each of shape (rows, hidden)
        Of each layer the gradients of its states after the segment; overwritten by those of the states before it.
    lanes : Lanes
    """
    last = len(layers) - 1
    lanes.begin()
    for k, (first, stop) in reversed(list(enumerate(chunks_of(len(seen[0].e))))):
        above = None
        for n, layer in reversed(list(enumerate(layers))):
            with lanes.on(n, above):
                own = d_h[first : stop + 1] if n == last else between[n][first + k : stop + k + 1]
                d_e = d_h[first + 1 : stop + 1] if n == 0 else between[n - 1][first + k + 1 : stop + k + 1]
                own[-1].add_(d_state[n][0])
                # Of the last layer that step is also the last of the chunk before, and not yet looked at there.
                through = own[0].clone() if n == last else None
                layer.backward(p, gradient, *seen[n].part(first, stop), [own, *d_state[n][1:]], d_e)
                d_state[n][0].copy_(own[0])
                if through is not None:
                    own[0].copy_(through)
            above = lanes.ticket(n)
    lanes.end()
