"""The network one step at a time over many rows, each of which is fed what a row predicted before."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from longsong.config import Elementwise
from longsong.model.fused.products import Products
from longsong.model.fused.steps import STEPS
from longsong.model.network import Network

__all__ = ["Stepper"]


class Stepper:
    """All layers over a window of rows, in place; nothing of the size of a row is allocated in a step.

    A prediction that is fed back goes through three linear maps, one behind the other: the output layer, the input
    layer, and what turns the first layer's inputs into sums. They are multiplied with each other beforehand, either all
    three, or, where frames are so short that it is less work or they are to be guarded, the last two.

    Parameters
    ----------
    network : Network
    parameters : Tensor, shape (network.size,)
    rows : int
        The most rows of a step.
    capacity : int
        Rows that have states.
    products : Products, optional
        How matrices are multiplied.
    elementwise : {'compiled', 'plain'}
        How the rest is done (`longsong.model.fused.compiled_available`).
    guard : callable, optional
        Changes predicted frames, shape (rows, frame), in place, before they are fed back or given.

    Attributes
    ----------
    top : Tensor, shape (capacity, hidden)
        The last layer's h.
    """

    def __init__(
        self,
        network: Network,
        parameters: Tensor,
        rows: int,
        capacity: int,
        *,
        products: Products | None = None,
        elementwise: Elementwise = "plain",
        guard: Callable[[Tensor], object] | None = None,
    ) -> None:
        config, p = network.config, network.named(parameters.detach())
        self.network, self._products = network, products or Products()
        step = STEPS[config.cell]
        self._sums = parameters.new_empty(rows, step.width * config.hidden)
        self._layers = [
            step(p, layer, self._sums, capacity, self._products, elementwise) for layer in range(config.layers)
        ]
        self.top = self._layers[-1].states[0]
        operand = self._products.operand  # once, and not at each step
        self._out, self._out_bias = operand(p["hidden_to_output.W"]), p["hidden_to_output.b"]
        first = self._layers[0]
        into = _Linear(p["input_to_hidden.W"], p["input_to_hidden.b"]).then(_Linear(first.weights, first.bias))
        past = _Linear(p["hidden_to_output.W"], self._out_bias).then(into)
        self._from_frame = operand(into.weights.to(parameters))
        # The first layer's own bias is that of what is fed back; of frames that are given the output's is taken off.
        first.bias.copy_(into.bias if guard is not None else past.bias)
        frame, hidden, width = network.frame, config.hidden, step.width * config.hidden
        through = guard is not None or frame * (hidden + width) < hidden * width
        self._guard = guard
        self._frames = parameters.new_empty(rows, frame) if through else None
        self._from_top = None if through else operand(past.weights.to(parameters))
        for layer in self._layers[1:]:
            layer.weights = operand(layer.weights)
        self._last: tuple[int, int] | None = None

    def feed(self, frames: Tensor, first: int) -> None:
        """Make the sums of rows from `first` on, counted from that of the step, from frames, shape (rows, frame)."""
        given = frames if self._guard is not None else frames - self._out_bias
        self._products.multiply(given, self._from_frame, self._sums[first : first + len(frames)])

    def feed_back(self, source: int, first: int, stop: int) -> None:
        """Make the sums of rows [first, stop) of the step from what rows from `source` on predicted last."""
        top, sums, frames = self.top.narrow(0, source, stop - first), *self._views(first, stop)
        if self._from_top is not None:
            self._products.multiply(top, self._from_top, sums)
        elif frames is not None:
            if self._guard is None:
                self._products.multiply(top, self._out, frames)
            else:
                self._predict(top, frames)
            self._products.multiply(frames, self._from_frame, sums)

    def advance(self, rows: int, first: int) -> None:
        """Make a step of `rows` rows from `first` on, whose sums are made."""
        sums, _ = self._views(0, rows)
        below = self._layers[0].advance(rows, first)
        for layer in self._layers[1:]:
            self._products.multiply(below, layer.weights, sums)
            below = layer.advance(rows, first)

    def begin(self) -> None:
        """Set all rows to the initial state."""
        for layer in self._layers:
            layer.begin(0)

    def move(self, first: int, stop: int) -> None:
        """Move the states of rows [first, stop) to the beginning; those behind begin anew. They may not overlap."""
        for layer in self._layers:
            layer.move(first, stop)

    def decode(self, h: Tensor) -> Tensor:
        """Give the frames, shape (..., frame), that the last layer's states, shape (..., hidden), predict."""
        flat = h.reshape(-1, h.shape[-1])
        frames = flat.new_empty(len(flat), self.network.frame)
        self._predict(flat, frames)
        return frames.view(*h.shape[:-1], -1)

    def _views(self, first: int, stop: int) -> tuple[Tensor, Tensor | None]:
        """Give the sums of rows [first, stop), and as many frames; those that were asked for last are there."""
        if self._last != (first, stop):
            self._last = first, stop
            self._there = self._sums[first:stop], None if self._frames is None else self._frames[: stop - first]
        return self._there

    def _predict(self, h: Tensor, frames: Tensor) -> None:
        self._products.affine(h, self._out, self._out_bias, frames)
        if self._guard is not None:
            self._guard(frames)


class _Linear:
    """A linear map of rows, ``x weights + bias``."""

    def __init__(self, weights: Tensor, bias: Tensor) -> None:
        self.weights, self.bias = weights, bias

    def then(self, other: _Linear) -> _Linear:
        """Give this map and then the other as one, rounded as float64."""
        weights, bias = other.weights.double(), other.bias.double()
        return _Linear(self.weights.double() @ weights, self.bias.double() @ weights + bias)
