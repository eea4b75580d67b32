"""What a step of a network costs: measured here, extended from narrower networks, or as a data sheet has it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from longsong.config import ExecutionConfig, ModelConfig
from longsong.estimate import Costs, measure_costs
from longsong.model import Network
from longsong.model.fused import FusedGradient
from longsong.reported import BATCH
from longsong.training.floor import products_of_update

__all__ = ["Accelerator", "Measured", "extended", "launches_of_step", "measure"]

_TINY = 8
_QUICK = 256
"""Hidden units whose costs are measured in seconds on any machine: the larger width of the post."""

_MIDDLE = 1000
"""Samples of the frame that an extension is judged at: of most configurations of the 2016 code."""


@dataclass(frozen=True)
class Measured:
    """Costs of a network, and at which widths they were measured.

    Attributes
    ----------
    costs : Costs
    hidden : tuple of int
        Widths that were measured; the last is the one that `costs` are extended from, or that of the network itself.
    error : float or None
        What extending the narrowest measurement to the widest would have given of an update of 128 rows, over what was
        measured there; None where there is but one.
    """

    costs: Costs
    hidden: tuple[int, ...]
    error: float | None = None


def measure(
    model: ModelConfig,
    execution: ExecutionConfig,
    seconds: float,
    measuring: Callable[[ModelConfig, ExecutionConfig], Costs] = measure_costs,
) -> Measured:
    """Measure the costs of a network here; of one that would take too long, those of narrower ones, and extend them.

    Parameters
    ----------
    model : ModelConfig
    execution : ExecutionConfig
        With the device and the precision.
    seconds : float
        That the widest measurement may take, as far as the narrowest tells; the narrowest is made in any case.
    measuring : callable
        What measures a network.
    """
    narrow = replace(model, hidden=min(model.hidden, _QUICK))
    if narrow != model:
        measuring(replace(model, hidden=_TINY), execution)  # what is loaded and compiled once, counts for no width
    begun = time.perf_counter()
    costs = measuring(narrow, execution)
    took = time.perf_counter() - begun
    if narrow == model:
        return Measured(costs, (model.hidden,))
    # By the operations of the recurrence: what else there is grows more slowly.
    affordable = narrow.hidden * math.sqrt(seconds / max(took, 1e-9))
    widest = model.hidden
    while widest > affordable and widest > narrow.hidden:
        widest //= 2
    if widest <= narrow.hidden:
        return Measured(extended(costs, narrow, model), (narrow.hidden,))
    wide = replace(model, hidden=widest)
    found = measuring(wide, execution)
    rows, frame = BATCH, _MIDDLE
    error = extended(costs, narrow, wide).training(rows, frame) / found.training(rows, frame)
    return Measured(extended(found, wide, model), (narrow.hidden, widest), error)


def extended(costs: Costs, measured: ModelConfig, model: ModelConfig) -> Costs:
    """Extend the costs of one width to another: each in proportion to the operations that it stands for.

    What a step takes for each of its rows, and beside them, grows as the products of the recurrence (the weights are
    read, and the optimiser steps, once for all rows); what it takes for each sample of a frame as those of the input
    and output layers.

    Parameters
    ----------
    costs : Costs
        Of the network `measured`.
    measured, model : ModelConfig
        Two networks that differ in their width.
    """
    before, after = _operations_of_row(measured), _operations_of_row(model)
    of_row, of_sample = after[0] / before[0], after[1] / before[1]
    kinds = costs.to_json().items()
    scaled = {
        kind: {"fixed": c["fixed"] * of_row, "row": c["row"] * of_row, "sample": c["sample"] * of_sample}
        for kind, c in kinds
    }
    return Costs.mean([scaled])


@dataclass(frozen=True)
class Accelerator:
    """A device that is not here, as its data sheet has it.

    Attributes
    ----------
    peak : float
        Floating-point operations a second, in the precision of the run.
    efficiency : float
        Which share of them its products reach.
    launch_seconds : float
        From one kernel to the next, however small.
    step_seconds : float or None
        Of a layer's step there and back, with the gradient of its weights, in the kernels that take all steps in one
        launch; None where there is no Triton, and each operation of torch is a kernel.
    """

    peak: float
    efficiency: float
    launch_seconds: float
    step_seconds: float | None = None

    def costs(self, model: ModelConfig) -> Costs:
        """Give the costs of a step: its operations at that speed, and the launches of its kernels, or what it takes.

        Without `step_seconds` kernels are those of the plain element-wise work, one for each operation of torch
        (`launches_of_step`). That launches and computing do not overlap is pessimistic, by a factor of 2 at most. With
        it, layers go side by side, rows are computed at the same time, and there is half of there and back. Sounds are
        made without these kernels.
        """
        training, prediction = launches_of_step(model)
        speed = self.peak * self.efficiency
        update, forward = _operations_of_row(model), _operations_of_row(model, forward=True)

        def cost(launches: int, operations: tuple[float, float]) -> dict[str, float]:
            row, sample = operations
            return {"fixed": launches * self.launch_seconds, "row": row / speed, "sample": sample / speed}

        kinds = {"training": cost(training, update), "prediction": cost(prediction, forward)}
        kinds["generation"] = kinds["prediction"]
        if self.step_seconds is not None:
            kinds["training"] = kinds["training"] | {"fixed": self.step_seconds, "row": 0.0}
            kinds["prediction"] = kinds["prediction"] | {"fixed": self.step_seconds / 2, "row": 0.0}
        return Costs.mean([kinds])


def launches_of_step(model: ModelConfig) -> tuple[int, int]:
    """Count the operations of torch that one more step of a sequence adds to an update, and to a prediction.

    They are counted, not derived: an update of a tiny network of the same cell and layers is made twice, with one step
    more the second time. What only looks at memory in another way is no more with one step more.
    """
    network = Network(replace(model, hidden=2), 2)
    parameters, gradient = network.initial_parameters(0), FusedGradient(network)

    def count(steps: int, work: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], object]) -> int:
        x = torch.zeros(1, steps, 2, dtype=parameters.dtype)
        work(parameters, x, x)  # the first time buffers are new
        counted = _Counted()  # type: ignore[no-untyped-call]
        with counted:
            work(parameters, x, x)
        return counted.calls

    few, more = 3, 4
    training, prediction = (
        count(more, work) - count(few, work) for work in (gradient.cost_and_gradient, gradient.cost)
    )
    return training, prediction


class _Counted(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what torch is asked to do."""

    calls = 0

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.calls += 1
        return func(*args, **(kwargs or {}))


def _operations_of_row(model: ModelConfig, *, forward: bool = False) -> tuple[float, float]:
    """Give the operations of one row of one step: of the recurrence, and of in- and output for a sample of a frame."""
    products = [
        product
        for product in products_of_update(Network(model, 1), steps=1, rows=1)
        if not forward or product.role == "forward"
    ]
    recurrence = sum(product.flops for product in products if product.kind == "recurrence")
    return float(recurrence), float(sum(product.flops for product in products) - recurrence)
