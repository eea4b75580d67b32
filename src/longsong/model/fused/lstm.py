"""The peephole LSTM over a segment, as `longsong.model.lstm` has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor

from longsong.config import Cell, Elementwise
from longsong.model.cell import Parameters
from longsong.model.fused.products import Products
from longsong.model.fused.single_product import SingleProductLayer
from longsong.model.fused.weights import Weights

__all__ = ["FusedLSTM"]

_PIECE = 1 << 20
"""Numbers of the peepholes' gradient that are multiplied before they are summed."""


class FusedLSTM(SingleProductLayer):
    """A `longsong.model.fused.layer.FusedLayer` of the equations of `longsong.model.lstm.LSTMCell`.

    Kept of each step: the three gates and the candidate.
    """

    cell: ClassVar[Cell] = "lstm"
    widths: ClassVar[Mapping[str, int]] = {"gates": 4}

    def __init__(self, layer: int, hidden: int, products: Products, elementwise: Elementwise) -> None:
        lstm = f"lstm{layer}."
        states = (f"{lstm}initial_state", f"{lstm}initial_cells")
        super().__init__(layer, products, elementwise, weights=f"{lstm}W_state", states=states)
        self._peepholes = {gate: f"{lstm}W_cell_to_{gate}" for gate in ("in", "forget", "out")}

    def _buffers(
        self, p: Weights, sums: Tensor, states: Sequence[Tensor], d_states: Sequence[Tensor | None]
    ) -> Sequence[Tensor | None]:
        return [sums, *states, *d_states, *self._peepholes_of(p)]

    def _forward_by_kernel(self, p: Weights, sums: Tensor, states: Sequence[Tensor]) -> None:
        from longsong.model.kernels.lstm import lstm_forward

        h, cells = states
        lstm_forward(h, cells, sums, p[self._weights], self._peepholes_of(p), self._products.operands, p.laid_out)

    def _back_by_kernel(self, p: Weights, sums: Tensor, states: Sequence[Tensor], d_states: Sequence[Tensor]) -> None:
        from longsong.model.kernels.lstm import lstm_backward

        weights, peepholes = p[self._weights], self._peepholes_of(p)
        (h, cells), (d_h, d_cells) = states, d_states
        lstm_backward(h, cells, sums, d_h, d_cells, weights, peepholes, self._products.operands, p.laid_out)

    def _peepholes_of(self, p: Parameters) -> tuple[Tensor, Tensor, Tensor]:
        into, forget, out = (p[name] for name in self._peepholes.values())
        return into, forget, out

    def _add_others(self, gradient: Parameters, sums: Tensor, states: Sequence[Tensor]) -> None:
        cells = states[1]
        into, keep, _, out = sums.chunk(4, dim=-1)
        at_once = max(1, _PIECE // cells[0].numel())
        for gate, d_gate, seen in (("in", into, cells[:-1]), ("forget", keep, cells[:-1]), ("out", out, cells[1:])):
            for first in range(0, len(sums), at_once):
                some = slice(first, first + at_once)
                gradient[self._peepholes[gate]].add_((d_gate[some] * seen[some]).sum((0, 1)))
