"""What a recurrent cell is: one step of one layer, and the parameters that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

__all__ = ["Parameters", "RecurrentCell", "Shapes", "State"]

Parameters = Mapping[str, Tensor]
Shapes = dict[str, tuple[int, ...]]
State = tuple[Tensor, ...]


class RecurrentCell(Protocol):
    """A layer of recurrent units, without state of its own.

    Its parameters are found by name in a mapping that holds those of the whole network, under the
    names that the 2016 stack gave them (FACTS section 4). Arrays are right-multiplied.
    """

    def shapes(self) -> Shapes:
        """Give the names and shapes of the parameters; weights are (inputs, outputs)."""

    def keep_more(self, p: Parameters, bias: float) -> None:
        """Have new parameters begin with a bias of the gates towards keeping the state; changes `p`."""

    def fork(self, p: Parameters, e: Tensor) -> State:
        """Compute the part of the steps that needs no state, for all steps at once.

        Parameters
        ----------
        e : Tensor, shape (..., hidden)
            Inputs of the layer.

        Returns
        -------
        tuple of Tensor, each of shape (..., k * hidden)
        """

    def initial_state(self, p: Parameters, rows: int) -> State:
        """Give the trainable initial state, repeated: tensors of shape (rows, hidden), h first."""

    def step(self, p: Parameters, fork: State, state: State) -> State:
        """Advance `state` by one step; tensors of shape (rows, hidden), h first."""
