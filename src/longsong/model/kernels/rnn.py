"""The simple recurrent network over a segment, each way one kernel (`longsong.model.fused.rnn`), as the GRU."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from longsong.model.kernels.parts import add_product, clear, keep, tanh
from longsong.model.kernels.tiles import ROWS, LaidOut, Room, padded, precision_of, programs

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
    _run(_backward, h, sums, d_h, weights.t(), operands, laid_out)


def _run(
    kernel: Any, h: Tensor, sums: Tensor, d_h: Tensor, weights: Tensor, operands: torch.dtype, laid_out: LaidOut
) -> None:
    steps, rows, hidden = sums.shape
    tiles = Room(h.device, operands).tiles_of(hidden, hidden)
    kernel[programs(rows, hidden)](
        h,
        sums,
        d_h,
        padded(weights, tiles.inner, tiles.columns, operands, laid_out),
        steps,
        rows,
        HIDDEN=hidden,
        INNER=tiles.inner,
        COLUMNS=tiles.columns,
        ROWS=ROWS,
        BLOCK_INNER=tiles.block_inner,
        BLOCK=tiles.block_columns,
        KEPT=tiles.kept,
        STAGES=tiles.stages,
        PRECISION=precision_of(operands),
        **tiles.options,
    )


@triton.jit(do_not_specialize=["steps", "rows"])
def _forward(
    h,
    sums,
    unused,
    weights,
    steps,
    rows,
    HIDDEN: tl.constexpr,
    INNER: tl.constexpr,
    COLUMNS: tl.constexpr,
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
    at = step_size * 0
    weights = keep(weights, INNER, COLUMNS, COLUMNS, KEPT)
    for _ in range(steps):
        for first in range(0, COLUMNS, BLOCK):
            column = first + tl.arange(0, BLOCK)
            there = row_there[:, None] & (column < HIDDEN)[None, :]
            unit = at + row[:, None] * HIDDEN + column[None, :]
            total = tl.load(sums + unit, mask=there, other=0.0)
            total = add_product(
                total, h + at, row, row_there, HIDDEN, weights, column, COLUMNS, INNER, BLOCK_INNER, KEPT, STAGES,
                PRECISION,
            )  # fmt: skip
            tl.store(h + step_size + unit, tanh(total), mask=there)
        tl.debug_barrier()
        at += step_size


@triton.jit(do_not_specialize=["steps", "rows"])
def _backward(
    h,
    sums,
    d_h,
    weights,
    steps,
    rows,
    HIDDEN: tl.constexpr,
    INNER: tl.constexpr,
    COLUMNS: tl.constexpr,
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
    at = (steps - 1).to(tl.int64) * step_size
    clear(d_h, row, row_there, HIDDEN, ROWS, COLUMNS, BLOCK)  # nothing is above the state before the segment
    for first in range(0, COLUMNS, BLOCK):
        column = first + tl.arange(0, BLOCK)
        there = row_there[:, None] & (column < HIDDEN)[None, :]
        own = row[:, None] * HIDDEN + column[None, :]
        state = tl.load(h + at + step_size + own, mask=there, other=0.0)
        d = tl.load(d_h + at + step_size + own, mask=there, other=0.0)
        tl.store(sums + at + own, d * (1.0 - state * state), mask=there)
    tl.debug_barrier()
    weights = keep(weights, INNER, COLUMNS, COLUMNS, KEPT)
    for _ in range(steps):
        for first in range(0, COLUMNS, BLOCK):
            column = first + tl.arange(0, BLOCK)
            there = row_there[:, None] & (column < HIDDEN)[None, :]
            unit = at + row[:, None] * HIDDEN + column[None, :]
            d = tl.load(d_h + unit, mask=there, other=0.0)
            d = add_product(
                d, sums + at, row, row_there, HIDDEN, weights, column, COLUMNS, INNER, BLOCK_INNER, KEPT, STAGES,
                PRECISION,
            )  # fmt: skip
            if at > 0:
                state = tl.load(h + unit, mask=there, other=0.0)
                tl.store(sums + unit - step_size, d * (1.0 - state * state), mask=there)
            else:
                tl.store(d_h + unit, d, mask=there)
        tl.debug_barrier()
        at -= step_size
