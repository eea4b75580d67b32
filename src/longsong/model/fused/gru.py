"""The gated recurrent unit over a segment: reset before the product, as `longsong.model.gru` has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from longsong.config import Elementwise
from longsong.model.cell import Parameters
from longsong.model.fused.layer import add_column_sums, bound, flat
from longsong.model.fused.products import Products
from longsong.model.fused.weights import Weights

__all__ = ["FusedGRU"]


class FusedGRU:
    """A `longsong.model.fused.layer.FusedLayer` of the equations of `longsong.model.gru.GRUCell`.

    Kept of each step: both gates, the candidate, and the state that the reset gate let through.
    """

    widths: ClassVar[Mapping[str, int]] = {"gates": 2, "candidate": 1, "product": 1}

    def __init__(self, layer: int, hidden: int, products: Products, elementwise: Elementwise) -> None:
        self._gru, self._fork = (
            f"gru{layer}.",
            {part: f"fork{layer}/fork_{part}{layer}" for part in ("linear", "gates")},
        )
        self._products, self._elementwise = products, elementwise
        self.states = (f"gru{layer}.initial_state",)

    def multiply_inputs(self, p: Weights, e: Tensor, kept: dict[str, Tensor]) -> None:
        """Write the inputs' part of candidate and gates."""
        inputs = self._products.operand(flat(e))
        for part, out in (("linear", kept["candidate"]), ("gates", kept["gates"])):
            name = self._fork[part]
            self._products.affine(inputs, p[f"{name}.W"], p[f"{name}.b"], flat(out))

    def forward(self, p: Weights, states: list[Tensor], kept: dict[str, Tensor]) -> None:
        """Run through a segment."""
        products, (h,) = self._products, states
        gates, candidate, product = kept["gates"], kept["candidate"], kept["product"]
        to_gates, to_state = p[f"{self._gru}state_to_gates"], p[f"{self._gru}state_to_state"]
        if self._elementwise == "kernel":
            from longsong.model.kernels.gru import gru_forward

            gru_forward(h, gates, candidate, product, to_gates, to_state, products.operands, p.laid_out)
            return
        buffers = gates, candidate, product, h, None, None
        reset, update = bound("gru", self._elementwise, h, buffers, "reset", "update")
        each = zip(h.unbind(0), gates.unbind(0), product.unbind(0), candidate.unbind(0), strict=False)
        for t, (h_t, gates_t, product_t, candidate_t) in enumerate(each):
            products.add(h_t, to_gates, gates_t)
            reset(t)
            products.add(product_t, to_state, candidate_t)
            update(t)

    def backward(self, p: Weights, states: list[Tensor], kept: dict[str, Tensor], d_states: list[Tensor]) -> None:
        """Run back through it."""
        (h,), (d_h,) = states, d_states
        to_gates, to_state = p[f"{self._gru}state_to_gates"], p[f"{self._gru}state_to_state"]
        if self._elementwise == "kernel":
            from longsong.model.kernels.gru import gru_backward

            operands = self._products.operands
            gru_backward(h, kept["gates"], kept["candidate"], d_h, to_gates, to_state, operands, p.laid_out)
        else:
            self._back_by_steps(h, kept, d_h, to_gates.t(), to_state.t())

    def input_gradient(self, p: Weights, kept: dict[str, Tensor], d_e: Tensor) -> None:
        """Write the gradient of the inputs."""
        self._products.multiply(flat(kept["candidate"]), p[f"{self._fork['linear']}.W"].t(), flat(d_e))
        self._products.add(flat(kept["gates"]), p[f"{self._fork['gates']}.W"].t(), flat(d_e))

    def add_gradient(self, gradient: Parameters, e: Tensor, states: list[Tensor], kept: dict[str, Tensor]) -> None:
        """Add a segment's part."""
        products, (h,) = self._products, states
        gates, candidate = flat(kept["gates"]), flat(kept["candidate"])
        d_gates, d_candidate = products.operand(gates), products.operand(candidate)
        products.add(flat(h[:-1]).t(), d_gates, gradient[f"{self._gru}state_to_gates"])
        products.add(flat(kept["product"]).t(), d_candidate, gradient[f"{self._gru}state_to_state"])
        inputs = products.operand(flat(e)).t()
        for part, sums, d_part in (("linear", candidate, d_candidate), ("gates", gates, d_gates)):
            name = self._fork[part]
            products.add(inputs, d_part, gradient[f"{name}.W"])
            add_column_sums(sums, gradient[f"{name}.b"])

    def _back_by_steps(
        self, h: Tensor, kept: dict[str, Tensor], d_h: Tensor, from_gates: Tensor, from_state: Tensor
    ) -> None:
        gates, candidate, product = kept["gates"], kept["candidate"], kept["product"]
        d_product = d_h.new_empty(d_h.shape[1:])
        buffers = gates, candidate, product, h, d_h, d_product
        back_update, back_reset = bound("gru", self._elementwise, h, buffers, "back_update", "back_reset")
        d_h[0].zero_()
        each = list(enumerate(zip(gates.unbind(0), candidate.unbind(0), d_h.unbind(0), strict=False)))
        for t, (gates_t, candidate_t, d_h_t) in reversed(each):
            back_update(t)
            self._products.multiply(candidate_t, from_state, d_product)
            back_reset(t)
            self._products.add(gates_t, from_gates, d_h_t)
