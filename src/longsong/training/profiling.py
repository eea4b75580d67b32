"""Where the time of a run's updates went, beside what their matrix products alone take here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from longsong.config import ExecutionConfig
from longsong.model import Network
from longsong.model.profile import Profile
from longsong.training.device import DTYPES
from longsong.training.floor import Kind, measure_floor
from longsong.training.plan import Plan
from longsong.units import human_time

__all__ = ["OTHER_RANKS", "SECTIONS", "UpdateProfile", "format_profile"]

SECTIONS = ("data", "input products", "recurrence", "output and cost", "optimiser", "checkpoint")
"""What an update consists of, in its order."""

OTHER_RANKS = "other ranks"
"""What adding up gradients takes, where several processes share an update."""


_KINDS: dict[str, Kind] = {"input products": "input", "recurrence": "recurrence", "output and cost": "output"}
"""Sections that make matrix products, and which of them."""


class UpdateProfile(Profile):
    """Seconds by section, over the updates of one start of a run.

    Attributes
    ----------
    updates, examples : int
        That were made, and that they were made on.
    evaluations : int
        Of the dev cost.
    evaluation_seconds : float
        What they took; they count to no section.
    """

    def __init__(self) -> None:
        super().__init__()
        self.begin()

    def begin(self) -> None:
        """Forget all so far: updates begin now."""
        self.seconds.clear()
        self.updates = self.examples = self.evaluations = 0
        self.evaluation_seconds = 0.0
        self._started = time.perf_counter()

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """Count the time within to an evaluation, whatever sections it passes through."""
        before, started = dict(self.seconds), time.perf_counter()
        try:
            yield
        finally:
            self.seconds.clear()
            self.seconds.update(before)
            self.evaluations += 1
            self.evaluation_seconds += time.perf_counter() - started

    def count(self, examples: int) -> None:
        """Count an update on so many examples."""
        self.updates += 1
        self.examples += examples

    @property
    def total(self) -> float:
        """Seconds since the beginning, without evaluations."""
        return time.perf_counter() - self._started - self.evaluation_seconds


def format_profile(profile: UpdateProfile, network: Network, execution: ExecutionConfig, plan: Plan) -> str:
    """Give where the time went as a table; measures what the matrix products alone take, which takes a few updates.

    Parameters
    ----------
    profile : UpdateProfile
        With one update or more.
    network : Network
    execution : ExecutionConfig
    plan : Plan
    """
    total = profile.total / profile.updates
    rows = [
        (name, profile.seconds[name] / profile.updates) for name in (*SECTIONS, OTHER_RANKS) if name in profile.seconds
    ]
    rows.append(("the rest", max(total - sum(seconds for _, seconds in rows), 0.0)))
    floor = _floor(network, execution, plan, profile.examples / profile.updates)
    lines = [f"{'an update, mean of ' + format(profile.updates, ','):<32}{'seconds':>10}{'share':>9}{'over floor':>12}"]
    for name, seconds in (*rows, ("in all", total)):
        over = f"{seconds / floor[name]:>12.2f}" if name in floor else ""
        lines.append(f"{name:<32}{seconds:>10.5f}{seconds / total:>9.1%}{over}")
    lines.append(f"{'the floor: its matrix products':<32}{floor['in all']:>10.5f}{floor['in all'] / total:>9.1%}")
    if profile.evaluations:
        each = profile.evaluation_seconds / profile.evaluations
        lines.append(f"beside that {human_time(each)} for each evaluation of the dev cost")
    return "\n".join(lines)


def _floor(network: Network, execution: ExecutionConfig, plan: Plan, examples: float) -> dict[str, float]:
    """Give the seconds that matrix products take by section, and in all, for an update on so many examples."""
    dtype, device = DTYPES[execution.precision], torch.device(execution.device)
    measured = measure_floor(network, plan.steps, plan.micro_batch, dtype, device=device)
    # The last mini-batch of an epoch is shorter: its products are taken to be so too.
    full = plan.rows if network.config.recurrence == "time" else plan.steps
    times = plan.rows / plan.micro_batch * examples / full
    floor = {name: times * measured[kind] for name, kind in _KINDS.items()}
    return floor | {"in all": sum(floor.values())}
