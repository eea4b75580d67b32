"""The simple recurrent unit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from longsong.model.cell import Parameters, Shapes, State

__all__ = ["RNNCell"]


@dataclass(frozen=True)
class RNNCell:
    """The simple recurrent network of Elman (1990) with tanh (FACTS section 4).

    ``h' = tanh(h W + l)``.

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
            f"linear{n}.W": (hidden, hidden),
            f"linear{n}.b": (hidden,),
            f"rnn{n}.W": (hidden, hidden),
            f"rnn{n}.initial_state": (hidden,),
        }

    def keep_more(self, p: Parameters, bias: float) -> None:
        """Do nothing: it has no gate (`longsong.config.ModelConfig` refuses it)."""

    def fork(self, p: Parameters, e: Tensor) -> State:
        """Give ``l``, shape (..., hidden), of inputs (..., hidden)."""
        return (e @ p[f"linear{self.layer}.W"] + p[f"linear{self.layer}.b"],)

    def initial_state(self, p: Parameters, rows: int) -> State:
        """Give the initial state, shape (rows, hidden)."""
        return (p[f"rnn{self.layer}.initial_state"].expand(rows, -1),)

    def step(self, p: Parameters, fork: State, state: State) -> State:
        """Advance the state, shape (rows, hidden), by one step."""
        (h,) = state
        return (torch.tanh(h @ p[f"rnn{self.layer}.W"] + fork[0]),)
