"""The candidates of `benchmarks.train`: each makes updates of the same network on the same mini-batch."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any, Literal

import torch
from torch import Tensor

from longsong.config import Cell, ModelConfig, TrainingConfig
from longsong.model import Network
from longsong.model.fused import FusedGradient, compiled_available, has_bfloat16, products_of
from longsong.model.gradient import CostGradient
from longsong.model.reference import ReferenceGradient
from longsong.reported import BATCH, LAYERS
from longsong.training.floor import Floor
from longsong.training.optimiser import RMSProp
from longsong.training.updater import Updater

__all__ = [
    "Candidate",
    "KerasGRU",
    "Measure",
    "Ours",
    "ProductsAlone",
    "Split",
    "Task",
    "TorchGRU",
    "elementwise",
    "shortened",
    "timed",
]

Measure = Callable[[], float]
"""Makes one update; gives its seconds."""

OPTIMISER = TrainingConfig()
"""Rates of the optimiser, of every candidate's."""


@dataclass(frozen=True)
class Task:
    """What an update is made of.

    Attributes
    ----------
    frame, seq, hidden, batch : int
        Samples, frames, units, examples.
    cell : {'gru', 'lstm', 'rnn'}
        Of ours and the floor; the peers have a GRU.
    """

    frame: int
    seq: int
    hidden: int
    batch: int = BATCH
    cell: Cell = "gru"

    @property
    def shape(self) -> str:
        """The shape, as ``1000x100``."""
        return f"{self.frame}x{self.seq}"

    def network(self) -> Network:
        """Give the network of 2016 of this shape."""
        return Network(ModelConfig(self.cell, self.hidden, LAYERS), self.frame)

    def mini_batch(self) -> tuple[Tensor, Tensor]:
        """Give inputs and targets, each of shape (batch, seq, frame): one buffer seen twice, as from the stream."""
        generator = torch.Generator().manual_seed(1)
        frames = torch.empty(self.batch, self.seq + 1, self.frame).uniform_(-1, 1, generator=generator)
        return frames[:, :-1], frames[:, 1:]


@dataclass(frozen=True)
class Split:
    """How an update of ours is split, where memory needs it; None is for not at all."""

    micro_batch: int | None = None
    segment: int | None = None


def elementwise() -> Literal["compiled", "plain"]:
    """Say which element-wise form a long run takes here."""
    return "compiled" if compiled_available() is None else "plain"


def timed(update: Callable[[], object]) -> Measure:
    """Give the seconds that an update takes, each time that it is made."""

    def once() -> float:
        begun = time.perf_counter()
        update()
        return time.perf_counter() - begun

    return once


class Candidate(ABC):
    """Something that makes updates.

    Attributes
    ----------
    name, title : str
        As the ratios and the table call it.
    kind : {'ours', 'reference', 'peer', 'floor'}
    keeps_all : bool
        Whether it keeps what automatic differentiation keeps, of all steps: whether it fits has to be asked.
    may_be_slow : bool
        Whether it is left out where an update would take too long.
    """

    name: str
    title: str
    kind: Literal["ours", "reference", "peer", "floor"]
    keeps_all = False
    may_be_slow = False

    def missing(self) -> str | None:
        """Say why it cannot run here; None where it can."""
        return None

    @abstractmethod
    def open(self, task: Task, inputs: Tensor, targets: Tensor) -> Measure:
        """Make the network and all that can be made beforehand.

        Parameters
        ----------
        task : Task
        inputs, targets : Tensor, shape (batch, seq, frame)
            The mini-batch of every update.
        """


