"""What a layer of recurrent units is that computes whole segments of a sequence at once, there and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from longsong.config import Cell, Elementwise
from longsong.model.cell import Parameters
from longsong.model.fused.loops import cell_loops
from longsong.model.fused.openmp import Loop, Team
from longsong.model.fused.plain import PlainGRU, PlainLSTM, PlainRNN
from longsong.model.fused.weights import Weights

__all__ = ["FusedLayer", "add_column_sums", "bound", "flat", "run_backward", "run_forward"]


class FusedLayer(Protocol):
    """A layer over segments of `steps` steps and `rows` rows; the equations are those of the reference cells.

    All tensors are C-contiguous and overwritten in place.
    """

    @property
    def widths(self) -> Mapping[str, int]:
        """What is kept of each step: name, and width in hidden units."""

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the initial states' parameters, h first."""

    def multiply_inputs(self, p: Weights, e: Tensor, kept: dict[str, Tensor]) -> None:
        """Write the inputs' part of what a step adds up to `kept`; there and back, no step waits for another.

        Parameters
        ----------
        p : Weights
            Parameters of the network, by name.
        e : Tensor, shape (steps, rows, hidden)
            Inputs of the layer.
        kept : dict of str to Tensor, shape (steps, rows, width * hidden)
            Activations.
        """

    def forward(self, p: Weights, states: list[Tensor], kept: dict[str, Tensor]) -> None:
        """Run through a segment.

        Parameters
        ----------
        states : list of Tensor, shape (steps + 1, rows, hidden)
            Their first step is what the segment begins with; the others are written.
        kept : dict of str to Tensor
            As `multiply_inputs` left it; the activations are written.
        """

    def backward(self, p: Weights, states: list[Tensor], kept: dict[str, Tensor], d_states: list[Tensor]) -> None:
        """Run back through it.

        Parameters
        ----------
        kept : dict of str to Tensor
            As `forward` left it; then the gradients of what the activations are functions of.
        d_states : list of Tensor
            First the gradients of h, shape (steps + 1, rows, hidden): through the layers above, and of its last step
            through the segment that follows too; its first step is overwritten by that of the state before the
            segment, the others are of no use any more. Then, of other states, that after the segment, shape
            (rows, hidden), overwritten likewise.
        """

    def input_gradient(self, p: Weights, kept: dict[str, Tensor], d_e: Tensor) -> None:
        """Write the gradient of the inputs, shape (steps, rows, hidden), from what `backward` left."""

    def add_gradient(self, gradient: Parameters, e: Tensor, states: list[Tensor], kept: dict[str, Tensor]) -> None:
        """Add a segment's part to the gradients of all parameters but the initial states, by name.

        One product over all steps for each matrix, from what `backward` left.
        """


def run_forward(layer: FusedLayer, p: Weights, e: Tensor, states: list[Tensor], kept: dict[str, Tensor]) -> None:
    """Run a layer through a segment, from its inputs on."""
    layer.multiply_inputs(p, e, kept)
    layer.forward(p, states, kept)


def run_backward(
    layer: FusedLayer,
    p: Weights,
    gradient: Parameters,
    e: Tensor,
    states: list[Tensor],
    kept: dict[str, Tensor],
    d_states: list[Tensor],
    d_e: Tensor | None,
) -> None:
    """Run a layer back through a segment to all gradients; those of its inputs where there is `d_e`.

    That may be the last steps of ``d_states[0]``.
    """
    layer.backward(p, states, kept, d_states)
    layer.add_gradient(gradient, e, states, kept)
    if d_e is not None:
        layer.input_gradient(p, kept, d_e)


def bound(cell: Cell, elementwise: Elementwise, h: Tensor, buffers: Sequence[Tensor | None], *names: str) -> list[Loop]:
    """Give the loops of a cell by name, each over the rows of the step that it is called with.

    Parameters
    ----------
    cell : {'gru', 'lstm', 'rnn'}
    elementwise : {'compiled', 'plain'}
    h : Tensor, shape (steps + 1, rows, hidden)
        Of the type of them all.
    buffers : sequence of Tensor or None
        In the order of `longsong.model.fused.plain`; None for what these loops do not touch.
    names : str
    """
    if elementwise == "compiled":
        team = Team(cell_loops(cell, h.dtype), h.shape[1], h.shape[2], buffers)
        return [team.loop(name) for name in names]
    kinds: dict[Cell, Any] = {"gru": PlainGRU, "lstm": PlainLSTM, "rnn": PlainRNN}
    plain = kinds[cell](*buffers)
    return [getattr(plain, name) for name in names]


def flat(tensor: Tensor) -> Tensor:
    """Give all steps and rows as the rows of one matrix."""
    return tensor.view(-1, tensor.shape[-1])


def add_column_sums(matrix: Tensor, out: Tensor) -> None:
    """Add the sums over the rows of `matrix`, shape (rows, columns), to `out`, shape (columns,)."""
    out.add_(torch.sum(matrix, 0))
