"""The gated recurrent unit over a segment: reset before the product, each way one kernel (`longsong.model.fused.gru`).

A program has some rows of the mini-batch, from the first step to the last, and waits for no other. Weights that fit
stay in its shared memory, the others come from the device's L2 cache at each step; what a step has computed goes
through memory that the same program reads again, with a barrier between. Offsets of steps are of 64 bits.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from longsong.model.kernels.parts import add_product, clear, keep, put, sigmoid, tanh
from longsong.model.kernels.tiles import LaidOut, constants_of, operands_of, padded, programs, tiles_of

__all__ = ["gru_backward", "gru_forward"]


def gru_forward(
    h: Tensor,
    gates: Tensor,
    candidate: Tensor,
    product: Tensor,
    to_gates: Tensor,
    to_state: Tensor,
    operands: torch.dtype,
    laid_out: LaidOut,
) -> None:
    """Run through a segment.

    Parameters
    ----------
    h : Tensor, shape (steps + 1, rows, hidden)
        Its first step is given, the others are written.
    gates : Tensor, shape (steps, rows, 2 * hidden)
        The input's part of update and reset gate; overwritten by the gates.
    candidate : Tensor, shape (steps, rows, hidden)
        The input's part of the candidate; overwritten by the candidate.
    product : Tensor, shape (steps, rows, hidden)
        Written: the state that the reset gate let through.
    to_gates, to_state : Tensor, shapes (hidden, 2 * hidden) and (hidden, hidden)
    operands : dtype
        What operands of products are rounded to.
    laid_out : dict
        Of weights that are what they were (`longsong.model.fused.weights.Weights`).
    """
    steps, rows, hidden = candidate.shape
    tiles = tiles_of(hidden, 3, h.device, operands)
    _forward[programs(rows, 2 * hidden)](
        h,
        gates,
        candidate,
        product,
        padded(to_gates, tiles.side, operands, laid_out),
        padded(to_state, tiles.side, operands, laid_out),
        operands_of(rows, 3, tiles.side, h, operands),
        steps,
        rows,
        HIDDEN=hidden,
        **constants_of(tiles, operands),
    )


def gru_backward(
    h: Tensor,
    gates: Tensor,
    candidate: Tensor,
    d_h: Tensor,
    to_gates: Tensor,
    to_state: Tensor,
    operands: torch.dtype,
    laid_out: LaidOut,
) -> None:
    """Run back through it.

    Parameters
    ----------
    h, gates, candidate : Tensor
        As `gru_forward` left them; gates and candidate are overwritten by the gradients of what they are functions of.
    d_h : Tensor, shape (steps + 1, rows, hidden)
        The gradients of the states through what is above them, of the last one through what follows too. The first step
        is overwritten by the gradient of the state before the segment; the others are of no use any more.
    to_gates, to_state, operands, laid_out
    """
    steps, rows, hidden = candidate.shape
    tiles = tiles_of(hidden, 3, h.device, operands)
    _backward[programs(rows, 2 * hidden)](
        h,
        gates,
        candidate,
        d_h,
        padded(to_gates, tiles.side, operands, laid_out, transposed=True),
        padded(to_state, tiles.side, operands, laid_out, transposed=True),
        operands_of(rows, 4, tiles.side, h, operands),
        steps,
        rows,
        HIDDEN=hidden,
        **constants_of(tiles, operands),
    )


@triton.jit(do_not_specialize=["steps", "rows"])
def _forward(
    h,
    gates,
    candidate,
    product,
    to_gates,
    to_state,
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
    states = operands + tl.program_id(0).to(tl.int64) * (3 * ROWS * SIDE)  # of this step, and of the next
    through = states + 2 * ROWS * SIDE  # what the reset gate lets through
    to_reset = keep(to_gates + SIDE * SIDE, SIDE, KEPT > 0)
    to_state = keep(to_state, SIDE, KEPT > 1)
    to_update = keep(to_gates, SIDE, KEPT > 2)
    for first in range(0, SIDE, BLOCK):
        column = first + tl.arange(0, BLOCK)
        there = row_there[:, None] & (column < HIDDEN)[None, :]
        begin = tl.load(h + row[:, None] * HIDDEN + column[None, :], mask=there, other=0.0)
        put(begin, states, column, SIDE, ROWS)
    tl.debug_barrier()
    at = step_size * 0
    here = 0
    for _ in range(steps):
        h_t, product_t, candidate_t, gates_t = h + at, product + at, candidate + at, gates + 2 * at
        state, following = states + here * (ROWS * SIDE), states + (1 - here) * (ROWS * SIDE)
        for first in range(0, SIDE, BLOCK):
            column = first + tl.arange(0, BLOCK)
            there = row_there[:, None] & (column < HIDDEN)[None, :]
            unit = row[:, None] * HIDDEN + column[None, :]
            place = row[:, None] * (2 * HIDDEN) + HIDDEN + column[None, :]
            # All that the step needs is asked for before the product, beside whose weights it comes.
            given = tl.load(gates_t + place, mask=there, other=0.0)
            own = tl.load(h_t + unit, mask=there, other=0.0)
            total = add_product(
                tl.zeros((ROWS, BLOCK), tl.float32), state, to_reset, column, SIDE, INNER, ROWS, BLOCK_INNER, KEPT > 0,
                STAGES, PRECISION,
            )  # fmt: skip
            reset = sigmoid(total + given)
            let = reset * own
            tl.store(gates_t + place, reset, mask=there)
            tl.store(product_t + unit, let, mask=there)
            put(let, through, column, SIDE, ROWS)
        tl.debug_barrier()
        for first in range(0, SIDE, BLOCK):
            column = first + tl.arange(0, BLOCK)
            there = row_there[:, None] & (column < HIDDEN)[None, :]
            unit = row[:, None] * HIDDEN + column[None, :]
            place = row[:, None] * (2 * HIDDEN) + column[None, :]
            total_update = add_product(
                tl.zeros((ROWS, BLOCK), tl.float32), state, to_update, column, SIDE, INNER, ROWS, BLOCK_INNER, KEPT > 2,
                STAGES, PRECISION,
            )  # fmt: skip
            given_update = tl.load(gates_t + place, mask=there, other=0.0)
            given = tl.load(candidate_t + unit, mask=there, other=0.0)
            old = tl.load(h_t + unit, mask=there, other=0.0)
            total = add_product(
                tl.zeros((ROWS, BLOCK), tl.float32), through, to_state, column, SIDE, INNER, ROWS, BLOCK_INNER,
                KEPT > 1, STAGES, PRECISION,
            )  # fmt: skip
            update = sigmoid(total_update + given_update)
            new = tanh(total + given)
            state_after = old + update * (new - old)
            tl.store(gates_t + place, update, mask=there)
            tl.store(candidate_t + unit, new, mask=there)
            tl.store(h_t + step_size + unit, state_after, mask=there)
            put(state_after, following, column, SIDE, ROWS)
        tl.debug_barrier()
        at += step_size
        here = 1 - here


@triton.jit
def _through_update(
    d, h, gates, candidate, d_h, d_updates, d_candidates, at, row, column, there,
    HIDDEN: tl.constexpr, SIDE: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Take the gradient of the new state of a step to update gate and candidate, and to what is kept of the old one."""
    unit = row[:, None] * HIDDEN + column[None, :]
    place = gates + 2 * at + row[:, None] * (2 * HIDDEN) + column[None, :]
    update = tl.load(place, mask=there, other=0.0)
    new = tl.load(candidate + at + unit, mask=there, other=0.0)
    old = tl.load(h + at + unit, mask=there, other=0.0)
    kept = tl.load(d_h + at + unit, mask=there, other=0.0)
    d_update = d * (new - old) * update * (1.0 - update)
    d_candidate = d * update * (1.0 - new * new)
    tl.store(place, d_update, mask=there)
    tl.store(candidate + at + unit, d_candidate, mask=there)
    tl.store(d_h + at + unit, kept + d * (1.0 - update), mask=there)
    put(d_update, d_updates, column, SIDE, ROWS)
    put(d_candidate, d_candidates, column, SIDE, ROWS)


