"""One update: cost and gradient of a mini-batch, in pieces that fit, and a step of the optimiser."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from longsong.errors import NotFiniteError
from longsong.model import Network, sum_of_squares
from longsong.training.optimiser import RMSProp, StepStatistics

__all__ = ["Updater"]


class Updater:
    """The training of a network, one mini-batch after the other (FACTS section 4; P06, P11).

    Mini-batches are pairs of inputs and targets, each of shape (batch, seq, frame).

    Parameters
    ----------
    network : Network
        The function.
    parameters : Tensor, shape (network.size,)
        Changed in place.
    optimiser : RMSProp
        Its running mean of squares belongs to `parameters`.
    micro_batch : int or None
        Rows of a mini-batch computed at once, None for all: examples, or, where the recurrence runs
        over the mini-batch (D01) and examples depend on each other, positions of the sequence. The
        pieces' gradients add up to that of the whole; only the order of sums differs.
    """

    def __init__(
        self, network: Network, parameters: Tensor, optimiser: RMSProp, micro_batch: int | None = None
    ) -> None:
        self.network, self.optimiser, self.micro_batch = network, optimiser, micro_batch
        self.parameters = parameters.detach().requires_grad_()

    def gradient(self, inputs: Tensor, targets: Tensor) -> tuple[float, Tensor]:
        """Give the cost of a mini-batch, and its gradient, shape (network.size,)."""
        self.parameters.grad = None
        cost = 0.0
        for piece_inputs, piece_targets in self._pieces(inputs, targets):
            share = self._sum(self.parameters, piece_inputs, piece_targets) / inputs.numel()
            share.backward()  # type: ignore[no-untyped-call]
            cost += share.item()
        gradient = self.parameters.grad
        if gradient is None:
            raise ValueError(f"a mini-batch of shape {tuple(inputs.shape)} holds no example")
        return cost, gradient

    def update(self, inputs: Tensor, targets: Tensor) -> tuple[float, StepStatistics]:
        """Make one update.

        Returns
        -------
        cost : float
            Of the parameters before the update.
        step : StepStatistics

        Raises
        ------
        NotFiniteError
            The cost, its gradient or the step is not finite; the parameters are as they were.
        """
        cost, gradient = self.gradient(inputs, targets)
        if not math.isfinite(cost):
            raise NotFiniteError(f"the train cost is {cost}")
        return cost, self.optimiser.step(self.parameters, gradient)

    @torch.no_grad()
    def cost(self, inputs: Tensor, targets: Tensor) -> float:
        """Give the cost of a mini-batch: the mean over every element of (prediction - target)^2."""
        parameters = self.parameters.detach()
        total = sum(self._sum(parameters, *piece).double().item() for piece in self._pieces(inputs, targets))
        return total / inputs.numel()

    def evaluate(self, batches: Iterable[tuple[Tensor, Tensor]]) -> tuple[float | None, int]:
        """Give the unweighted mean of the costs of mini-batches, and their number.

        A short last mini-batch counts as much as a full one, as in 2016. The mean is None where
        there is no mini-batch.

        Raises
        ------
        NotFiniteError
            A cost is not finite.
        """
        costs = [self.cost(*batch) for batch in batches]
        if not all(math.isfinite(cost) for cost in costs):
            raise NotFiniteError("the dev cost is not finite")
        return (math.fsum(costs) / len(costs) if costs else None), len(costs)

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
