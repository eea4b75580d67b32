"""The long short-term memory cell, with peepholes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from longsong.model.cell import Parameters, Shapes, State

__all__ = ["LSTMCell"]


@dataclass(frozen=True)
class LSTMCell:
    """The peephole LSTM of Gers et al. (2002), as Blocks 0.2.0 computes it (FACTS section 4).

    Columns of the products: in, forget, cell, out. The in and forget gates look at the old cell,
    the out gate at the new one. There is no extra forget bias
    (D06), unless it is asked for.

    Attributes
    ----------
    layer : int
        Which layer this is, from 0; part of its parameters' names.
    hidden : int
        Units.
    """

    layer: int
    hidden: int

    def shapes(self) -> Shapes:
        """Give the names and shapes of the parameters."""
        n, hidden = self.layer, self.hidden
        return {
            f"linear{n}.W": (hidden, 4 * hidden),
            f"linear{n}.b": (4 * hidden,),
            f"lstm{n}.W_state": (hidden, 4 * hidden),
            f"lstm{n}.W_cell_to_in": (hidden,),
            f"lstm{n}.W_cell_to_forget": (hidden,),
            f"lstm{n}.W_cell_to_out": (hidden,),
            f"lstm{n}.initial_state": (hidden,),
            f"lstm{n}.initial_cells": (hidden,),
        }

    def keep_more(self, p: Parameters, bias: float) -> None:
        """Add `bias` to the forget gate's: ``f`` near 1 keeps the cell (Gers et al. 2000)."""
        p[f"linear{self.layer}.b"][self.hidden : 2 * self.hidden] += bias

    def fork(self, p: Parameters, e: Tensor) -> State:
        """Give the input's part of all four columns, shape (..., 4 hidden)."""
        return (e @ p[f"linear{self.layer}.W"] + p[f"linear{self.layer}.b"],)

    def initial_state(self, p: Parameters, rows: int) -> State:
        """Give the initial state and cell, each of shape (rows, hidden)."""
        n = self.layer
        return (
            p[f"lstm{n}.initial_state"].expand(rows, -1),
            p[f"lstm{n}.initial_cells"].expand(rows, -1),
        )

    def step(self, p: Parameters, fork: State, state: State) -> State:
        """Advance state and cell, each of shape (rows, hidden), by one step."""
        n = self.layer
        h, cell = state
        a_in, a_forget, a_cell, a_out = (h @ p[f"lstm{n}.W_state"] + fork[0]).chunk(4, dim=-1)
        i = torch.sigmoid(a_in + cell * p[f"lstm{n}.W_cell_to_in"])
        f = torch.sigmoid(a_forget + cell * p[f"lstm{n}.W_cell_to_forget"])
        cell = f * cell + i * torch.tanh(a_cell)
        o = torch.sigmoid(a_out + cell * p[f"lstm{n}.W_cell_to_out"])
        return o * torch.tanh(cell), cell
