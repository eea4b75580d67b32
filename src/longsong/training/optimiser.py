"""RMSProp with a floor, then step clipping: the optimiser of 2016."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from longsong.errors import NotFiniteError

__all__ = ["FLOOR", "RMSProp", "StepStatistics"]

FLOOR = 1e-5
"""The least root mean square that a gradient is divided by: a floor, not an added epsilon."""

_BLOCK = 1 << 17
"""Entries that are taken from gradient to step before the next ones are looked at: they stay in a core's cache."""


@dataclass(frozen=True)
class StepStatistics:
    """What one step of the optimiser was.

    Attributes
    ----------
    gradient_norm : float
        L2 norm of the gradient.
    step_norm_unclipped, step_norm : float
        L2 norm of the step before clipping, and as applied.
    clipped : bool
        Whether the step was scaled down.
    floor_share : float
        Share of the entries that were divided by the floor.
    """

    gradient_norm: float
    step_norm_unclipped: float
    step_norm: float
    clipped: bool
    floor_share: float


class RMSProp:
    """RMSProp (Tieleman and Hinton, 2012) and step clipping as Blocks 0.2.0 has them (FACTS section 4).

    ``v = decay v + (1 - decay) g^2`` from ``v = 0``; ``step = rate g / max(sqrt(v), 1e-5)``; there is no
    bias correction. Clipping comes after: a step, over all parameters together, of an L2 norm above
    `step_clip` is scaled down to it. Then ``parameters -= step``.

    Parameters
    ----------
    mean_square : Tensor, shape (size,)
        The running mean of squares to begin with; updated in place.
    learning_rate, decay, step_clip : float
        `learning_rate` may be changed between steps.
    """

    def __init__(self, mean_square: Tensor, *, learning_rate: float, decay: float, step_clip: float) -> None:
        self.mean_square = mean_square
        self.learning_rate, self.decay, self.step_clip = learning_rate, decay, step_clip
        self._step = torch.empty_like(mean_square)
        self._block = _BLOCK if mean_square.device.type == "cpu" else max(1, len(mean_square))
        self._divisor = torch.empty_like(mean_square[: self._block])

    @torch.no_grad()
    def step(self, parameters: Tensor, gradient: Tensor) -> StepStatistics:
        """Change `parameters`, shape (size,), in place by one step along `gradient`, of the same shape.

        Raises
        ------
        NotFiniteError
            The norm of the gradient or of the step is not finite; `parameters` are as they were.
        """
        floored, gradient_norms, step_norms = 0.0, [], []
        for first in range(0, len(gradient), self._block):
            block = slice(first, first + self._block)
            g, v, step = gradient[block], self.mean_square[block], self._step[block]
            v.mul_(self.decay).addcmul_(g, g, value=1 - self.decay)
            divisor = torch.sqrt(v, out=self._divisor[: len(g)])
            floored += (divisor < FLOOR).sum().item()
            torch.mul(g, self.learning_rate, out=step).div_(divisor.clamp_(min=FLOOR))
            gradient_norms.append(torch.linalg.vector_norm(g).item())
            step_norms.append(torch.linalg.vector_norm(step).item())
        unclipped, gradient_norm = math.hypot(*step_norms), math.hypot(*gradient_norms)
        if not (math.isfinite(unclipped) and math.isfinite(gradient_norm)):
            raise NotFiniteError(f"the norm of the step is {unclipped}, and that of the gradient {gradient_norm}")
        clipped = unclipped > self.step_clip
        if clipped:
            self._step.mul_(self.step_clip / unclipped)
        parameters.sub_(self._step)
        return StepStatistics(
            gradient_norm=gradient_norm,
            step_norm_unclipped=unclipped,
            step_norm=torch.linalg.vector_norm(self._step).item() if clipped else unclipped,
            clipped=clipped,
            floor_share=floored / len(gradient),
        )
