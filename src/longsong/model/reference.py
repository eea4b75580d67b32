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
        Rows of a mini-batch computed at once, None for all (`Network.micro_batches`). The pieces' gradients add up
        to that of the whole; only the order of sums differs.
    """

    def __init__(self, network: Network, micro_batch: int | None = None) -> None:
        self.network, self.micro_batch = network, micro_batch

    def cost_and_gradient(self, parameters: Tensor, inputs: Tensor, targets: Tensor) -> tuple[float, Tensor]:
        """Give the cost of a mini-batch, and its gradient; as `longsong.model.gradient.CostGradient`."""
        leaf = parameters.detach().requires_grad_()
        cost = 0.0
        with torch.enable_grad():
            for total in self._sums(leaf, inputs, targets):
                share = total / inputs.numel()
                share.backward()  # type: ignore[no-untyped-call]
                cost += share.item()
        if leaf.grad is None:
            raise ValueError(f"a mini-batch of shape {tuple(inputs.shape)} holds no example")
        return cost, leaf.grad

    @torch.no_grad()
    def cost(self, parameters: Tensor, inputs: Tensor, targets: Tensor) -> float:
        """Give the cost of a mini-batch."""
        return sum(total.double().item() for total in self._sums(parameters, inputs, targets)) / inputs.numel()

    def costs(self, parameters: Tensor, inputs: Tensor, targets: Tensor, sizes: Sequence[int]) -> list[float]:
        """Give the costs of several mini-batches, one after the other."""
        parts = zip(torch.split(inputs, list(sizes)), torch.split(targets, list(sizes)), strict=True)
        return [self.cost(parameters, *part) for part in parts]

    def _sums(self, parameters: Tensor, inputs: Tensor, targets: Tensor) -> Iterator[Tensor]:
        """Give the sum of squares of each micro-batch."""
        for x, y in self.network.micro_batches(inputs, targets, self.micro_batch):
            predictions, _ = self.network.steps(self.network.named(parameters), x)
            yield sum_of_squares(predictions, y)
