"""Ways of generating, each opened on a task and then timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from benchmarks.processes import BenchmarkError
from longsong.config import ModelConfig, Precision
from longsong.generation import Joining, LastFrame, generate_carry, generate_post
from longsong.model import Network
from longsong.model.fused import Products, compiled_available, has_bfloat16, products_of

__all__ = ["Candidate", "Carry", "Floor", "StepByStep", "Task", "Wavefront", "last_frames", "noted_products"]

Measure = Callable[[], float]

_ITERATIONS = 2  # of the plain loop
_TOLERANCE = {"float32": 1e-4, "bfloat16": 5e-2}


@dataclass(frozen=True)
class Task:
    """What is to be generated.

    Attributes
    ----------
    frame, seq, hidden : int
    frames : int
        How many.
    """

    frame: int
    seq: int
    hidden: int
    frames: int

    @property
    def shape(self) -> str:
        """Frame and sequence."""
        return f"{self.frame}x{self.seq}"

    def network(self) -> tuple[Network, Tensor]:
        """Give a network, and parameters with which it goes on sounding.

        With those that a training begins with predictions fade until numbers are too small for a float, which
        processors compute with many times as slowly.
        """
        network = Network(ModelConfig(hidden=self.hidden), self.frame)
        return network, 0.1 * torch.randn(network.size, generator=torch.Generator().manual_seed(1))

    def seeds(self) -> Tensor:
        """Give one seed, shape (1, seq, frame), of numbers in [-1, 1]."""
        generator = torch.Generator().manual_seed(1)
        return torch.empty(1, self.seq, self.frame).uniform_(-1, 1, generator=generator)


class Candidate(Protocol):
    """A way of generating."""

    name: str
    title: str
    precision: Precision

    def missing(self) -> str | None:
        """Say why it cannot run here; None where it can."""

    def open(self, task: Task) -> Measure:
        """Give what times one generation, in seconds."""


class StepByStep:
    """The post's words as a loop: a sequence of steps of one row, and the whole prediction fed back."""

    name, title = "step by step", "step by step, float32"
    precision: Precision = "float32"

    def missing(self) -> str | None:
        """Runs everywhere."""
        return None

    def open(self, task: Task) -> Measure:
        """Time a few iterations; gives the seconds of all."""
        network, parameters = task.network()
        seeds = task.seeds()

        def measure() -> float:
            begun = time.perf_counter()
            for _ in last_frames(network, parameters, seeds, _ITERATIONS):
                pass
            return (time.perf_counter() - begun) * task.frames / _ITERATIONS

        return measure


@torch.no_grad()
def last_frames(network: Network, parameters: Tensor, seeds: Tensor, iterations: int) -> Iterator[Tensor]:
    """Give the last frame of each iteration, shape (seeds, frame), by the reference cells, step by step."""
    p, sequence = network.named(parameters), seeds
    for _ in range(iterations):
        states = network.initial_states(p, len(seeds))
        predicted = []
        for x in sequence.unbind(1):
            prediction, states = network.step(p, x, states)
            predicted.append(prediction)
        sequence = torch.stack(predicted, 1)
        yield sequence[:, -1]


class Wavefront:
    """Ours.

    Parameters
    ----------
    precision : {'float32', 'bfloat16'}
    """

    def __init__(self, precision: Precision) -> None:
        self.precision: Precision = precision
        self.name, self.title = f"wavefront {precision}", f"wavefront, {precision}"

    def missing(self) -> str | None:
        """Needs the processor's instructions where products are in bfloat16."""
        return _missing(self.precision)

    def open(self, task: Task) -> Measure:
        """Hold it against the plain loop, then time it."""
        network, parameters = task.network()
        seeds = task.seeds()
        found = torch.cat(list(self._pieces(network, parameters, seeds, _ITERATIONS)))
        sought = torch.stack(list(last_frames(network, parameters, seeds, _ITERATIONS)))
        error = float((found - sought).abs().max() / sought.abs().max())
        if error > _TOLERANCE[self.precision]:
            raise BenchmarkError(f"{self.title}, {task.shape}: off the plain loop by {error:.1e}; it computes wrongly")

        def measure() -> float:
            begun = time.perf_counter()
            for _ in self._pieces(network, parameters, seeds, task.frames):
                pass
            return time.perf_counter() - begun

        return measure

    def _pieces(self, network: Network, parameters: Tensor, seeds: Tensor, frames: int) -> Iterator[Tensor]:
        settings: dict[str, Any] = {"products": products_of(self.precision), "elementwise": _elementwise()}
        return generate_post(network, parameters, seeds, frames, **settings)


class Floor:
    """The products of the wavefront alone: the same operands, in the same order and memory.

    Parameters
    ----------
    precision : {'float32', 'bfloat16'}
    """

    def __init__(self, precision: Precision) -> None:
        self.precision: Precision = precision
        self.name, self.title = f"floor {precision}", f"its products alone, {precision}"

    def missing(self) -> str | None:
        """Say why it cannot run; None where it can."""
        return _missing(self.precision)

    def open(self, task: Task) -> Measure:
        """Note the products of a whole generation, then time them."""
        products, context = noted_products(task), products_of(self.precision).active

        def measure() -> float:
            begun = time.perf_counter()
            with context():
                for a, b, out in products:
                    torch.mm(a, b, out=out)
            return time.perf_counter() - begun

        return measure


def noted_products(task: Task) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Give left, right and outcome of each product of a generation on the wavefront, in their order."""
    noted = _Noted()
    network, parameters = task.network()
    for _ in generate_post(network, parameters, task.seeds(), task.frames, products=noted, elementwise="plain"):
        pass
    return noted.products


class _Noted(Products):
    """Products that are made and noted."""

    def __init__(self) -> None:
        self.products: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, a: Tensor, b: Tensor, out: Tensor) -> None:
        self.products.append((a, b, out))
        super().add(a, b, out)

    def multiply(self, a: Tensor, b: Tensor, out: Tensor) -> None:
        self.products.append((a, b, out))
        super().multiply(a, b, out)

    def affine(self, a: Tensor, b: Tensor, bias: Tensor, out: Tensor) -> None:
        self.products.append((a, b, out))
        super().affine(a, b, bias, out)


class Carry:
    """Carried state: one step a frame.

    Parameters
    ----------
    joining : callable
        Makes what joins the frames.
    name, title : str
    """

    precision: Precision = "float32"

    def __init__(
        self, joining: Callable[[], Joining] = LastFrame, name: str = "carry", title: str = "carried state, float32"
    ) -> None:
        self._joining, self.name, self.title = joining, name, title

    def missing(self) -> str | None:
        """Runs everywhere."""
        return None

    def open(self, task: Task) -> Measure:
        """Time it; the seed is run through each time."""
        network, parameters = task.network()
        settings: dict[str, Any] = {"elementwise": _elementwise()}

        def measure() -> float:
            begun, joining = time.perf_counter(), self._joining()
            for piece in generate_carry(network, parameters, task.seeds(), task.frames, **settings):
                joining.join(piece.transpose(0, 1).numpy())
            return time.perf_counter() - begun

        return measure


def _missing(precision: Precision) -> str | None:
    """Say why products of a precision are left out; None where they are not."""
    if precision == "bfloat16" and not has_bfloat16():
        return "this processor has no instructions for products in bfloat16"
    return None


def _elementwise() -> Any:
    return "compiled" if compiled_available() is None else "plain"
