"""How long a run will take here: a short measurement, and a model of the costs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil
from typing import Any, Self

import numpy as np
import torch

from longsong.config import DataConfig, ExecutionConfig, ModelConfig
from longsong.model import Network
from longsong.training.device import DTYPES, find_device
from longsong.training.enqueued_updates import updates_of
from longsong.training.footprint import Work
from longsong.training.forms import choose_elementwise, make_gradient
from longsong.training.optimiser import RMSProp
from longsong.training.plan import SECOND_TIME, Plan, choose_memory, make_plan
from longsong.training.updater import Updater

__all__ = ["Costs", "Estimate", "Speed", "measure_costs", "measure_speed"]

_STEPS, _STEPS_ELSEWHERE = 12, 96
"""Of a measured sequence; on an accelerator more, where what an update takes beside its steps is more of it."""

_FEW, _MANY = 8, 128  # rows
_NARROW, _WIDE = 40, 4000  # samples of a frame
_ROUNDS = 3


@dataclass(frozen=True)
class _Cost:
    """Seconds of one step with `rows` rows: ``fixed + rows * (row + frame * sample)``."""

    fixed: float
    row: float
    sample: float

    def __call__(self, rows: int, frame: int) -> float:
        return self.fixed + rows * (self.row + frame * self.sample)

    @classmethod
    def fit(cls, seconds: Callable[[int, int], float]) -> _Cost:
        """Fit the three coefficients to measurements of (rows, frame)."""
        shapes = [(_FEW, _NARROW), (_MANY, _NARROW), (_FEW, _WIDE), (_MANY, _WIDE)]
        measured = np.array([seconds(rows, frame) for rows, frame in shapes])
        terms = np.array([[1.0, rows, rows * frame] for rows, frame in shapes])
        # Relative errors: a step of many wide rows is a thousand times as dear as one of few narrow ones.
        fitted, *_ = np.linalg.lstsq(terms / measured[:, None], np.ones(len(shapes)), rcond=None)
        return cls(*np.maximum(fitted, 0.0).tolist())

    @classmethod
    def mean(cls, several: Sequence[Mapping[str, float]]) -> _Cost:
        """Give the mean of several, each as JSON values."""
        return cls(*(sum(one[name] for one in several) / len(several) for name in ("fixed", "row", "sample")))


@dataclass(frozen=True)
class Estimate:
    """What a run is expected to take.

    Attributes
    ----------
    seconds : float
        Training and its sound.
    sound_seconds : float
        Of them, the sound's.
    slots : int
        Of the machine's, as runs share it (`longsong.scheduling.sharing`).
    """

    seconds: float
    sound_seconds: float
    slots: int = 1


@dataclass(frozen=True)
class Costs:
    """What one kind of network costs; all in seconds.

    Attributes
    ----------
    training, prediction, generation : _Cost
        Of one step of an update, of one step of an evaluation, and of one front of the generation.
    """

    training: _Cost
    prediction: _Cost
    generation: _Cost

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON values."""
        return asdict(self)

    @classmethod
    def mean(cls, several: Sequence[Mapping[str, Any]]) -> Self:
        """Give the mean of what several processes measured side by side, each as JSON values."""
        return cls(*(_Cost.mean([one[kind] for one in several]) for kind in ("training", "prediction", "generation")))