class Ours(Candidate):
    """`longsong.training.updater.Updater`: cost, gradient, RMSProp with its floor, step clipping.

    Parameters
    ----------
    form : {'float32', 'bfloat16', 'reference'}
        The fused form in that precision, or the reference cells in float32.
    split : Split
        How the fused form is split.
    """

    def __init__(
        self, form: Literal["float32", "bfloat16", "reference"] = "float32", split: Split | None = None
    ) -> None:
        self.name, self.form, self.split = form, form, split or Split()
        self.kind = "reference" if form == "reference" else "ours"
        self.title = "ours, reference cells" if form == "reference" else f"ours, {form}"
        self.keeps_all = self.may_be_slow = form == "reference"

    def missing(self) -> str | None:
        """Say why it cannot run here; None where it can."""
        if self.form == "bfloat16" and not has_bfloat16():
            return "this processor has no instructions for products in bfloat16"
        return None

    def gradient(self, network: Network) -> CostGradient:
        """Give what computes cost and gradient."""
        if self.form == "reference":
            return ReferenceGradient(network)
        return FusedGradient(
            network,
            micro_batch=self.split.micro_batch,
            segment=self.split.segment,
            products=products_of("bfloat16" if self.form == "bfloat16" else "float32"),
            elementwise=elementwise(),
        )

    def open(self, task: Task, inputs: Tensor, targets: Tensor) -> Measure:
        """Make network, parameters, optimiser and buffers."""
        network = task.network()
        parameters = network.initial_parameters(1).to(inputs.dtype)
        optimiser = RMSProp(
            torch.zeros_like(parameters),
            learning_rate=OPTIMISER.learning_rate,
            decay=OPTIMISER.rmsprop_decay,
            step_clip=OPTIMISER.step_clip,
        )
        updater = Updater(network, parameters, optimiser, self.gradient(network))
        return timed(lambda: updater.update(inputs, targets))


class TorchGRU(Candidate):
    """The same network with `torch.nn.GRU`, which resets after the product: another function of as many products.

    Time goes first through all of it, inputs and targets being views of the mini-batch. The other ways (batch first,
    copies that lie in order, an optimiser with ``foreach``) take the same time within the noise.
    """

    name, title, kind, keeps_all = "nn_gru", "torch.nn.GRU, float32", "peer", True

    def open(self, task: Task, inputs: Tensor, targets: Tensor) -> Measure:
        """Make network and optimiser."""
        from torch import nn

        encode, decode = nn.Linear(task.frame, task.hidden), nn.Linear(task.hidden, task.frame)
        layers = nn.GRU(task.hidden, task.hidden, LAYERS)
        parameters = [p for module in (encode, layers, decode) for p in module.parameters()]
        optimiser = torch.optim.RMSprop(parameters, lr=OPTIMISER.learning_rate, alpha=OPTIMISER.rmsprop_decay)
        steps, wanted = inputs.transpose(0, 1), targets.transpose(0, 1)

        def update() -> float:
            optimiser.zero_grad()
            states, _ = layers(encode(steps))
            cost = nn.functional.mse_loss(decode(states), wanted)
            cost.backward()
            optimiser.step()
            return cost.item()

        return timed(update)


class KerasGRU(Candidate):
    """The same network with Keras' GRU, ``reset_after=False``, on torch: the 2016 function, by a loop over steps."""

    name, title, kind, keeps_all, may_be_slow = "keras", "Keras GRU on torch, float32", "peer", True, True

    def missing(self) -> str | None:
        """Say why it cannot run here; None where it can."""
        return None if find_spec("keras") else "keras is not installed"

    def open(self, task: Task, inputs: Tensor, targets: Tensor) -> Measure:
        """Make and compile the model."""
        os.environ["KERAS_BACKEND"] = "torch"  # read when it is first imported
        import keras

        layers = keras.layers
        gru: dict[str, Any] = {"reset_after": False, "return_sequences": True}
        model = keras.Sequential(
            [
                layers.Input((task.seq, task.frame)),
                layers.Dense(task.hidden),
                *(layers.GRU(task.hidden, **gru) for _ in range(LAYERS)),
                layers.Dense(task.frame),
            ]
        )
        optimiser = keras.optimizers.RMSprop(OPTIMISER.learning_rate, rho=OPTIMISER.rmsprop_decay)
        model.compile(optimizer=optimiser, loss="mse", jit_compile=False)
        return timed(lambda: model.train_on_batch(inputs, targets))


class ProductsAlone(Candidate):
    """The floor: the matrix products of the update, and nothing else (`longsong.training.floor`)."""

    name, title, kind = "floor", "floor: the products alone", "floor"

    def open(self, task: Task, inputs: Tensor, targets: Tensor) -> Measure:
        """Make the operands."""
        floor = Floor(task.network(), task.seq, task.batch, inputs.dtype)
        return lambda: sum(floor.seconds().values())


def shortened(task: Task, seq: int) -> Task:
    """Give the task of a shorter sequence."""
    return replace(task, seq=min(seq, task.seq))
