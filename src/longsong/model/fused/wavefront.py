"""Layers side by side: while one is at a chunk of a sequence, the layer above is at the chunk before.

On the way back it is the other way round. A recurrent layer on an accelerator waits for itself at each step and leaves
most of the device idle; two of them, a chunk apart, take little longer than one. The numbers are those of one layer
after the other: gradients of weights are one product over all steps here, too.
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
from longsong.model.fused.weights import Weights

__all__ = ["Seen", "backward", "chunks_of", "forward", "steps_between"]

_CHUNKS, _LEAST_STEPS = 16, 32
"""In how many chunks a sequence goes, and steps of each at the least: a chunk costs a few launches, and the layer above
begins one chunk late."""

_ALIGNED = 4
"""Chunks begin at multiples of so many steps: there any number of rows of float32 numbers is aligned to 16 bytes, and
kernels are not compiled once more for memory that is not."""


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
    each = max(_LEAST_STEPS, ceil(steps / (_CHUNKS * _ALIGNED)) * _ALIGNED)
    return list(pairwise([*range(0, steps, each), steps]))


def steps_between(steps: int) -> int:
    """Give the steps of memory for the gradients between two layers, where the chunks of a sequence lie apart."""
    return steps + _ALIGNED * len(chunks_of(steps))


def forward(layers: Sequence[FusedLayer], p: Weights, seen: Sequence[Seen], lanes: Lanes) -> None:
    """Run all layers through a segment.

    Parameters
    ----------
    layers : sequence of FusedLayer
        From the input up.
    p : Weights
    seen : sequence of Seen
        Of each layer; its inputs are the later states of the layer below. First states are set, all else is written.
    lanes : Lanes
    """
    lanes.begin()
    with lanes.on(0, None):
        layers[0].multiply_inputs(p, seen[0].e, seen[0].kept)  # all of them are there
    for first, stop in chunks_of(len(seen[0].e)):
        below = None
        for n, layer in enumerate(layers):
            e, states, kept = seen[n].part(first, stop)
            with lanes.on(n, below):
                if n > 0:
                    layer.multiply_inputs(p, e, kept)
                layer.forward(p, states, kept)
            below = lanes.ticket(n)
    lanes.end()


def backward(
    layers: Sequence[FusedLayer],
    p: Weights,
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
    between : sequence of Tensor, each of shape (steps_between(steps), rows, hidden)
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
            _, states, kept = seen[n].part(first, stop)
            with lanes.on(n, above):
                apart = k * _ALIGNED
                own = d_h[first : stop + 1] if n == last else between[n][first + apart : stop + apart + 1]
                own[-1].add_(d_state[n][0])
                # Of the last layer that step is also the last of the chunk before, and not yet looked at there.
                through = own[0].clone() if n == last else None
                layer.backward(p, states, kept, [own, *d_state[n][1:]])
                d_state[n][0].copy_(own[0])
                if through is not None:
                    own[0].copy_(through)
                if n > 0:
                    layer.input_gradient(p, kept, between[n - 1][first + apart + 1 : stop + apart + 1])
            above = lanes.ticket(n)
    for n, layer in reversed(list(enumerate(layers))):
        with lanes.on(n, None):
            layer.add_gradient(gradient, seen[n].e, seen[n].states, seen[n].kept)
            if n == 0:
                # The last layer is through: its first chunk was waited for.
                layer.input_gradient(p, seen[0].kept, d_h[1:])
    lanes.end()
