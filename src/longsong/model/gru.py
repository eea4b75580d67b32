"""The gated recurrent unit, with the reset gate before the matrix product."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from longsong.model.cell import Parameters, Shapes, State

__all__ = ["GRUCell"]


@dataclass(frozen=True)
class GRUCell:
    """The GRU of Cho et al. (2014), as Blocks 0.2.0 computes it (FACTS section 4).

    ``u, r = sigma(h S_g + g)``; ``c = tanh((r * h) S_h + l)``; ``h' = u * c + (1 - u) * h``.
    `torch.nn.GRU` resets after the product and turns the update gate round: another function.

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
            f"fork{n}/fork_linear{n}.W": (hidden, hidden),
            f"fork{n}/fork_linear{n}.b": (hidden,),
            f"fork{n}/fork_gates{n}.W": (hidden, 2 * hidden),
            f"fork{n}/fork_gates{n}.b": (2 * hidden,),
            f"gru{n}.state_to_state": (hidden, hidden),
            f"gru{n}.state_to_gates": (hidden, 2 * hidden),
            f"gru{n}.initial_state": (hidden,),
        }

    def keep_more(self, p: Parameters, bias: float) -> None:
        """Take `bias` from the update gate's: ``u`` near 0 keeps the state."""
        p[f"fork{self.layer}/fork_gates{self.layer}.b"][: self.hidden] -= bias

    def fork(self, p: Parameters, e: Tensor) -> State:
        """Give ``l`` (..., hidden) and ``g`` (..., 2 hidden) of inputs (..., hidden)."""
        n = self.layer
        return (
            e @ p[f"fork{n}/fork_linear{n}.W"] + p[f"fork{n}/fork_linear{n}.b"],
            e @ p[f"fork{n}/fork_gates{n}.W"] + p[f"fork{n}/fork_gates{n}.b"],
        )

    def initial_state(self, p: Parameters, rows: int) -> State:
        """Give the initial state, shape (rows, hidden)."""
        return (p[f"gru{self.layer}.initial_state"].expand(rows, -1),)

    def step(self, p: Parameters, fork: State, state: State) -> State:
        """Advance the state, shape (rows, hidden), by one step."""
        linear, gates = fork
        (h,) = state
        u, r = torch.sigmoid(h @ p[f"gru{self.layer}.state_to_gates"] + gates).chunk(2, dim=-1)
        c = torch.tanh((r * h) @ p[f"gru{self.layer}.state_to_state"] + linear)
        return (u * c + (1 - u) * h,)
