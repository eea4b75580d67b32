"""Cost and gradient of a mini-batch in the fused form: whole segments at once, in bounded memory, without autograd."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from itertools import pairwise
from math import ceil

import torch
from torch import Tensor

from longsong.config import Cell, Elementwise, choice, whole
from longsong.model.cell import Parameters
from longsong.model.fused import wavefront
from longsong.model.fused.frames import FrameLayers
from longsong.model.fused.gru import FusedGRU
from longsong.model.fused.lanes import Lanes
from longsong.model.fused.layer import FusedLayer, run_backward, run_forward
from longsong.model.fused.lstm import FusedLSTM
from longsong.model.fused.products import Products
from longsong.model.fused.rnn import FusedRNN
from longsong.model.fused.wavefront import Seen, steps_between
from longsong.model.fused.weights import Weights, weights_of
from longsong.model.fused.workspace import Workspace
from longsong.model.network import Network
from longsong.model.profile import Profile, section

__all__ = ["LAYERS", "FusedGradient"]

LAYERS: dict[Cell, type[FusedGRU] | type[FusedLSTM] | type[FusedRNN]] = {
    "gru": FusedGRU,
    "lstm": FusedLSTM,
    "rnn": FusedRNN,
}
"""The fused layer of each cell."""

_FORWARD_BYTES, _FORWARD_BYTES_ELSEWHERE = 1 << 24, 1 << 28
"""Of activations, where none is kept for a way back: a cost alone, or the states at the borders of segments. On a CPU
what stays in its caches; on other devices what is worth a launch."""

State = list[list[Tensor]]
"""Of each layer the tensors of its state, each of shape (rows, hidden)."""


class FusedGradient:
    """What `longsong.model.reference.ReferenceGradient` computes, by whole segments of a sequence.

    The input products of all steps of a segment are one; a step has only the products that must wait for the one
    before; weight gradients are one product over all steps. Predictions never stand in memory as a whole: output layer,
    cost and their gradient are computed together, in pieces over time.

    Where a segment is shorter than the sequence, the way there keeps the states at the borders of segments alone; on
    the way back those within are computed a second time (full back-propagation through time all the same). Pieces
    change the order of sums, and nothing else.

    Parameters
    ----------
    network : Network
    micro_batch : int or None
        Rows computed at once, None for all: examples, or positions of the sequence, where the recurrence runs over
        the mini-batch (D01).
    segment : int or None
        Steps whose activations are in memory at once; None for all.
    products : Products, optional
        How matrices are multiplied.
    elementwise : {'compiled', 'kernel', 'plain'}
        How the rest is done (`longsong.model.fused.compiled_available`, `longsong.model.kernels.kernels_available`).
    profile : Profile, optional
        Is told where the time goes.
    lanes : Lanes, optional
        One for each layer: they go on at the same time (`longsong.model.fused.wavefront`); one after the other without.

    Raises
    ------
    longsong.errors.ConfigError
        Pieces of less than one row or step, or another way of element-wise work.
    """

    def __init__(
        self,
        network: Network,
        *,
        micro_batch: int | None = None,
        segment: int | None = None,
        products: Products | None = None,
        elementwise: Elementwise = "plain",
        profile: Profile | None = None,
        lanes: Lanes | None = None,
    ) -> None:
        choice("elementwise", elementwise, Elementwise)
        for name, pieces in (("micro-batch", micro_batch), ("segment", segment)):
            if pieces is not None:
                whole(name, pieces)
        config = network.config
        self.network, self.micro_batch, self.segment = network, micro_batch, segment
        self._products, self._profile = products or Products(), profile
        self._layers: list[FusedLayer] = [
            LAYERS[config.cell](n, config.hidden, self._products, elementwise) for n in range(config.layers)
        ]
        self._frames, self._lanes = FrameLayers(self._products, large_pieces=elementwise == "kernel"), lanes
        self._workspace = Workspace(torch.empty(0))

    def cost_and_gradient(self, parameters: Tensor, inputs: Tensor, targets: Tensor) -> tuple[float, Tensor]:
        """Give the cost of a mini-batch, and its gradient; as `longsong.model.gradient.CostGradient`.

        Raises
        ------
        ValueError
            The mini-batch holds no example.
        """
        cost, gradient = self.enqueue(parameters, inputs, targets)
        return cost.item(), gradient

    @torch.no_grad()
    def enqueue(self, parameters: Tensor, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Have a device compute what `cost_and_gradient` gives, and do not wait for it.

        Returns
        -------
        cost : Tensor, shape (), float64
            Good until it is asked for again, like the gradient, shape (size,).

        Raises
        ------
        ValueError
            The mini-batch holds no example.
        """
        _refuse_empty(inputs)
        workspace, p = self._memory(parameters), weights_of(self.network, parameters, self._products)
        flat = workspace.take("gradient", self.network.size).zero_()
        gradient = self.network.named(flat)
        total = parameters.new_zeros((), dtype=torch.float64)
        with self._products.active():
            for x, y in self.network.micro_batches(inputs, targets, self.micro_batch):
                total += self._add_gradient(p, gradient, x, y)
        flat.mul_(2 / inputs.numel())
        return total.div_(inputs.numel()), flat

    @torch.no_grad()
    def cost(self, parameters: Tensor, inputs: Tensor, targets: Tensor) -> float:
        """Give the cost of a mini-batch; `ValueError` where it holds no example."""
        _refuse_empty(inputs)
        workspace, p = self._memory(parameters), weights_of(self.network, parameters, self._products)
        total = parameters.new_zeros((), dtype=torch.float64)
        with self._products.active():
            for x, y in self.network.micro_batches(inputs, targets, self.micro_batch):
                for some, top in self._run(p, x, self._initial(p, x.shape[1])):
                    total += self._frames.cost(p, top[1:], y[some], workspace)
        return total.item() / inputs.numel()

    @torch.no_grad()
    def costs(self, parameters: Tensor, inputs: Tensor, targets: Tensor, sizes: Sequence[int]) -> list[float]:
        """Give the costs of several mini-batches; over time they are computed together.

        Not all of their rows at once where that would take more memory than an update on the first of them.
        """
        if len(sizes) == 1 or self.network.config.recurrence == "batch":  # there examples depend on each other
            parts = zip(torch.split(inputs, list(sizes)), torch.split(targets, list(sizes)), strict=True)
            return [self.cost(parameters, *part) for part in parts]
        workspace, p = self._memory(parameters), weights_of(self.network, parameters, self._products)
        rows = min(sizes[0], self.micro_batch or sizes[0])
        # Half of the rows and steps that an update has at once: states at both ends of a piece come in addition.
        most = rows * min(inputs.shape[1], self.segment or inputs.shape[1]) // 2
        at_once = max(rows, min(most, self._frames.rows_at_once(self.network.frame, inputs.element_size())))
        totals = []
        with self._products.active():
            for x, y in self.network.micro_batches(inputs, targets, at_once):
                total = parameters.new_zeros(x.shape[1], dtype=torch.float64)
                for some, top in self._run(p, x, self._initial(p, x.shape[1]), most):
                    total += self._frames.costs_of_rows(p, top[1:], y[some], workspace)
                totals.append(total)
        means = torch.stack([part.mean() for part in torch.split(torch.cat(totals), list(sizes))])
        found: list[float] = means.div_(inputs[0].numel()).tolist()
        return found

    def workspace_bytes(self, rows: int, steps: int, itemsize: int = 4) -> int:
        """Give the bytes that the buffers take for an update.

        Parameters
        ----------
        rows, steps : int
            Of a mini-batch: examples and frames of a sequence, or the other way round for D01.
        itemsize : int
            Bytes of a number.
        """
        hidden, layers = self.network.config.hidden, self._layers
        rows = min(rows, self.micro_batch or rows)
        segment = min(steps, self.segment or steps)
        each = sum(sum(layer.widths.values()) + len(layer.states) for layer in layers) + 2
        borders = (ceil(steps / segment) + 2) * sum(len(layer.states) for layer in layers)
        numbers = rows * hidden * (segment * each + 2 * len(layers) + 2 + borders)
        if self._lanes is not None:
            numbers += rows * hidden * (len(layers) - 1) * steps_between(segment)
        return itemsize * (numbers + self.network.size) + self._frames.workspace_bytes(
            rows, segment, self.network.frame, itemsize
        )

    @property
    def memory(self) -> Hashable:
        """What is the same as long as the buffers stay where they are."""
        return id(self._workspace), self._workspace.moves

    def _memory(self, like: Tensor) -> Workspace:
        """Give the buffers, of the device and type of a tensor."""
        if not self._workspace.fits(like):
            self._workspace = Workspace(like)
        return self._workspace

    def _initial(self, p: Weights, rows: int) -> State:
        return [[p[name].expand(rows, -1) for name in layer.states] for layer in self._layers]

    def _run(self, p: Weights, x: Tensor, state: State, most: int | None = None) -> Iterator[tuple[slice, Tensor]]:
        """Run over a sequence with as few activations in memory as is quick; of `most` rows and steps, or one step.

        Gives the steps of each piece, and the last layer's h, shape (steps of it + 1, rows, hidden). `state` is what
        to begin with, and what a piece ends with once the next one is asked for.
        """
        hidden, rows = self.network.config.hidden, x.shape[1]
        widest = max(sum(layer.widths.values()) + len(layer.states) for layer in self._layers)
        at_once = _FORWARD_BYTES if x.device.type == "cpu" else _FORWARD_BYTES_ELSEWHERE
        at_once = max(1, at_once // (x.element_size() * hidden * rows * widest))
        if self.segment is not None:
            at_once = min(at_once, self.segment)
        if most is not None:
            at_once = min(at_once, max(1, most // rows))
        for first in range(0, len(x), at_once):
            some = slice(first, min(first + at_once, len(x)))
            e = self._encode(p, x[some])
            with section(self._profile, "recurrence"):
                for n, layer in enumerate(self._layers):
                    # Two layers in turns: what a layer kept is not looked at again.
                    states, kept = self._buffers(layer, n % 2, len(e), rows)
                    _set(states, state[n])
                    run_forward(layer, p, e, states, kept)
                    state[n] = [tensor[-1].clone() for tensor in states]
                    e = states[0][1:]
            yield some, states[0]

    def _add_gradient(self, p: Weights, gradient: Parameters, x: Tensor, y: Tensor) -> Tensor:
        """Add the gradient of the sum of squares over some rows, halved; give the sum of squares."""
        steps, rows = x.shape[:2]
        segment = self.segment or steps
        borders = [*range(0, steps, segment), steps]
        state = self._initial(p, rows)
        begins = [state]
        if len(borders) > 2:
            for first, stop in pairwise(borders[:-1]):
                state = list(state)
                for _ in self._run(p, x[first:stop], state):
                    pass
                begins.append(state)
        d_state: State = [[torch.zeros_like(tensor) for tensor in layer] for layer in state]
        total = x.new_zeros((), dtype=torch.float64)
        for (first, stop), begin in zip(reversed(list(pairwise(borders))), reversed(begins), strict=True):
            total += self._back_through(p, gradient, x[first:stop], y[first:stop], begin, d_state)
        for layer, d_begin in zip(self._layers, d_state, strict=True):
            for name, d_tensor in zip(layer.states, d_begin, strict=True):
                gradient[name].add_(d_tensor.sum(0))
        return total

    def _back_through(
        self, p: Weights, gradient: Parameters, x: Tensor, y: Tensor, begin: State, d_state: State
    ) -> Tensor:
        """Run a segment there and back; `d_state` is the gradient of the state after it, then of that before it."""
        workspace = self._workspace
        steps, rows = x.shape[:2]
        hidden = self.network.config.hidden
        e = self._encode(p, x)
        seen: list[Seen] = []
        with section(self._profile, "recurrence"):
            for n, layer in enumerate(self._layers):
                seen.append(Seen(e, *self._buffers(layer, n, steps, rows)))
                _set(seen[n].states, begin[n])
                e = seen[n].states[0][1:]
            if self._lanes is None:
                for layer, one in zip(self._layers, seen, strict=True):
                    run_forward(layer, p, one.e, one.states, one.kept)
            else:
                wavefront.forward(self._layers, p, seen, self._lanes)
        d_h = workspace.take("d_h", steps + 1, rows, hidden)
        with section(self._profile, "output and cost"):
            total = self._frames.cost_and_gradient(p, gradient, e, y, d_h[1:], workspace)
        with section(self._profile, "recurrence"):
            if self._lanes is not None:
                lower = range(len(self._layers) - 1)
                between = [workspace.take(f"{n} d_h", steps_between(steps), rows, hidden) for n in lower]
                wavefront.backward(self._layers, p, gradient, seen, d_h, between, d_state, self._lanes)
            else:
                for n, layer in reversed(list(enumerate(self._layers))):
                    d_h[-1].add_(d_state[n][0])
                    # The gradient of its inputs is that of the states of the layer below, in the same place.
                    own = [d_h, *d_state[n][1:]]
                    run_backward(layer, p, gradient, seen[n].e, seen[n].states, seen[n].kept, own, d_h[1:])
                    d_state[n][0].copy_(d_h[0])
        with section(self._profile, "input products"):
            self._frames.add_input_gradient(gradient, x, d_h[1:], workspace)
        return total

    def _encode(self, p: Weights, x: Tensor) -> Tensor:
        workspace = self._workspace
        with section(self._profile, "input products"):
            e = workspace.take("e", *x.shape[:2], self.network.config.hidden)
            self._frames.encode(p, x, e, workspace)
        return e

    def _buffers(self, layer: FusedLayer, n: int, steps: int, rows: int) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Take the memory of a layer: its states, and what it keeps."""
        workspace, hidden = self._workspace, self.network.config.hidden
        states = [workspace.take(f"{n} state {i}", steps + 1, rows, hidden) for i in range(len(layer.states))]
        kept = {name: workspace.take(f"{n} {name}", steps, rows, w * hidden) for name, w in layer.widths.items()}
        return states, kept


def _set(states: list[Tensor], begin: list[Tensor]) -> None:
    for tensor, first in zip(states, begin, strict=True):
        tensor[0].copy_(first)


def _refuse_empty(inputs: Tensor) -> None:
    if not inputs.numel():
        raise ValueError(f"a mini-batch of shape {tuple(inputs.shape)} holds no example")
