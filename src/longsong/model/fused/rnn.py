"""The simple recurrent network over a segment, as `longsong.model.rnn` has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from longsong.config import Elementwise
from longsong.model.cell import Parameters
from longsong.model.fused.layer import add_column_sums, bound, flat
from longsong.model.fused.products import Products

__all__ = ["FusedRNN"]


class FusedRNN:
    """A `longsong.model.fused.layer.FusedLayer` of the equations of `longsong.model.rnn.RNNCell`.

    Kept of each step, beside its state: what the state is the tanh of, on the way back its gradient.
    """

    widths: ClassVar[Mapping[str, int]] = {"linear": 1}

    def __init__(self, layer: int, hidden: int, products: Products, elementwise: Elementwise) -> None:
        self._linear, self._rnn = f"linear{layer}.", f"rnn{layer}."
        self._products, self._elementwise = products, elementwise
        self.states = (f"rnn{layer}.initial_state",)

    def forward(self, p: Parameters, e: Tensor, states: list[Tensor], kept: dict[str, Tensor]) -> None:
        """Run through a segment."""
        products, (h,), linear = self._products, states, kept["linear"]
        products.affine(flat(e), p[f"{self._linear}W"], p[f"{self._linear}b"], flat(linear))
        (advance,) = bound("rnn", self._elementwise, h, (linear, h, None), "advance")
        weights = p[f"{self._rnn}W"]
        for t, (h_t, linear_t) in enumerate(zip(h.unbind(0), linear.unbind(0), strict=False)):
            products.add(h_t, weights, linear_t)
            advance(t)

    def backward(
        self,
        p: Parameters,
        gradient: Parameters,
        e: Tensor,
        states: list[Tensor],
        kept: dict[str, Tensor],
        d_states: list[Tensor],
        d_e: Tensor | None,
    ) -> None:
        """Run back through it."""
        products, (h,), (d_h,), linear = self._products, states, d_states, kept["linear"]
        (back,) = bound("rnn", self._elementwise, h, (linear, h, d_h), "back")
        weights = p[f"{self._rnn}W"].t()
        d_h[0].zero_()
        each = list(enumerate(zip(linear.unbind(0), d_h.unbind(0), strict=False)))
        for t, (linear_t, d_h_t) in reversed(each):
            back(t)
            products.add(linear_t, weights, d_h_t)
        products.add(flat(h[:-1]).t(), flat(linear), gradient[f"{self._rnn}W"])
        products.add(flat(e).t(), flat(linear), gradient[f"{self._linear}W"])
        add_column_sums(flat(linear), gradient[f"{self._linear}b"])
        if d_e is not None:
            products.multiply(flat(linear), p[f"{self._linear}W"].t(), flat(d_e))
