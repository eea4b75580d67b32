"""The peephole LSTM over a segment, as `longsong.model.lstm` has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from longsong.config import Elementwise
from longsong.model.cell import Parameters
from longsong.model.fused.layer import add_column_sums, bound, flat
from longsong.model.fused.products import Products

__all__ = ["FusedLSTM"]


_PIECE = 1 << 20
"""Numbers of the peepholes' gradient that are multiplied before they are summed."""


class FusedLSTM:
    """A `longsong.model.fused.layer.FusedLayer` of the equations of `longsong.model.lstm.LSTMCell`.

    Kept of each step: the three gates and the candidate.
    """

    widths: ClassVar[Mapping[str, int]] = {"gates": 4}

    def __init__(self, layer: int, hidden: int, products: Products, elementwise: Elementwise) -> None:
        self._linear, self._lstm = f"linear{layer}.", f"lstm{layer}."
        self._products, self._elementwise = products, elementwise
        self.states = (f"lstm{layer}.initial_state", f"lstm{layer}.initial_cells")

    def forward(self, p: Parameters, e: Tensor, states: list[Tensor], kept: dict[str, Tensor]) -> None:
        """Run through a segment."""
        products, (h, cells), gates = self._products, states, kept["gates"]
        products.affine(flat(e), p[f"{self._linear}W"], p[f"{self._linear}b"], flat(gates))
        buffers = gates, h, cells, None, None, *self._peepholes(p)
        (advance,) = bound("lstm", self._elementwise, h, buffers, "advance")
        weights = p[f"{self._lstm}W_state"]
        for t, (h_t, gates_t) in enumerate(zip(h.unbind(0), gates.unbind(0), strict=False)):
            products.add(h_t, weights, gates_t)
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
        products, (h, cells), (d_h, d_cells), gates = self._products, states, d_states, kept["gates"]
        buffers = gates, h, cells, d_h, d_cells, *self._peepholes(p)
        (back,) = bound("lstm", self._elementwise, h, buffers, "back")
        weights = p[f"{self._lstm}W_state"].t()
        d_h[0].zero_()
        each = list(enumerate(zip(gates.unbind(0), d_h.unbind(0), strict=False)))
        for t, (gates_t, d_h_t) in reversed(each):
            back(t)
            products.add(gates_t, weights, d_h_t)
        products.add(flat(h[:-1]).t(), flat(gates), gradient[f"{self._lstm}W_state"])
        products.add(flat(e).t(), flat(gates), gradient[f"{self._linear}W"])
        add_column_sums(flat(gates), gradient[f"{self._linear}b"])
        into, keep, _, out = gates.chunk(4, dim=-1)
        at_once = max(1, _PIECE // cells[0].numel())
        for name, d_gate, seen in (("in", into, cells[:-1]), ("forget", keep, cells[:-1]), ("out", out, cells[1:])):
            for first in range(0, len(gates), at_once):
                some = slice(first, first + at_once)
                gradient[f"{self._lstm}W_cell_to_{name}"].add_((d_gate[some] * seen[some]).sum((0, 1)))
        if d_e is not None:
            products.multiply(flat(gates), p[f"{self._linear}W"].t(), flat(d_e))

    def _peepholes(self, p: Parameters) -> tuple[Tensor, ...]:
        return tuple(p[f"{self._lstm}W_cell_to_{name}"] for name in ("in", "forget", "out"))
