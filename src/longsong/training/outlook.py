"""What is said before the first update: what it will take, and how it is computed."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from longsong.config import ExecutionConfig
from longsong.training.forms import describe_form
from longsong.training.optimiser import RMSProp
from longsong.training.plan import SECOND_TIME, Plan
from longsong.training.updater import Updater
from longsong.units import human_time

__all__ = ["outlook", "seconds_an_update"]

_FEW = 2  # steps
_MOST = 64
_SECONDS = 0.1
_MOST_PARAMETERS = 1 << 18


def outlook(updater: Updater, execution: ExecutionConfig, plan: Plan, updates: int) -> list[str]:
    """Give the lines to be said before the first of so many updates.

    It takes a few tenths of a second, the time that compiling takes, and no memory that updates do not take.

    Parameters
    ----------
    updater : Updater
        Of the run; stays as it is.
    execution : ExecutionConfig
        As on record.
    plan : Plan
    updates : int
        Of the whole run.
    """
    seconds = seconds_an_update(updater, plan)
    return [
        f"this configuration: {plan.describe()}, about {human_time(seconds)} an update",
        describe_form(execution, updater.parameters.device, updates * plan.steps),
    ]


def seconds_an_update(updater: Updater, plan: Plan) -> float:
    """Estimate the seconds of an update from a few steps of it: of one segment at most, and of one micro-batch.

    Parameters
    ----------
    updater : Updater
        Its parameters and its form are used, and stay as they are.
    plan : Plan
    """
    network, parameters = updater.network, updater.parameters
    device = parameters.device
    # One frame seen many times: of a mini-batch with wide frames the memory alone may be more than there is.
    frame = torch.zeros(1, 1, network.frame, device=device, dtype=parameters.dtype)

    def seconds(steps: int) -> float:
        axes = (plan.micro_batch, steps) if network.config.recurrence == "time" else (steps, plan.micro_batch)
        x = frame.expand(*axes, -1)
        return _timed(lambda: updater.gradient(x, x), device)

    few = min(_FEW, plan.segment)
    seconds(few)  # the first time buffers are new, and loops compiled
    of_few = seconds(few)
    many = min(max(2 * few, int(few * _SECONDS / of_few)), _MOST, plan.segment)
    of_many = min(seconds(many), seconds(many)) if many > few else of_few
    each = (of_many - of_few) / (many - few) if of_many > of_few else of_many / many
    once = max(of_many - many * each, 0.0)
    whole = once + each * plan.steps * (SECOND_TIME if plan.segment < plan.steps else 1.0)
    return whole * plan.pieces + _seconds_of_a_step(parameters)


def _seconds_of_a_step(parameters: Tensor) -> float:
    """Estimate what the optimiser takes from a part of the parameters: all it needs, once more, would be much."""
    part = torch.zeros_like(parameters[:_MOST_PARAMETERS])
    optimiser = RMSProp(torch.zeros_like(part), learning_rate=1e-3, decay=0.95, step_clip=1.0)
    seconds = _timed(lambda: optimiser.step(torch.zeros_like(part), part), parameters.device)
    return seconds * len(parameters) / len(part)


def _timed(work: Callable[[], object], device: torch.device) -> float:
    """Give the seconds of some work, until its device is done."""
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started
