"""The simple recurrent network over a segment, each way one kernel (`longsong.model.fused.rnn`), as the GRU."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from longsong.model.kernels.parts import add_product, clear, keep, put, tanh
from longsong.model.kernels.tiles import LaidOut, constants_of, operands_of, padded, programs, tiles_of

__all__ = ["rnn_backward", "rnn_forward"]


def rnn_forward(h: Tensor, sums: Tensor, weights: Tensor, operands: torch.dtype, laid_out: LaidOut) -> None:
    """Run through a segment.

    Parameters
    ----------
    h : Tensor, shape (steps + 1, rows, hidden)
        Its first step is given, the others are written.
    sums : Tensor, shape (steps, rows, hidden)
        The input's part of what states are the tanh of; stays as it is.
    weights : Tensor, shape (hidden, hidden)
    operands : dtype
        What operands of products are rounded to.
    laid_out : dict
        As in `longsong.model.kernels.gru.gru_forward`.
    """
    _run(_forward, h, sums, h, weights, operands, laid_out)


def rnn_backward(
    h: Tensor, sums: Tensor, d_h: Tensor, weights: Tensor, operands: torch.dtype, laid_out: LaidOut
) -> None:
    """Run back through it.

    Parameters
    ----------
    h : Tensor
        As `rnn_forward` left it.
    sums : Tensor, shape (steps, rows, hidden)
        Written: the gradients of the sums.
    d_h : Tensor, shape (steps + 1, rows, hidden)
        As in `longsong.model.kernels.gru.gru_backward`.
    weights, operands, laid_out
    """
    _run(_backward, h, sums, d_h, weights, operands, laid_out)


def _run(
    kernel: Any, h: Tensor, sums: Tensor, d_h: Tensor, weights: Tensor, operands: torch.dtype, laid_out: LaidOut
) -> None:
    steps, rows, hidden = sums.shape
    tiles = tiles_of(hidden, 1, h.device, operands)
    kernel[programs(rows, hidden)](
        h,
        sums,
        d_h,
        padded(weights, tiles.side, operands, laid_out, transposed=kernel is _backward),
        operands_of(rows, 2, tiles.side, h, operands),
        steps,
        rows,
        HIDDEN=hidden,
        **constants_of(tiles, operands),
    )


@triton.jit(do_not_specialize=["steps", "rows"])
def _forward(
    h,
    sums,
    unused,
    weights,
    operands,
    steps,
    rows,
    HIDDEN: tl.constexpr,
    SIDE: tl.constexpr,
    INNER: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK_INNER: tl.constexpr,
    BLOCK: tl.constexpr,
    KEPT: tl.constexpr,
    STAGES: tl.constexpr,
    PRECISION: tl.constexpr,
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    row_there = row < rows
    step_size = rows.to(tl.int64) * HIDDEN
    states = operands + tl.program_id(0).to(tl.int64) * (2 * ROWS * SIDE)  # of this step, and of the next
    weights = keep(weights, SIDE, KEPT > 0)
    for first in range(0, SIDE, BLOCK):
        column = first + tl.arange(0, BLOCK)
        there = row_there[:, None] & (column < HIDDEN)[None, :]
        begin = tl.load(h + row[:, None] * HIDDEN + column[None, :], mask=there, other=0.0)
        put(begin, states, column, SIDE, ROWS)
    tl.debug_barrier()
    at = step_size * 0
    here = 0
    for _ in range(steps):
        state, following = states + here * (ROWS * SIDE), states + (1 - here) * (ROWS * SIDE)
        for first in range(0, SIDE, BLOCK):
            column = first + tl.arange(0, BLOCK)
            there = row_there[:, None] & (column < HIDDEN)[None, :]
            unit = row[:, None] * HIDDEN + column[None, :]
            total = tl.load(sums + at + unit, mask=there, other=0.0)
            total = add_product(
                total, state, weights, column, SIDE, INNER, ROWS, BLOCK_INNER, KEPT > 0, STAGES, PRECISION
            )
            new = tanh(total)
            tl.store(h + at + step_size + unit, new, mask=there)
            put(new, following, column, SIDE, ROWS)
        tl.debug_barrier()
        at += step_size
        here = 1 - here


@triton.jit
def _through_state(
    d, h, sums, d_sums, at, step_size, row, column, there,
    HIDDEN: tl.constexpr, SIDE: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Take the gradient of the state of a step to that of its sum."""
    unit = row[:, None] * HIDDEN + column[None, :]
    state = tl.load(h + at + step_size + unit, mask=there, other=0.0)
    d_sum = d * (1.0 - state * state)
    tl.store(sums + at + unit, d_sum, mask=there)
    put(d_sum, d_sums, column, SIDE, ROWS)


@triton.jit(do_not_specialize=["steps", "rows"])
def _backward(
    h,
    sums,
    d_h,
    weights,
    operands,
    steps,
    rows,
    HIDDEN: tl.constexpr,
    SIDE: tl.constexpr,
    INNER: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK_INNER: tl.constexpr,
    BLOCK: tl.constexpr,
    KEPT: tl.constexpr,
    STAGES: tl.constexpr,
    PRECISION: tl.constexpr,
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    row_there = row < rows
    step_size = rows.to(tl.int64) * HIDDEN
    at = (steps - 1) * step_size
    d_sums = operands + tl.program_id(0).to(tl.int64) * (2 * ROWS * SIDE)  # of this step, and of the one before
    weights = keep(weights, SIDE, KEPT > 0)
    clear(d_h, row, row_there, HIDDEN, ROWS, SIDE, BLOCK)  # nothing is above the state before the segment
    for first in range(0, SIDE, BLOCK):
        column = first + tl.arange(0, BLOCK)
        there = row_there[:, None] & (column < HIDDEN)[None, :]
        d = tl.load(d_h + at + step_size + row[:, None] * HIDDEN + column[None, :], mask=there, other=0.0)
        _through_state(d, h, sums, d_sums, at, step_size, row, column, there, HIDDEN, SIDE, ROWS)
    tl.debug_barrier()
    here = 0
    for _ in range(steps):
        d_sum, before = d_sums + here * (ROWS * SIDE), d_sums + (1 - here) * (ROWS * SIDE)
        for first in range(0, SIDE, BLOCK):
            column = first + tl.arange(0, BLOCK)
            there = row_there[:, None] & (column < HIDDEN)[None, :]
            unit = row[:, None] * HIDDEN + column[None, :]
            d = tl.load(d_h + at + unit, mask=there, other=0.0)
            d = add_product(d, d_sum, weights, column, SIDE, INNER, ROWS, BLOCK_INNER, KEPT > 0, STAGES, PRECISION)
            if at > 0:
                _through_state(d, h, sums, before, at - step_size, step_size, row, column, there, HIDDEN, SIDE, ROWS)
            else:
                tl.store(d_h + at + unit, d, mask=there)
        tl.debug_barrier()
        at -= step_size
        here = 1 - here
