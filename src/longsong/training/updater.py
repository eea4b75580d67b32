"""One update: cost and gradient of a mini-batch, and a step of the optimiser."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from torch import Tensor

from longsong.errors import NotFiniteError
from longsong.model import Network
from longsong.model.gradient import CostGradient
from longsong.model.profile import Profile, section
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
    form : CostGradient
        What computes cost and gradient.
    profile : Profile, optional
        Is told what the optimiser takes.
    """

    def __init__(
        self,
        network: Network,
        parameters: Tensor,
        optimiser: RMSProp,
        form: CostGradient,
        profile: Profile | None = None,
    ) -> None:
        self.network, self.parameters, self.optimiser, self.form = network, parameters.detach(), optimiser, form
        self._profile = profile

    def gradient(self, inputs: Tensor, targets: Tensor) -> tuple[float, Tensor]:
        """Give the cost of a mini-batch, and its gradient, shape (network.size,)."""
        return self.form.cost_and_gradient(self.parameters, inputs, targets)

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
        with section(self._profile, "optimiser"):
            return cost, self.optimiser.step(self.parameters, gradient)

    def cost(self, inputs: Tensor, targets: Tensor) -> float:
        """Give the cost of a mini-batch: the mean over every element of (prediction - target)^2."""
        return self.form.cost(self.parameters, inputs, targets)

    def evaluate(self, groups: Iterable[tuple[Tensor, Tensor, Sequence[int]]]) -> tuple[float | None, int]:
        """Give the unweighted mean of the costs of mini-batches, and their number.

        A short last mini-batch counts as much as a full one, as in 2016. The mean is None where
        there is no mini-batch.

        Parameters
        ----------
        groups : iterable of (inputs, targets, sizes)
            Mini-batches behind each other, of so many examples each.

        Raises
        ------
        NotFiniteError
            A cost is not finite.
        """
        costs: list[float] = []
        for group in groups:
            costs += self.form.costs(self.parameters, *group)
            del group  # so that its memory is free for the next but one
        if not all(math.isfinite(cost) for cost in costs):
            raise NotFiniteError("the dev cost is not finite")
        return (math.fsum(costs) / len(costs) if costs else None), len(costs)
