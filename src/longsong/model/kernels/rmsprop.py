"""RMSProp with a floor and step clipping over a flat vector, in three kernels (`longsong.training.enqueued_step`)."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = ["BLOCK", "rmsprop_step"]

BLOCK = 2048
"""Entries of a program; and how many of its sums are read at once by the one that adds them up."""

_OPTIONS = {"num_warps": 8, "enable_fp_fusion": True}


def rmsprop_step(
    parameters: Tensor,
    mean_square: Tensor,
    gradient: Tensor,
    step: Tensor,
    sums: Tensor,
    cost: Tensor,
    rate: Tensor,
    statistics: Tensor,
    *,
    decay: float,
    floor: float,
    clip: float,
) -> None:
    """Change parameters by a step.

    Parameters
    ----------
    parameters, mean_square, gradient, step : Tensor, shape (size,), float32
        The first two are changed; `step` is written: what it is before it is clipped.
    sums : Tensor, shape (3, ceil(size / BLOCK)), float32
        Written.
    cost : Tensor, shape (), float64
    rate : Tensor, shape (), float32
    statistics : Tensor, shape (6,), float64
        As `longsong.training.enqueued_step.EnqueuedStep` has them; the last one is looked at, and all are written.
    decay, floor, clip : float
    """
    size = len(parameters)
    programs = -(-size // BLOCK)
    _prepare[(programs,)](
        mean_square, gradient, step, sums, rate, size, programs, decay, 1 - decay, floor, BLOCK=BLOCK, **_OPTIONS
    )
    factor = torch.empty_like(rate)
    _decide[(1,)](sums, cost, statistics, factor, programs, clip, BLOCK=BLOCK, **_OPTIONS)
    _apply[(programs,)](parameters, step, factor, size, BLOCK=BLOCK, **_OPTIONS)


@triton.jit
def _prepare(mean_square, gradient, step, sums, rate, size, programs, decay, rest, floor, BLOCK: tl.constexpr):
    number = tl.program_id(0)
    place = number.to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there = place < size
    g = tl.load(gradient + place, mask=there, other=0.0)
    v = tl.load(mean_square + place, mask=there, other=0.0) * decay + rest * (g * g)
    root = tl.sqrt(v)
    # What is not a number is no less than the floor, and stays what it is.
    moved = g * tl.load(rate) / tl.where(root < floor, floor, root)
    tl.store(mean_square + place, v, mask=there)
    tl.store(step + place, moved, mask=there)
    tl.store(sums + number, tl.sum(tl.where(there, g * g, 0.0)))
    tl.store(sums + programs + number, tl.sum(tl.where(there, moved * moved, 0.0)))
    tl.store(sums + 2 * programs + number, tl.sum(tl.where(there & (root < floor), 1.0, 0.0)))


@triton.jit
def _decide(sums, cost, statistics, factor, programs, clip, BLOCK: tl.constexpr):
    gradients = tl.zeros((BLOCK,), tl.float64)
    steps = tl.zeros((BLOCK,), tl.float64)
    floored = tl.zeros((BLOCK,), tl.float64)
    for first in range(0, programs, BLOCK):
        place = first + tl.arange(0, BLOCK)
        there = place < programs
        gradients += tl.load(sums + place, mask=there, other=0.0).to(tl.float64)
        steps += tl.load(sums + programs + place, mask=there, other=0.0).to(tl.float64)
        floored += tl.load(sums + 2 * programs + place, mask=there, other=0.0).to(tl.float64)
    norm, unclipped = tl.sqrt(tl.sum(gradients)), tl.sqrt(tl.sum(steps))
    known = tl.load(cost)
    # What is not a number is less than nothing.
    finite = tl.load(statistics + 5) * tl.where(tl.abs(known + norm + unclipped) < float("inf"), 1.0, 0.0)
    clipped = tl.where(unclipped > clip, clip / unclipped, 1.0)
    tl.store(factor, tl.where(finite > 0.0, clipped, 0.0).to(tl.float32))
    tl.store(statistics, known)
    tl.store(statistics + 1, norm)
    tl.store(statistics + 2, unclipped)
    tl.store(statistics + 3, unclipped * clipped)
    tl.store(statistics + 4, tl.sum(floored))
    tl.store(statistics + 5, finite)


@triton.jit
def _apply(parameters, step, factor, size, BLOCK: tl.constexpr):
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there = place < size
    much = tl.load(factor)
    moved = tl.load(step + place, mask=there, other=0.0)
    now = tl.load(parameters + place, mask=there, other=0.0)
    # What is not a number times 0 would not be 0.
    tl.store(parameters + place, now - tl.where(much > 0.0, moved * much, 0.0), mask=there)
