"""Cost and gradient of mini-batches whose rows several ranks share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from longsong.model.gradient import CostGradient
from longsong.model.profile import Profile, section
from longsong.training.profiling import OTHER_RANKS
from longsong.training.ranks import Ranks

__all__ = ["RankedGradient"]


class RankedGradient:
    """Gives every rank the cost and gradient of whole mini-batches, of which each has some rows, or none.

    A mean over all rows is that of the ranks' own means, each as often as it has rows: what one process would compute,
    but for the order of sums.

    Parameters
    ----------
    form : CostGradient
        Computes this rank's rows.
    ranks : Ranks
    stopping : callable
        Says whether this rank was asked to stop.
    profile : Profile, optional
        Where the seconds of adding up gradients are counted, most of which pass in waiting for the slowest rank.

    Attributes
    ----------
    stopped : bool
        Whether any rank had been asked to stop by the last gradient; the same on all of them.
    """

    def __init__(
        self, form: CostGradient, ranks: Ranks, stopping: Callable[[], bool], profile: Profile | None = None
    ) -> None:
        self._form, self._ranks, self._stopping, self._profile = form, ranks, stopping, profile
        self._shared: Tensor | None = None
        self.stopped = False

    def cost_and_gradient(self, parameters: Tensor, inputs: Tensor, targets: Tensor) -> tuple[float, Tensor]:
        """Give the cost, and its gradient, shape (size,), which is good until the next call."""
        rows, size = len(inputs), len(parameters)
        if self._shared is None:
            self._shared = parameters.new_empty(size + 3)
        shared = self._shared.zero_()
        if rows:
            cost, gradient = self._form.cost_and_gradient(parameters, inputs, targets)
            torch.mul(gradient, rows, out=shared[:size])
            shared[size] = cost * rows
        shared[size + 1], shared[size + 2] = rows, self._stopping()
        with section(self._profile, OTHER_RANKS):
            self._ranks.sum(shared, "the gradient of a mini-batch")
        cost, rows, stopping = shared[size:].tolist()
        self.stopped = stopping > 0
        return cost / rows, shared[:size].div_(rows)

    def cost(self, parameters: Tensor, inputs: Tensor, targets: Tensor) -> float:
        """Give the cost alone."""
        return self.costs(parameters, inputs, targets, [len(inputs)])[0]

    def costs(self, parameters: Tensor, inputs: Tensor, targets: Tensor, sizes: Sequence[int]) -> list[float]:
        """Give the cost of each of several mini-batches that stand behind each other; `sizes` are this rank's."""
        own = iter(self._form.costs(parameters, inputs, targets, [n for n in sizes if n]) if len(inputs) else [])
        sums = torch.tensor([[next(own) * n, n] if n else [0.0, 0.0] for n in sizes], dtype=torch.float64)
        self._ranks.sum(sums, "costs of the dev split")
        return (sums[:, 0] / sums[:, 1]).tolist()
