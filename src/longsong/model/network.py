"""The network: a linear map in, recurrent layers, a linear map out (FACTS section 4; P10, P11)."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np
import torch
from torch import Tensor

from longsong.config import Cell, ModelConfig
from longsong.model.cell import Parameters, RecurrentCell, Shapes, State
from longsong.model.gru import GRUCell
from longsong.model.lstm import LSTMCell
from longsong.model.rnn import RNNCell

__all__ = ["Network", "sum_of_squares"]

_CELLS: dict[Cell, type[GRUCell] | type[LSTMCell] | type[RNNCell]] = {
    "gru": GRUCell,
    "lstm": LSTMCell,
    "rnn": RNNCell,
}


class Network:
    """The function that predicts, at each step, the next frame.

    All parameters live in one flat vector, so that the optimiser is one pass over memory; `named`
    gives them by the names of the 2016 stack.

    Parameters
    ----------
    config : ModelConfig
        Cell, width, layers, and the axis of the recurrence.
    frame : int
        Samples in a frame.

    Attributes
    ----------
    shapes : dict of str to tuple of int
        Names and shapes of all parameters, in the order of the flat vector.
    size : int
        Entries of the flat vector.
    cells : list of RecurrentCell
        The layers, from the input up.
    """

    def __init__(self, config: ModelConfig, frame: int) -> None:
        self.config, self.frame = config, frame
        hidden = config.hidden
        self.cells: list[RecurrentCell] = [_CELLS[config.cell](n, hidden) for n in range(config.layers)]
        self.shapes: Shapes = {"input_to_hidden.W": (frame, hidden), "input_to_hidden.b": (hidden,)}
        for cell in self.cells:
            self.shapes |= cell.shapes()
        self.shapes |= {"hidden_to_output.W": (hidden, frame), "hidden_to_output.b": (frame,)}
        self._sizes = [prod(shape) for shape in self.shapes.values()]
        self.size = sum(self._sizes)

    def named(self, flat: Tensor) -> dict[str, Tensor]:
        """Give the parameters of the vector `flat`, shape (size,), by name, as views of it."""
        pieces: tuple[Tensor, ...] = flat.split(self._sizes)  # type: ignore[no-untyped-call]
        return {name: piece.view(shape) for piece, (name, shape) in zip(pieces, self.shapes.items(), strict=True)}

    def flat(self, named: Parameters) -> Tensor:
        """Give parameters by name as one new vector, shape (size,)."""
        return torch.cat([named[name].reshape(-1) for name in self.shapes])

    def initial_parameters(self, seed: int) -> Tensor:
        """Draw parameters: weights from U[-init_width, init_width], biases and initial states 0.

        Drawn in float64 on the CPU, so that a seed gives the same ones on every device and in
        every precision (rounded). Weights are what is no bias and no initial state: peepholes
        too. The two halves of a GRU's `state_to_gates` are drawn one after the other. Biases of gates
        that are asked for come on top, and change nothing that is drawn.

        Returns
        -------
        Tensor, shape (size,), float64
        """
        generator = np.random.default_rng(seed)
        width = self.config.init_width
        flat = torch.zeros(self.size, dtype=torch.float64)
        for name, parameter in self.named(flat).items():
            if name.endswith((".b", ".initial_state", ".initial_cells")):
                continue
            halves = 2 if name.endswith(".state_to_gates") else 1
            for half in parameter.chunk(halves, dim=-1):
                half.copy_(torch.from_numpy(generator.uniform(-width, width, tuple(half.shape))))
        if self.config.forget_bias:
            for cell in self.cells:
                cell.keep_more(self.named(flat), self.config.forget_bias)
        if self.config.named_forget_bias:
            # Of 2016, and of no effect (D06): layers are called gru0 and gru1, and have no bias of their own.
            for name, parameter in self.named(flat).items():
                if name in ("gru.b", "lstm.b"):
                    parameter += self.config.named_forget_bias
        return flat

    def encode(self, p: Parameters, x: Tensor) -> Tensor:
        """Map frames (..., frame) to the first layer's inputs (..., hidden)."""
        return x @ p["input_to_hidden.W"] + p["input_to_hidden.b"]

    def decode(self, p: Parameters, h: Tensor) -> Tensor:
        """Map states of the last layer (..., hidden) to predicted frames (..., frame)."""
        return h @ p["hidden_to_output.W"] + p["hidden_to_output.b"]

    def initial_states(self, p: Parameters, rows: int) -> list[State]:
        """Give the initial state of each layer: tensors of shape (rows, hidden)."""
        return [cell.initial_state(p, rows) for cell in self.cells]

    def step(self, p: Parameters, x: Tensor, states: list[State]) -> tuple[Tensor, list[State]]:
        """Advance all layers by one step.

        Parameters
        ----------
        x : Tensor, shape (rows, frame)
        states : list of tuple of Tensor, shape (rows, hidden)

        Returns
        -------
        predictions : Tensor, shape (rows, frame)
        states : like `states`
        """
        e = self.encode(p, x)
        after = []
        for cell, state in zip(self.cells, states, strict=True):
            state = cell.step(p, cell.fork(p, e), state)
            after.append(state)
            e = state[0]
        return self.decode(p, e), after

    def steps(self, p: Parameters, x: Tensor, states: list[State] | None = None) -> tuple[Tensor, list[State]]:
        """Run over a whole sequence, layer by layer.

        Parameters
        ----------
        x : Tensor, shape (steps, rows, frame)
        states : list of tuple of Tensor, or None
            States to begin with; None for the trainable initial ones.

        Returns
        -------
        predictions : Tensor, shape (steps, rows, frame)
        states : list of tuple of Tensor
            After the last step.
        """
        if states is None:
            states = self.initial_states(p, x.shape[1])
        e = self.encode(p, x)
        after = []
        for cell, state in zip(self.cells, states, strict=True):
            outputs = []
            # unbind, not indexing: the backward pass of an index costs the whole sequence at each step.
            for fork in zip(*(part.unbind(0) for part in cell.fork(p, e)), strict=True):
                state = cell.step(p, fork, state)
                outputs.append(state[0])
            after.append(state)
            e = torch.stack(outputs)
        return self.decode(p, e), after

    def predict(self, p: Parameters, inputs: Tensor) -> Tensor:
        """Predict the next frame at each step of each example.

        Parameters
        ----------
        inputs : Tensor, shape (batch, seq, frame)

        Returns
        -------
        Tensor, shape (batch, seq, frame)
        """
        return self.from_steps(self.steps(p, self.to_steps(inputs))[0])

    def to_steps(self, examples: Tensor) -> Tensor:
        """Put the axis of the recurrence first: (batch, seq, frame) to (steps, rows, frame).

        Over time, steps are the positions of the sequence and rows the examples; over the
        mini-batch (D01) it is the other way round.
        """
        return examples.transpose(0, 1) if self.config.recurrence == "time" else examples

    from_steps = to_steps  # swapping two axes undoes itself

    def micro_batches(self, inputs: Tensor, targets: Tensor, rows: int | None) -> Iterator[tuple[Tensor, Tensor]]:
        """Give inputs and targets of some rows after the other, each of shape (steps, rows, frame).

        Rows do not depend on each other: they are examples or, where the recurrence runs over the mini-batch (D01) and
        examples do, positions of the sequence. None gives all at once.
        """
        x, y = self.to_steps(inputs), self.to_steps(targets)
        rows = rows or x.shape[1]
        pieces: Iterator[tuple[Tensor, Tensor]] = zip(torch.split(x, rows, 1), torch.split(y, rows, 1), strict=True)
        return pieces


def sum_of_squares(predictions: Tensor, targets: Tensor) -> Tensor:
    """Give the sum over every element of (prediction - target)^2; divided by their number, P11's cost."""
    return (predictions - targets).square().sum()
