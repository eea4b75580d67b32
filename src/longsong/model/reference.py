"""Cost and gradient by the reference cells and automatic differentiation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from longsong.model.network import Network, sum_of_squares

__all__ = ["ReferenceGradient"]


class ReferenceGradient:
    """What every faster form is held against: the equations of FACTS section 4, differentiated by torch.

    Parameters
    ----------
    network : Network
        The function.
    micro_batch : int or None
        Rows of a mini-batch computed at once, None for all: examples, or, where the recurrence runs
        over the mini-batch (D01) and examples depend on each other, positions of the sequence. The
        pieces' gradients add up to that of the whole; only the order of sums differs.
    """

    def __init__(self, network: Network, micro_batch: int | None = None) -> None:
        self.network, self.micro_batch = network, micro_batch

    def cost_and_gradient(self, parameters: Tensor, inputs: Tensor, targets: Tensor) -> tuple[float, Tensor]:
        """Give the cost of a mini-batch, and its gradient; as `longsong.model.gradient.CostGradient`."""
        leaf = parameters.detach().requires_grad_()
        cost = 0.0
        with torch.enable_grad():
            for piece in self._pieces(inputs, targets):
                share = self._sum(leaf, *piece) / inputs.numel()
                share.backward()  # type: ignore[no-untyped-call]
                cost += share.item()
        if leaf.grad is None:
            raise ValueError(f"a mini-batch of shape {tuple(inputs.shape)} holds no example")
        return cost, leaf.grad

    @torch.no_grad()
    def cost(self, parameters: Tensor, inputs: Tensor, targets: Tensor) -> float:
        """Give the cost of a mini-batch."""
        total = sum(self._sum(parameters, *piece).double().item() for piece in self._pieces(inputs, targets))
        return total / inputs.numel()

    def costs(self, parameters: Tensor, inputs: Tensor, targets: Tensor, sizes: Sequence[int]) -> list[float]:
        """Give the costs of several mini-batches, one after the other."""
        parts = zip(torch.split(inputs, list(sizes)), torch.split(targets, list(sizes)), strict=True)
        return [self.cost(parameters, *part) for part in parts]

    def _sum(self, parameters: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
        network = self.network
        predictions, _ = network.steps(network.named(parameters), network.to_steps(inputs))
        return sum_of_squares(predictions, network.to_steps(targets))

    def _pieces(self, inputs: Tensor, targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        axis = 0 if self.network.config.recurrence == "time" else 1
        rows = self.micro_batch or inputs.shape[axis]
        pieces: Iterator[tuple[Tensor, Tensor]] = zip(
            torch.split(inputs, rows, axis), torch.split(targets, rows, axis), strict=True
        )
        return pieces