@triton.jit(do_not_specialize=["steps", "rows"])
def _backward(
    h,
    gates,
    candidate,
    d_h,
    from_gates,
    from_state,
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
    d_updates = operands + tl.program_id(0).to(tl.int64) * (4 * ROWS * SIDE)  # of this step, and of the one before
    d_resets = d_updates + 2 * ROWS * SIDE
    d_candidates = d_updates + 3 * ROWS * SIDE
    from_state = keep(from_state, SIDE, KEPT > 0)
    from_reset = keep(from_gates + SIDE * SIDE, SIDE, KEPT > 1)
    from_update = keep(from_gates, SIDE, KEPT > 2)
    clear(d_h, row, row_there, HIDDEN, ROWS, SIDE, BLOCK)  # nothing is above the state before the segment
    for first in range(0, SIDE, BLOCK):
        column = first + tl.arange(0, BLOCK)
        there = row_there[:, None] & (column < HIDDEN)[None, :]
        d = tl.load(d_h + at + step_size + row[:, None] * HIDDEN + column[None, :], mask=there, other=0.0)
        _through_update(
            d, h, gates, candidate, d_h, d_updates, d_candidates, at, row, column, there, HIDDEN, SIDE, ROWS
        )
    tl.debug_barrier()
    here = 0
    for _ in range(steps):
        h_t, d_h_t, resets_t = h + at, d_h + at, gates + 2 * at + HIDDEN
        for first in range(0, SIDE, BLOCK):
            column = first + tl.arange(0, BLOCK)
            there = row_there[:, None] & (column < HIDDEN)[None, :]
            unit = row[:, None] * HIDDEN + column[None, :]
            place = resets_t + row[:, None] * (2 * HIDDEN) + column[None, :]
            reset = tl.load(place, mask=there, other=0.0)
            old = tl.load(h_t + unit, mask=there, other=0.0)
            kept = tl.load(d_h_t + unit, mask=there, other=0.0)
            d_let = add_product(
                tl.zeros((ROWS, BLOCK), tl.float32), d_candidates, from_state, column, SIDE, INNER, ROWS, BLOCK_INNER,
                KEPT > 0, STAGES, PRECISION,
            )  # fmt: skip
            d_reset = d_let * old * reset * (1.0 - reset)
            tl.store(place, d_reset, mask=there)
            tl.store(d_h_t + unit, kept + d_let * reset, mask=there)
            put(d_reset, d_resets, column, SIDE, ROWS)
        tl.debug_barrier()
        d_update, before = d_updates + here * (ROWS * SIDE), d_updates + (1 - here) * (ROWS * SIDE)
        for first in range(0, SIDE, BLOCK):
            column = first + tl.arange(0, BLOCK)
            there = row_there[:, None] & (column < HIDDEN)[None, :]
            unit = row[:, None] * HIDDEN + column[None, :]
            d = add_product(
                tl.zeros((ROWS, BLOCK), tl.float32), d_update, from_update, column, SIDE, INNER, ROWS, BLOCK_INNER,
                KEPT > 2, STAGES, PRECISION,
            )  # fmt: skip
            more = tl.load(d_h_t + unit, mask=there, other=0.0)
            d = more + add_product(
                d, d_resets, from_reset, column, SIDE, INNER, ROWS, BLOCK_INNER, KEPT > 1, STAGES, PRECISION
            )
            if at > 0:
                _through_update(
                    d, h, gates, candidate, d_h, before, d_candidates, at - step_size, row, column, there, HIDDEN,
                    SIDE, ROWS,
                )  # fmt: skip
            else:
                tl.store(d_h_t + unit, d, mask=there)
        tl.debug_barrier()
        at -= step_size
        here = 1 - here
