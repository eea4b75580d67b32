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
        self.network, self._products, self._capacity = network, products or Products(), capacity
        step = STEPS[config.cell]
        self._sums = parameters.new_empty(rows, step.width * config.hidden)
        self._layers = [
            step(p, layer, self._sums, capacity, self._products, elementwise) for layer in range(config.layers)
        ]
        self.top = self._layers[-1].states[0]
        self._out, self._out_bias = p["hidden_to_output.W"], p["hidden_to_output.b"]
        into = _Linear(p["input_to_hidden.W"], p["input_to_hidden.b"]).then(
            _Linear(self._layers[0].weights, self._layers[0].bias)
        )
        self._from_frame = into.like(parameters)
        past = _Linear(self._out, self._out_bias).then(into)
        frame, hidden, width = network.frame, config.hidden, step.width * config.hidden
        through = guard is not None or frame * (hidden + width) < hidden * width
        self._guard = guard
        self._frames = parameters.new_empty(rows, frame) if through else None
        self._from_top = None if through else past.like(parameters)

    def feed(self, frames: Tensor, first: int) -> None:
        """Make the sums of rows from `first` on, counted from that of the step, from frames, shape (rows, frame)."""
        self._affine(frames, self._from_frame, first, first + len(frames))

    def feed_back(self, source: int, first: int, stop: int) -> None:
        """Make the sums of rows [first, stop) of the step from what rows from `source` on predicted last."""
        top = self.top[source : source + stop - first]
        if self._from_top is not None:
            self._affine(top, self._from_top, first, stop)
        elif self._frames is not None:
            frames = self._frames[: stop - first]
            self._predict(top, frames)
            self._affine(frames, self._from_frame, first, stop)

    def advance(self, rows: int, first: int) -> None:
        """Make a step of `rows` rows from `first` on, whose sums are made."""
        below: Tensor | None = None
        for layer in self._layers:
            if below is not None:
                self._products.affine(below, layer.weights, layer.bias, self._sums[:rows])
            layer.advance(rows, first)
            below = layer.states[0][first : first + rows]

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

    def _predict(self, h: Tensor, frames: Tensor) -> None:
        self._products.affine(h, self._out, self._out_bias, frames)
        if self._guard is not None:
            self._guard(frames)

    def _affine(self, a: Tensor, linear: _Linear, first: int, stop: int) -> None:
        self._products.affine(a, linear.weights, linear.bias, self._sums[first:stop])


class _Linear:
    """A linear map of rows, ``x weights + bias``."""

    def __init__(self, weights: Tensor, bias: Tensor) -> None:
        self.weights, self.bias = weights, bias

    def then(self, other: _Linear) -> _Linear:
        """Give this map and then the other as one, rounded as float64."""
        weights, bias = other.weights.double(), other.bias.double()
        return _Linear(self.weights.double() @ weights, self.bias.double() @ weights + bias)

    def like(self, tensor: Tensor) -> _Linear:
        """Give the map in the precision of a tensor."""
        return _Linear(self.weights.to(tensor), self.bias.to(tensor))
