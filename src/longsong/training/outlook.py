"""What is said before the first update: what it will take, and how it is computed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import torch

from longsong.config import ExecutionConfig
from longsong.model import Network
from longsong.training.device import DTYPES
from longsong.training.forms import describe_form, make_gradient
from longsong.training.optimiser import RMSProp
from longsong.training.plan import SECOND_TIME, Plan
from longsong.units import human_time

__all__ = ["outlook", "seconds_an_update"]

_FEW = 2  # steps
_MOST = 64
_SECONDS = 0.1


def outlook(network: Network, execution: ExecutionConfig, plan: Plan, updates: int) -> list[str]:
    """Give the lines to be said before the first of so many updates.

    It takes a few tenths of a second, and the time that compiling takes.

    Parameters
    ----------
    network : Network
    execution : ExecutionConfig
        As on record.
    plan : Plan
    updates : int
        Of the whole run.
    """
    device = torch.device(execution.device)
    seconds = seconds_an_update(network, execution, plan, device)
    return [
        f"this configuration: {plan.describe()}, about {human_time(seconds)} an update",
        describe_form(execution, device, updates * plan.steps),
    ]


def seconds_an_update(network: Network, execution: ExecutionConfig, plan: Plan, device: torch.device) -> float:
    """Estimate the seconds of an update from a few steps of it.

    Parameters
    ----------
    network : Network
    execution : ExecutionConfig
    plan : Plan
    device : device
    """
    gradient = make_gradient(network, replace(execution, micro_batch=None, segment=None))
    parameters = network.initial_parameters(0).to(device, DTYPES[execution.precision])
    # One frame seen many times: of a mini-batch with wide frames the memory alone may be more than there is.
    frame = torch.zeros(1, 1, network.frame, device=device, dtype=parameters.dtype)

    def seconds(steps: int) -> float:
        axes = (plan.micro_batch, steps) if network.config.recurrence == "time" else (steps, plan.micro_batch)
        x = frame.expand(*axes, -1)
        return _timed(lambda: gradient.cost_and_gradient(parameters, x, x), device)

    few = min(_FEW, plan.steps)
    seconds(few)  # the first time buffers are new, and loops compiled
    of_few = seconds(few)
    many = min(max(2 * few, int(few * _SECONDS / of_few)), _MOST, plan.steps)
    of_many = min(seconds(many), seconds(many)) if many > few else of_few
    each = (of_many - of_few) / (many - few) if of_many > of_few else of_many / many
    once = max(of_many - many * each, 0.0)
    optimiser = RMSProp(torch.zeros_like(parameters), learning_rate=1e-3, decay=0.95, step_clip=1.0)
    step = _timed(lambda: optimiser.step(parameters, torch.zeros_like(parameters)), device)
    whole = once + each * plan.steps * (SECOND_TIME if plan.segment < plan.steps else 1.0)
    return whole * plan.pieces + step


def _timed(work: Callable[[], object], device: torch.device) -> float:
    """Give the seconds of some work, until its device is done."""
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started
