"""An updater of a small network, and mini-batches for it."""

from __future__ import annotations

import torch

from longsong.config import ModelConfig
from longsong.model import Network
from longsong.model.reference import ReferenceGradient
from longsong.training.optimiser import RMSProp
from longsong.training.updater import Updater


def updater_of(
    cell: str,
    recurrence: str,
    micro_batch: int | None = None,
    dtype: torch.dtype = torch.float64,
    form=ReferenceGradient,
) -> Updater:
    network = Network(ModelConfig(cell=cell, hidden=4, layers=2, recurrence=recurrence, init_width=0.5), 3)
    parameters = network.initial_parameters(3).to(dtype)
    optimiser = RMSProp(torch.zeros_like(parameters), learning_rate=0.01, decay=0.9, step_clip=1.0)
    return Updater(network, parameters, optimiser, form(network, micro_batch=micro_batch))


def mini_batch(batch: int, seq: int, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(batch * 100 + seq)
    frames = torch.randn(batch, seq + 1, 3, generator=generator, dtype=torch.float64).to(dtype)
    return frames[:, :-1], frames[:, 1:]