@dataclass(frozen=True)
class Speed:
    """How long runs of one kind of network take.

    Attributes
    ----------
    model : ModelConfig
        What was measured.
    costs : Costs
    plan : callable
        Gives how updates of a shape are split, from its data and the numbers of train and dev examples.
    """

    model: ModelConfig
    costs: Costs
    plan: Callable[[DataConfig, int, int], Plan]

    @classmethod
    def of(cls, model: ModelConfig, costs: Costs, execution: ExecutionConfig) -> Self:
        """Give the speed of a network with these costs, whose pieces are those of the memory of `execution`."""
        device = find_device(execution.device)
        memory = choose_memory(execution.memory, device)
        execution = _as_in_long_runs(execution, device)

        def plan(data: DataConfig, train: int, dev: int) -> Plan:
            # Of the song only what memory its pages take depends on the rest, and that is little.
            samples = (train + dev) * data.frame * data.seq
            return make_plan(data, Network(model, data.frame), execution, Work(train, dev, 1, samples), device, memory)

        return cls(model, costs, plan)

    def training_seconds(self, data: DataConfig, train_examples: int, dev_examples: int, epochs: int) -> float:
        """Estimate all epochs, with an evaluation before the first and after each.

        Raises
        ------
        SpaceError
            Its updates do not fit in memory.
        """
        plan = self.plan(data, train_examples, dev_examples)
        again = SECOND_TIME if plan.segment < plan.steps else 1.0
        train = again * self._epoch(self.costs.training, data, train_examples, plan.micro_batch)
        dev = self._epoch(self.costs.prediction, data, dev_examples, plan.micro_batch)
        return epochs * train + (epochs + 1) * dev

    def generation_seconds(self, data: DataConfig, samples: int) -> float:
        """Estimate the post's way of generating `samples` samples."""
        frames = ceil(samples / data.frame)
        front = min(frames, data.seq)  # rows of the wavefront, but at its two ends
        whole = frames + data.seq - front
        return whole * self.costs.generation(front, data.frame) + front * self.costs.generation(
            ceil(front / 2), data.frame
        )

    @staticmethod
    def _epoch(cost: _Cost, data: DataConfig, examples: int, rows: int) -> float:
        batches, rest = divmod(examples, data.batch)
        seconds = 0.0
        for size, count in ((data.batch, batches), (rest, 1 if rest else 0)):
            pieces, last = divmod(size, rows)
            seconds += count * pieces * data.seq * cost(rows, data.frame)
            seconds += count * (data.seq * cost(last, data.frame) if last else 0.0)
        return seconds


def measure_speed(model: ModelConfig, execution: ExecutionConfig) -> Speed:
    """Measure a network in the fused form on this machine; takes a few seconds.

    Parameters
    ----------
    model : ModelConfig
    execution : ExecutionConfig
        With the device, the precision and the memory.
    """
    return Speed.of(model, measure_costs(model, execution), execution)


def measure_costs(model: ModelConfig, execution: ExecutionConfig) -> Costs:
    """Measure the costs of a network's steps in the fused form, with the threads that torch has now."""
    device = find_device(execution.device)
    execution = _as_in_long_runs(execution, device)
    dtype = DTYPES[execution.precision]

    length = _STEPS if device.type == "cpu" else _STEPS_ELSEWHERE

    def updater(frame: int) -> Updater:
        network = Network(model, frame)
        parameters = network.initial_parameters(0).to(device, dtype)
        optimiser = RMSProp(torch.zeros_like(parameters), learning_rate=1e-3, decay=0.95, step_clip=1.0)
        return Updater(network, parameters, optimiser, make_gradient(network, execution))

    def example(rows: int, frame: int) -> torch.Tensor:
        return torch.zeros(rows, length, frame, device=device, dtype=dtype)

    def update(rows: int, frame: int) -> float:
        made, x = updates_of(updater(frame), lambda line: None), example(rows, frame)

        def work() -> None:
            made.begin(x, x)
            for _ in made.finished(wait=True):
                pass

        return _seconds(work) / length

    def evaluation(rows: int, frame: int) -> float:
        one, x = updater(frame), example(rows, frame)
        return _seconds(lambda: one.cost(x, x)) / length

    @torch.no_grad()
    def front(rows: int, frame: int) -> float:
        one = updater(frame)
        p = one.network.named(one.parameters.detach())
        x, states = example(rows, frame)[:, 0], one.network.initial_states(p, rows)

        def steps() -> object:
            return [one.network.step(p, x, states)[0] for _ in range(_STEPS)][-1].sum().item()

        return _seconds(steps) / _STEPS

    return Costs(_Cost.fit(update), _Cost.fit(evaluation), _Cost.fit(front))


def _as_in_long_runs(execution: ExecutionConfig, device: torch.device) -> ExecutionConfig:
    """Have element-wise work done as in a run of many updates: what compiling takes, it takes once."""
    return replace(execution, elementwise=choose_elementwise(execution, device, sys.maxsize))


def _seconds(work: Callable[[], object]) -> float:
    """Give the shortest of a few runs, after one that warms up; where work is captured, that is the second."""
    work()
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)
