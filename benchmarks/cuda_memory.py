"""What each configuration of the post takes of a device's memory: planned, and measured."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from longsong.config import DataConfig, Elementwise, ExecutionConfig, ModelConfig
from longsong.model import Network
from longsong.model.fused import FusedGradient
from longsong.reported import FRAMES, LAYERS, SEQUENCES
from longsong.training.enqueued_updates import EnqueuedUpdates
from longsong.training.footprint import Work
from longsong.training.forms import make_gradient
from longsong.training.memory import PeakMemory
from longsong.training.optimiser import RMSProp
from longsong.training.plan import make_plan

__all__ = ["memory_rows"]

_TRAIN, _SONG = 160_000_000, 174_224_000
"""Samples of the train split, and of the song (FACTS section 2)."""


def memory_rows(
    device: torch.device, elementwise: Elementwise, memory: int, hidden: int, *, largest: int
) -> Iterator[dict[str, Any]]:
    """Make updates of each configuration that the song is long enough for, as it would be trained below a memory.

    Three of them: on CUDA the first is launched as it is, and takes memory, the second is captured, the third launched
    as one.

    Parameters
    ----------
    device : device
    elementwise : str
    memory : int
        Bytes.
    hidden : int
    largest : int
        Samples of a mini-batch at most; configurations of more are left out.
    """
    for frame in FRAMES:
        for seq in SEQUENCES:
            data = DataConfig(frame, seq)
            examples = _TRAIN // (frame * seq)
            rows = min(data.batch, examples)
            if not rows or rows * frame * seq > largest:
                continue
            network = Network(ModelConfig(cell="gru", hidden=hidden, layers=LAYERS), frame)
            work = Work(examples, (_SONG - _TRAIN) // (frame * seq), 1, _SONG)
            execution = ExecutionConfig(device=device.type, elementwise=elementwise, precision="bfloat16", threads=1)
            plan = make_plan(data, network, execution, work, device, memory)
            execution = replace(execution, micro_batch=plan.micro_batch, segment=plan.segment)
            peak = PeakMemory(device)
            frames = torch.empty(rows, seq + 1, frame, device=device).uniform_(-1, 1)
            parameters = network.initial_parameters(1).to(device, torch.float32)
            form = make_gradient(network, execution)
            if not isinstance(form, FusedGradient):
                raise TypeError("the reference form")
            optimiser = RMSProp(torch.zeros_like(parameters), learning_rate=1e-3, decay=0.9, step_clip=1.0)
            updates = EnqueuedUpdates(parameters, optimiser, form, print)
            for _ in range(3):
                updates.begin(frames[:, :-1], frames[:, 1:])
            costs = [made.cost for made in updates.finished(wait=True)]
            taken = peak.bytes()
            del frames, form, parameters, optimiser, updates
            yield {
                "shape": f"{frame}x{seq}",
                "rows": rows,
                "micro_batch": plan.micro_batch,
                "segment": plan.segment,
                "planned": plan.bytes,
                "measured": taken,
                "finite": all(map(math.isfinite, costs)),
            }
