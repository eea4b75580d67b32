"""What the 2016 scripts did when they generated, each a switch of its own (FACTS section 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from longsong.config import Elementwise
from longsong.model import Network
from longsong.model.fused import Products, Stepper

__all__ = [
    "UpsideDown",
    "iterations",
    "linear_maps",
    "recurrent",
    "stretched",
]

Predict = Callable[[Tensor], Tensor]
"""From a sequence, shape (seq, frame), to the one that is predicted, of the same shape."""


def iterations(predict: Predict, seed: Tensor, change: Callable[[Tensor], Tensor] | None = None) -> Iterator[Tensor]:
    """Give predicted sequences, each made of the one before, without end.

    A wavefront cannot do this: what is fed back may depend on all of a prediction.

    Parameters
    ----------
    predict : callable
    seed : Tensor, shape (seq, frame)
    change : callable, optional
        What is done to a prediction before it is fed back; not to what is given.

    Yields
    ------
    Tensor, shape (seq, frame)
    """
    sequence = seed
    while True:
        predicted = predict(sequence)
        yield predicted
        sequence = predicted if change is None else change(predicted)


def recurrent(network: Network, parameters: Tensor, products: Products, elementwise: Elementwise = "plain") -> Predict:
    """Predict with a network, from its initial state, step by step."""
    steppers: dict[int, Stepper] = {}

    def predict(sequence: Tensor) -> Tensor:
        # Over the mini-batch (D01) all positions are one step.
        rows = 1 if network.config.recurrence == "time" else len(sequence)
        if rows not in steppers:
            steppers[rows] = Stepper(network, parameters, rows, rows, products=products, elementwise=elementwise)
        stepper = steppers[rows]
        stepper.begin()
        h = sequence.new_empty(len(sequence), stepper.top.shape[1])
        with products.active():
            for t in range(0, len(sequence), rows):
                stepper.feed(sequence[t : t + rows], 0)
                stepper.advance(rows, 0)
                h[t : t + rows] = stepper.top
            return stepper.decode(h)

    return predict


def linear_maps(network: Network, parameters: Tensor) -> Predict:
    """Predict by the input layer and the output layer alone, nothing between them (D02)."""
    p = network.named(parameters)
    return lambda sequence: network.decode(p, network.encode(p, sequence))


class UpsideDown:
    """Maps a prediction x to ``high - (high - low) (x - min x) / (max x - min x)`` (D04).

    low and high are minimum and maximum of all predictions so far, this one included.
    """

    def __init__(self) -> None:
        self._low, self._high = float("inf"), float("-inf")

    def __call__(self, predicted: Tensor) -> Tensor:
        """Give what is fed back, of the same shape."""
        least, most = predicted.min().item(), predicted.max().item()
        self._low, self._high = min(self._low, least), max(self._high, most)
        spread = (most - least) or 1.0
        return self._high - (self._high - self._low) * (predicted - least) / spread


def stretched(samples: Tensor, low: float, high: float) -> Tensor:
    """Map the range of all samples to [low, high] (D13); a constant to the middle."""
    least, most = torch.aminmax(samples)
    spread = most - least
    if not spread > 0:
        return torch.full_like(samples, (low + high) / 2)
    return low + (high - low) * (samples - least) / spread
