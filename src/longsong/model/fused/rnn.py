"""The simple recurrent network over a segment, as `longsong.model.rnn` has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor

from longsong.config import Cell, Elementwise
from longsong.model.fused.products import Products
from longsong.model.fused.single_product import SingleProductLayer
from longsong.model.fused.weights import Weights

__all__ = ["FusedRNN"]


class FusedRNN(SingleProductLayer):
    """A `longsong.model.fused.layer.FusedLayer` of the equations of `longsong.model.rnn.RNNCell`.

    Kept of each step, beside its state: what the state is the tanh of.
    """

    cell: ClassVar[Cell] = "rnn"
    widths: ClassVar[Mapping[str, int]] = {"linear": 1}

    def __init__(self, layer: int, hidden: int, products: Products, elementwise: Elementwise) -> None:
        rnn = f"rnn{layer}."
        super().__init__(layer, products, elementwise, weights=f"{rnn}W", states=(f"{rnn}initial_state",))

    def _forward_by_kernel(self, p: Weights, sums: Tensor, states: Sequence[Tensor]) -> None:
        from longsong.model.kernels.rnn import rnn_forward

        rnn_forward(states[0], sums, p[self._weights], self._products.operands, p.laid_out)

    def _back_by_kernel(self, p: Weights, sums: Tensor, states: Sequence[Tensor], d_states: Sequence[Tensor]) -> None:
        from longsong.model.kernels.rnn import rnn_backward

        rnn_backward(states[0], sums, d_states[0], p[self._weights], self._products.operands, p.laid_out)
