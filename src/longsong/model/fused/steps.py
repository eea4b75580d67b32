"""A recurrent layer one step at a time, its states in place: what generation is made of.

Sums are what the gates and candidates of a step are functions of: first what comes from the layer's inputs, to which
the step adds what comes from its state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from longsong.config import Cell, Elementwise
from longsong.model.cell import Parameters
from longsong.model.fused.loops import cell_loops
from longsong.model.fused.openmp import Team
from longsong.model.fused.products import Products

__all__ = ["STEPS", "GRUStep", "LSTMStep", "LayerStep", "RNNStep"]


class LayerStep:
    """A layer over a window of the rows that have states; the equations are those of the reference cells.

    Parameters
    ----------
    p : mapping of str to Tensor
        Parameters of the network, by name.
    layer : int
        Which layer this is, from 0.
    sums : Tensor, shape (rows, width * hidden)
        Where sums are made; layers may share it.
    capacity : int
        Rows that have states.
    products : Products
    elementwise : {'compiled', 'plain'}

    Attributes
    ----------
    weights : Tensor, shape (inputs, width * hidden)
        What turns inputs of the layer into sums.
    bias : Tensor, shape (width * hidden,)
        Is added to sums in the step itself: by itself it would be a pass over memory. May be overwritten.
    states : list of Tensor, each of shape (capacity, hidden)
        h first; to begin with all rows have the initial state.
    """

    cell: ClassVar[Cell]
    width: ClassVar[int]
    """Of the sums, in hidden units."""

    _state_names: ClassVar[tuple[str, ...]] = ("initial_state",)

    def __init__(
        self, p: Parameters, layer: int, sums: Tensor, capacity: int, products: Products, elementwise: Elementwise
    ) -> None:
        own = f"{self.cell}{layer}."
        self._sums, self._products = sums, products
        self._initial = [p[own + name] for name in self._state_names]
        self._hidden = self._initial[0].shape[0]
        self.states = [sums.new_empty(capacity, self._hidden) for _ in self._initial]
        self.weights, self.bias = (part.clone() for part in self._inputs(p, layer))
        others = self._take(p, own)
        self._rows = 0
        self._team: Team | None = None
        if elementwise == "compiled":
            buffers = [sums, *self.states, *others, self.bias]
            self._team = Team(cell_loops(self.cell, sums.dtype), len(sums), self._hidden, buffers)
        self.begin(0)

    def begin(self, first: int) -> None:
        """Set all rows from `first` on to the initial state."""
        for state, initial in zip(self.states, self._initial, strict=True):
            state[first:] = initial

    def move(self, first: int, stop: int) -> None:
        """Move the states of rows [first, stop) to the beginning; those behind begin anew. They may not overlap."""
        for state in self.states:
            state[: stop - first].copy_(state[first:stop])
        self.begin(stop - first)

    def advance(self, rows: int, first: int) -> Tensor:
        """Make a step, by the first `rows` sums, of the rows from `first` on; sums are overwritten.

        Returns
        -------
        Tensor, shape (rows, hidden)
            Their h.
        """
        # What depends on the number of rows alone is made once: a view takes as long as a tenth of a product.
        if rows != self._rows:
            self._rows = rows
            self._resize(self._sums[:rows])
            if self._team is not None:
                self._team.resize(rows)
        if self._team is not None:
            for number in range(len(self.states)):
                self._team.place(1 + number, first)
        here = [state.narrow(0, first, rows) for state in self.states]
        self._step(*here)
        return here[0]

    def _resize(self, sums: Tensor) -> None:
        """Take the views of so many sums."""
        self._here = sums

    def _step(self, h: Tensor, *others: Tensor) -> None:
        """Make a step of the states at hand."""
        raise NotImplementedError

    def _inputs(self, p: Parameters, layer: int) -> tuple[Tensor, Tensor]:
        return p[f"linear{layer}.W"], p[f"linear{layer}.b"]

    def _take(self, p: Parameters, own: str) -> list[Tensor]:
        """Keep the parameters of the step, whose names begin with `own`; gives the loops' other buffers."""
        raise NotImplementedError


class GRUStep(LayerStep):
    """A step of the GRU; sums of update gate, reset gate and candidate."""

    cell: ClassVar[Cell] = "gru"
    width: ClassVar[int] = 3

    def _resize(self, sums: Tensor) -> None:
        hidden = self._hidden
        self._here, self._through = sums, self._product[: len(sums)]
        self._gates, self._linear = sums[:, : 2 * hidden], sums[:, 2 * hidden :]

    def _step(self, h: Tensor, *others: Tensor) -> None:
        self._products.add(h, self._to_gates, self._gates)
        if self._team is not None:
            self._team.run("step_reset")
            self._products.add(self._through, self._to_state, self._linear)
            self._team.run("step_update")
            return
        self._here.add_(self.bias)
        update, reset = self._gates.sigmoid_().chunk(2, dim=1)
        torch.mul(reset, h, out=self._through)
        self._products.add(self._through, self._to_state, self._linear)
        h.lerp_(self._linear.tanh_(), update)

    def _inputs(self, p: Parameters, layer: int) -> tuple[Tensor, Tensor]:
        names = [f"fork{layer}/fork_{part}{layer}" for part in ("gates", "linear")]
        return torch.cat([p[f"{name}.W"] for name in names], 1), torch.cat([p[f"{name}.b"] for name in names])

    def _take(self, p: Parameters, own: str) -> list[Tensor]:
        self._to_gates, self._to_state = (
            self._products.operand(p[f"{own}state_to_{part}"]) for part in ("gates", "state")
        )
        self._product = self._sums.new_empty(len(self._sums), self._hidden)
        return [self._product]


class LSTMStep(LayerStep):
    """A step of the peephole LSTM; sums of the gates in and forget, the candidate, and the gate out."""

    cell: ClassVar[Cell] = "lstm"
    width: ClassVar[int] = 4

    _state_names: ClassVar[tuple[str, ...]] = ("initial_state", "initial_cells")

    def _step(self, h: Tensor, *others: Tensor) -> None:
        self._products.add(h, self._weights, self._here)
        if self._team is not None:
            self._team.run("step")
            return
        (cells,) = others
        into, keep, candidate, out = self._here.add_(self.bias).chunk(4, dim=1)
        p_in, p_forget, p_out = self._peepholes
        into.addcmul_(cells, p_in).sigmoid_()
        keep.addcmul_(cells, p_forget).sigmoid_()
        cells.mul_(keep).addcmul_(into, candidate.tanh_())
        out.addcmul_(cells, p_out).sigmoid_()
        torch.tanh(cells, out=h).mul_(out)

    def _take(self, p: Parameters, own: str) -> list[Tensor]:
        self._weights = self._products.operand(p[f"{own}W_state"])
        self._peepholes = [p[f"{own}W_cell_to_{gate}"] for gate in ("in", "forget", "out")]
        return self._peepholes


class RNNStep(LayerStep):
    """A step of the simple recurrent network."""

    cell: ClassVar[Cell] = "rnn"
    width: ClassVar[int] = 1

    def _step(self, h: Tensor, *others: Tensor) -> None:
        self._products.add(h, self._weights, self._here)
        if self._team is not None:
            self._team.run("step")
            return
        torch.tanh(self._here.add_(self.bias), out=h)

    def _take(self, p: Parameters, own: str) -> list[Tensor]:
        self._weights = self._products.operand(p[f"{own}W"])
        return []


STEPS: Mapping[Cell, type[LayerStep]] = {"gru": GRUStep, "lstm": LSTMStep, "rnn": RNNStep}
"""The step of each cell."""
