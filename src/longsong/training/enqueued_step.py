"""The step of `longsong.training.optimiser.RMSProp` on a device that nobody waits for."""

from __future__ import annotations

import torch
from torch import Tensor

from longsong.errors import NotFiniteError
from longsong.model.kernels import kernels_available
from longsong.training.optimiser import FLOOR, RMSProp, StepStatistics

__all__ = ["STATISTICS", "EnqueuedStep", "statistics_of"]

STATISTICS = 6
"""Numbers that are known of an update: cost, norms of the gradient, of the step and of the step as applied, entries on
the floor, and whether all of that was finite, in this update and before."""


class EnqueuedStep:
    """Steps whose statistics stay on the device, and which can be captured in a CUDA graph.

    Once a cost or a norm is not finite no later step changes the parameters: they are as they were before it, as
    `RMSProp` leaves them, although the host learns of it later.

    Parameters
    ----------
    optimiser : RMSProp
        Its mean of squares is updated in place; its learning rate is looked at by `set_rate`.

    Attributes
    ----------
    statistics : Tensor, shape (STATISTICS,), float64
        Of the last step (`statistics_of`).
    """

    def __init__(self, optimiser: RMSProp) -> None:
        mean_square = optimiser.mean_square
        self._optimiser = optimiser
        self._step = torch.empty_like(mean_square)
        self._by_kernels = kernels_available(mean_square.device, mean_square.dtype) is None
        self._rate = mean_square.new_zeros(())
        self._rate_there = 0.0
        self.statistics = mean_square.new_zeros(STATISTICS, dtype=torch.float64)
        self.statistics[-1] = 1

    def set_rate(self) -> None:
        """Bring the optimiser's learning rate to the device, if it has changed; not part of what is captured."""
        if self._rate_there != self._optimiser.learning_rate:
            self._rate_there = self._optimiser.learning_rate
            self._rate.fill_(self._rate_there)

    @torch.no_grad()
    def __call__(self, parameters: Tensor, cost: Tensor, gradient: Tensor) -> None:
        """Change `parameters`, shape (size,), by a step along `gradient`, of the same shape.

        Parameters
        ----------
        cost : Tensor, shape ()
            Of the mini-batch that the gradient is of.
        """
        if self._by_kernels:
            self._step_by_kernels(parameters, cost, gradient)
        else:
            self._step_plainly(parameters, cost, gradient)

    def _step_by_kernels(self, parameters: Tensor, cost: Tensor, gradient: Tensor) -> None:
        from longsong.model.kernels.rmsprop import BLOCK, rmsprop_step

        optimiser = self._optimiser
        sums = gradient.new_empty(3, -(-len(gradient) // BLOCK))
        rmsprop_step(
            parameters,
            optimiser.mean_square,
            gradient,
            self._step,
            sums,
            cost,
            self._rate,
            self.statistics,
            decay=optimiser.decay,
            floor=FLOOR,
            clip=optimiser.step_clip,
        )

    def _step_plainly(self, parameters: Tensor, cost: Tensor, gradient: Tensor) -> None:
        optimiser, step = self._optimiser, self._step
        optimiser.mean_square.mul_(optimiser.decay).addcmul_(gradient, gradient, value=1 - optimiser.decay)
        divisor = torch.sqrt(optimiser.mean_square)
        floored = (divisor < FLOOR).sum()
        torch.mul(gradient, self._rate, out=step).div_(divisor.clamp_(min=FLOOR))
        norm, unclipped = (torch.linalg.vector_norm(one).double() for one in (gradient, step))
        # No norm is below 0: what is not finite makes the sum so.
        finite = torch.isfinite(cost.double() + norm + unclipped).double() * self.statistics[-1]
        # NaN in the step would pass through a product with 0.
        factor = torch.where(unclipped > optimiser.step_clip, optimiser.step_clip / unclipped, 1.0)
        step.mul_(factor.to(step.dtype))
        parameters.sub_(torch.where(finite > 0, step, 0.0))
        numbers = (cost.double(), norm, unclipped, unclipped * factor, floored.double(), finite)
        torch.stack(numbers, out=self.statistics)


def statistics_of(numbers: list[float], size: int, step_clip: float) -> tuple[float, StepStatistics]:
    """Give the cost of an update and what its step was, from what `EnqueuedStep.statistics` held.

    Parameters
    ----------
    numbers : list of float
    size : int
        Of the parameters.
    step_clip : float

    Raises
    ------
    NotFiniteError
        The cost, its gradient or the step, or one before it, is not finite.
    """
    cost, norm, unclipped, applied, floored, finite = numbers
    if not finite:
        raise NotFiniteError(
            f"the train cost is {cost}, the norm of its gradient {norm}, and that of the step {unclipped}"
        )
    return cost, StepStatistics(
        gradient_norm=norm,
        step_norm_unclipped=unclipped,
        step_norm=applied,
        clipped=unclipped > step_clip,
        floor_share=floored / size,
    )
