"""A layer with one matrix product a step, over a segment: what the LSTM and the simple network have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor

from longsong.config import Cell, Elementwise
from longsong.model.cell import Parameters
from longsong.model.fused.layer import add_column_sums, bound, flat
from longsong.model.fused.products import Products
from longsong.model.fused.weights import Weights

__all__ = ["SingleProductLayer"]


class SingleProductLayer:
    """A `longsong.model.fused.layer.FusedLayer` whose step adds ``h W`` to what is made of all its inputs at once.

    One tensor is kept of each step, that sum's, which loops overwrite by what it is squashed to, and on the way back by
    the sum's gradient.
    """

    cell: ClassVar[Cell]
    widths: ClassVar[Mapping[str, int]]

    def __init__(
        self,
        layer: int,
        products: Products,
        elementwise: Elementwise,
        *,
        weights: str,
        states: tuple[str, ...],
    ) -> None:
        self._linear, self._weights, self.states = f"linear{layer}.", weights, states
        self._products, self._elementwise = products, elementwise

    def multiply_inputs(self, p: Weights, e: Tensor, kept: dict[str, Tensor]) -> None:
        """Write the inputs' part of the sum."""
        (sums,) = kept.values()
        self._products.affine(flat(e), p[f"{self._linear}W"], p[f"{self._linear}b"], flat(sums))

    def forward(self, p: Weights, states: list[Tensor], kept: dict[str, Tensor]) -> None:
        """Run through a segment."""
        products, h, (sums,) = self._products, states[0], kept.values()
        if self._elementwise == "kernel":
            self._forward_by_kernel(p, sums, states)
            return
        buffers = self._buffers(p, sums, states, [None] * len(states))
        (advance,) = bound(self.cell, self._elementwise, h, buffers, "advance")
        weights = p[self._weights]
        for t, (h_t, sums_t) in enumerate(zip(h.unbind(0), sums.unbind(0), strict=False)):
            products.add(h_t, weights, sums_t)
            advance(t)

    def backward(self, p: Weights, states: list[Tensor], kept: dict[str, Tensor], d_states: list[Tensor]) -> None:
        """Run back through it."""
        products, h, d_h, (sums,) = self._products, states[0], d_states[0], kept.values()
        if self._elementwise == "kernel":
            self._back_by_kernel(p, sums, states, d_states)
        else:
            (back,) = bound(self.cell, self._elementwise, h, self._buffers(p, sums, states, d_states), "back")
            weights = p[self._weights].t()
            d_h[0].zero_()
            each = list(enumerate(zip(sums.unbind(0), d_h.unbind(0), strict=False)))
            for t, (sums_t, d_h_t) in reversed(each):
                back(t)
                products.add(sums_t, weights, d_h_t)

    def input_gradient(self, p: Weights, kept: dict[str, Tensor], d_e: Tensor) -> None:
        """Write the gradient of the inputs."""
        (sums,) = kept.values()
        self._products.multiply(flat(sums), p[f"{self._linear}W"].t(), flat(d_e))

    def add_gradient(self, gradient: Parameters, e: Tensor, states: list[Tensor], kept: dict[str, Tensor]) -> None:
        """Add a segment's part."""
        products, h, (sums,) = self._products, states[0], kept.values()
        d_sums = products.operand(flat(sums))
        products.add(flat(h[:-1]).t(), d_sums, gradient[self._weights])
        products.add(flat(e).t(), d_sums, gradient[f"{self._linear}W"])
        add_column_sums(flat(sums), gradient[f"{self._linear}b"])
        self._add_others(gradient, sums, states)

    def _buffers(
        self, p: Weights, sums: Tensor, states: Sequence[Tensor], d_states: Sequence[Tensor | None]
    ) -> Sequence[Tensor | None]:
        """Give the buffers of the loops, in the order of `longsong.model.fused.plain`."""
        return [sums, *states, *d_states]

    def _forward_by_kernel(self, p: Weights, sums: Tensor, states: Sequence[Tensor]) -> None:
        """Run through a segment by one kernel."""
        raise NotImplementedError

    def _back_by_kernel(self, p: Weights, sums: Tensor, states: Sequence[Tensor], d_states: Sequence[Tensor]) -> None:
        """Run back through it by one kernel."""
        raise NotImplementedError

    def _add_others(self, gradient: Parameters, sums: Tensor, states: Sequence[Tensor]) -> None:
        """Add the gradients of parameters that are in no product, from those of the sums."""
