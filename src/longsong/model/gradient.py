"""How an update gets its cost and gradient: the one question that every form of the network answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

__all__ = ["CostGradient"]


class CostGradient(Protocol):
    """Cost and gradient of a mini-batch (P11; FACTS section 4): of the reference cells, or of a faster form.

    Mini-batches are inputs and targets, each of shape (batch, seq, frame); the cost is the mean over every element of
    (prediction - target)^2. Parameters are the flat vector of a `longsong.model.Network`.
    """

    def cost_and_gradient(self, parameters: Tensor, inputs: Tensor, targets: Tensor) -> tuple[float, Tensor]:
        """Give the cost, and its gradient, shape (size,), which is good until the next call."""

    def cost(self, parameters: Tensor, inputs: Tensor, targets: Tensor) -> float:
        """Give the cost alone."""

    def costs(self, parameters: Tensor, inputs: Tensor, targets: Tensor, sizes: Sequence[int]) -> list[float]:
        """Give the cost of each of several mini-batches that stand behind each other, of so many examples each."""
