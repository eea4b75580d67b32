"""Networks and mini-batches to hold the fused form against the reference form with, and how far the two are apart."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor

from longsong.config import ModelConfig
from longsong.experiments.parity import largest_error
from longsong.model import Network

CELLS = ("gru", "lstm", "rnn")
AXES = ("time", "batch")

_WORK = 20_000_000
"""Of a case at most: rows x steps x layers x hidden x (hidden + 50), so that none takes more than a moment."""


@dataclass(frozen=True)
class Case:
    """A network, and a mini-batch for it; all numbers follow from the seed."""

    cell: str
    recurrence: str = "time"
    hidden: int = 5
    layers: int = 2
    frame: int = 3
    seq: int = 7
    batch: int = 4
    seed: int = 0

    @property
    def network(self) -> Network:
        config = ModelConfig(cell=self.cell, hidden=self.hidden, layers=self.layers, recurrence=self.recurrence)
        return Network(config, self.frame)

    @property
    def rows(self) -> int:
        return self.batch if self.recurrence == "time" else self.seq

    @property
    def steps(self) -> int:
        return self.seq if self.recurrence == "time" else self.batch

    def mini_batch(self, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
        """Give inputs and targets as the stream does: two views of one buffer."""
        generator = torch.Generator().manual_seed(self.seed)
        size = self.batch, self.seq + 1, self.frame
        buffer = torch.randn(size, generator=generator, dtype=torch.float64).to(dtype)
        return buffer[:, :-1], buffer[:, 1:]

    def song(self, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
        """Give a mini-batch that something can be learned of: sines of a few periods a frame, and noise."""
        generator = torch.Generator().manual_seed(self.seed)
        samples = (self.seq + 1) * self.frame
        frequencies, phases = torch.rand(2, self.batch, 1, 3, generator=generator, dtype=torch.float64)
        times = torch.arange(samples, dtype=torch.float64)[:, None]
        waves = torch.sin((frequencies / 2) * times + 2 * torch.pi * phases).sum(-1)
        waves += 0.3 * torch.randn(waves.shape, generator=generator, dtype=torch.float64)
        buffer = waves.view(self.batch, self.seq + 1, self.frame).to(dtype)
        return buffer[:, :-1], buffer[:, 1:]

    def parameters(self, size: float | None = None) -> Tensor:
        """Draw all parameters, biases and initial states too, normal; by default such that gates leave 0.5."""
        generator = torch.Generator().manual_seed(self.seed + 1)
        drawn = torch.randn(self.network.size, generator=generator, dtype=torch.float64)
        if size is not None:
            return drawn * size
        drawn *= self.hidden**-0.5
        # Of a wide frame no more should come than of a narrow one: gates would all be shut.
        self.network.named(drawn)["input_to_hidden.W"].mul_((self.hidden / self.frame) ** 0.5)
        return drawn

    def saturated(self) -> Tensor:
        """Draw parameters with biases of -30 and 30 for a third each of the units, but for the first two.

        With every unit of a tensor saturated its gradient would be nothing but rounding, in the reference form too.
        """
        generator = torch.Generator().manual_seed(self.seed + 2)
        parameters = self.parameters()
        for name, part in self.network.named(parameters).items():
            if name.endswith(".b") and "hidden" not in name:
                shift = 30 * (torch.randint(3, part.shape, generator=generator) - 1)
                shift.view(-1, self.hidden)[:, :2] = 0
                part.add_(shift)
        return parameters

    def closed(self, bias: float) -> Tensor:
        """Draw parameters with a bias added for every unit of every gate."""
        parameters = self.parameters()
        for name, part in self.network.named(parameters).items():
            if name.endswith(".b") and "fork_gates" in name:
                part.add_(bias)
            elif name.endswith(".b") and self.cell == "lstm" and name.startswith("linear"):
                into, keep, _, out = part.chunk(4)
                for gate in (into, keep, out):
                    gate.add_(bias)
        return parameters

    def initial(self) -> Tensor:
        """Draw parameters as a training begins with, of widths from 0.04 to 1 / sqrt(hidden)."""
        widest = max(0.04, self.hidden**-0.5)
        config = ModelConfig(
            cell=self.cell,
            hidden=self.hidden,
            layers=self.layers,
            init_width=0.04 + (widest - 0.04) * (self.seed % 5) / 4,
        )
        return Network(config, self.frame).initial_parameters(self.seed)


@st.composite
def cases(
    draw: st.DrawFn,
    cell: str,
    *,
    least_hidden: int = 1,
    most_hidden: int = 300,
    most_steps: int = 200,
    least_frame: int = 1,
) -> Case:
    """Draw a case of any size for which there is time."""
    recurrence = draw(st.sampled_from(AXES))
    hidden = draw(st.integers(least_hidden, most_hidden))
    layers = draw(st.integers(1, 3))
    room = _WORK // (layers * hidden * (hidden + 50))
    most = (min(200, most_steps), 130) if recurrence == "time" else (200, min(130, most_steps))
    seq = draw(st.integers(1, min(most[0], room)))
    batch = draw(st.integers(1, max(1, min(most[1], room // seq))))
    return Case(
        cell, recurrence, hidden, layers, draw(st.integers(least_frame, 50)), seq, batch, draw(st.integers(0, 2**32))
    )


def errors(
    network: Network, found: tuple[float, Tensor], sought: tuple[float, Tensor], *, of_largest: bool = False
) -> dict[str, float]:
    """Give the largest error of the cost, and of each gradient by its parameter's name.

    Of a gradient that is one number the terms may cancel as they like, so that nothing is left but rounding; of a
    network with one unit, those of all. Their errors are given in parts of the largest number of the whole gradient;
    with `of_largest` all are.
    """
    there, gradient = found[1].double(), sought[1].double()
    largest = gradient.abs().max().view(1)
    result = {"cost": largest_error(found[0], sought[0])}
    of_largest |= network.config.hidden == 1
    for name, part in network.named(gradient).items():
        of = largest if of_largest or part.numel() == 1 else part.new_empty(0)
        pair = (torch.cat([both[name].reshape(-1), of]) for both in (network.named(there), network.named(gradient)))
        result[name] = largest_error(*pair)
    return result


def worst(of: dict[str, float]) -> tuple[float, str]:
    """Give the largest of some errors, and whose it is."""
    return max((error, name) for name, error in of.items())
