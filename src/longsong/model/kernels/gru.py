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

from longsong.model.kernels.parts import add_product, clear, keep, sigmoid, tanh
from longsong.model.kernels.tiles import ROWS, LaidOut, Room, padded, precision_of, programs

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
    room = Room(h.device, operands)
    of_state, of_gates = (room.tiles_of(hidden, width) for width in (hidden, 2 * hidden))
    _forward[programs(rows, 2 * hidden)](
        h,
        gates,
        candidate,
        product,
        padded(to_gates, of_gates.inner, of_gates.columns, operands, laid_out),
        padded(to_state, of_state.inner, of_state.columns, operands, laid_out),
        steps,
        rows,
        HIDDEN=hidden,
        INNER_GATES=of_gates.inner,
        INNER_STATE=of_state.inner,
        GATES=of_gates.columns,
        STATE=of_state.columns,
        ROWS=ROWS,
        BLOCK_INNER_GATES=of_gates.block_inner,
        BLOCK_INNER_STATE=of_state.block_inner,
        BLOCK_GATES=of_gates.block_columns,
        BLOCK_STATE=of_state.block_columns,
        KEPT_GATES=of_gates.kept,
        KEPT_STATE=of_state.kept,
        STAGES=of_gates.stages,
        PRECISION=precision_of(operands),
        **of_gates.options,
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
    room = Room(h.device, operands)
    of_state, of_gates = (room.tiles_of(width, hidden, most=128) for width in (hidden, 2 * hidden))
    _backward[programs(rows, 2 * hidden)](
        h,
        gates,
        candidate,
        d_h,
        padded(to_gates.t(), of_gates.inner, of_gates.columns, operands, laid_out),
        padded(to_state.t(), of_state.inner, of_state.columns, operands, laid_out),
        steps,
        rows,
        HIDDEN=hidden,
        INNER_GATES=of_gates.inner,
        INNER_STATE=of_state.inner,
        COLUMNS=of_state.columns,
        ROWS=ROWS,
        BLOCK_INNER_GATES=of_gates.block_inner,
        BLOCK_INNER_STATE=of_state.block_inner,
        BLOCK_GATES=of_gates.block_columns,
        BLOCK_STATE=of_state.block_columns,
        KEPT_GATES=of_gates.kept,
        KEPT_STATE=of_state.kept,
        STAGES=of_gates.stages,
        PRECISION=precision_of(operands),
        **of_gates.options,
    )


@triton.jit(do_not_specialize=["steps", "rows"])
def _forward(
    h,
    gates,
    candidate,
    product,
    to_gates,
    to_state,
    steps,
    rows,
    HIDDEN: tl.constexpr,
    INNER_GATES: tl.constexpr,
    INNER_STATE: tl.constexpr,
    GATES: tl.constexpr,
    STATE: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK_INNER_GATES: tl.constexpr,
    BLOCK_INNER_STATE: tl.constexpr,
    BLOCK_GATES: tl.constexpr,
    BLOCK_STATE: tl.constexpr,
    KEPT_GATES: tl.constexpr,
    KEPT_STATE: tl.constexpr,
    STAGES: tl.constexpr,
    PRECISION: tl.constexpr,
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    row_there = row < rows
    step_size = rows.to(tl.int64) * HIDDEN
    at = step_size * 0
    to_gates = keep(to_gates, INNER_GATES, GATES, GATES, KEPT_GATES)
    to_state = keep(to_state, INNER_STATE, STATE, STATE, KEPT_STATE)
    for _ in range(steps):
        h_t, product_t, candidate_t, gates_t = h + at, product + at, candidate + at, gates + 2 * at
        for first in range(0, GATES, BLOCK_GATES):
            column = first + tl.arange(0, BLOCK_GATES)
            there = row_there[:, None] & (column < 2 * HIDDEN)[None, :]
            place = row[:, None] * (2 * HIDDEN) + column[None, :]
            # All that the step needs is asked for before the product, beside whose weights it comes.
            given = tl.load(gates_t + place, mask=there, other=0.0)
            is_reset = there & (column >= HIDDEN)[None, :]
            unit = row[:, None] * HIDDEN + (column - HIDDEN)[None, :]
            own = tl.load(h_t + unit, mask=is_reset, other=0.0)
            total = add_product(
                tl.zeros((ROWS, BLOCK_GATES), tl.float32), h_t, row, row_there, HIDDEN, to_gates, column, GATES,
                INNER_GATES, BLOCK_INNER_GATES, KEPT_GATES, STAGES, PRECISION,
            )  # fmt: skip
            gate = sigmoid(total + given)
            tl.store(gates_t + place, gate, mask=there)
            tl.store(product_t + unit, gate * own, mask=is_reset)
        tl.debug_barrier()
        for first in range(0, STATE, BLOCK_STATE):
            column = first + tl.arange(0, BLOCK_STATE)
            there = row_there[:, None] & (column < HIDDEN)[None, :]
            unit = row[:, None] * HIDDEN + column[None, :]
            given = tl.load(candidate_t + unit, mask=there, other=0.0)
            old = tl.load(h_t + unit, mask=there, other=0.0)
            update = tl.load(gates_t + row[:, None] * (2 * HIDDEN) + column[None, :], mask=there, other=0.0)
            total = add_product(
                tl.zeros((ROWS, BLOCK_STATE), tl.float32), product_t, row, row_there, HIDDEN, to_state, column, STATE,
                INNER_STATE, BLOCK_INNER_STATE, KEPT_STATE, STAGES, PRECISION,
            )  # fmt: skip
            new = tanh(total + given)
            tl.store(candidate_t + unit, new, mask=there)
            tl.store(h_t + step_size + unit, old + update * (new - old), mask=there)
        tl.debug_barrier()
        at += step_size


@triton.jit
def _through_update(d, h, gates, candidate, d_h, at, row, column, there, HIDDEN: tl.constexpr):
    """Take the gradient of the new state of a step to update gate and candidate, and to what is kept of the old one."""
    unit = row[:, None] * HIDDEN + column[None, :]
    place = gates + 2 * at + row[:, None] * (2 * HIDDEN) + column[None, :]
    update = tl.load(place, mask=there, other=0.0)
    new = tl.load(candidate + at + unit, mask=there, other=0.0)
    old = tl.load(h + at + unit, mask=there, other=0.0)
    kept = tl.load(d_h + at + unit, mask=there, other=0.0)
    tl.store(place, d * (new - old) * update * (1.0 - update), mask=there)
    tl.store(candidate + at + unit, d * update * (1.0 - new * new), mask=there)
    tl.store(d_h + at + unit, kept + d * (1.0 - update), mask=there)


@triton.jit(do_not_specialize=["steps", "rows"])
def _backward(
    h,
    gates,
    candidate,
    d_h,
    from_gates,
    from_state,
    steps,
    rows,
    HIDDEN: tl.constexpr,
    INNER_GATES: tl.constexpr,
    INNER_STATE: tl.constexpr,
    COLUMNS: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK_INNER_GATES: tl.constexpr,
    BLOCK_INNER_STATE: tl.constexpr,
    BLOCK_GATES: tl.constexpr,
    BLOCK_STATE: tl.constexpr,
    KEPT_GATES: tl.constexpr,
    KEPT_STATE: tl.constexpr,
    STAGES: tl.constexpr,
    PRECISION: tl.constexpr,
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    row_there = row < rows
    step_size = rows.to(tl.int64) * HIDDEN
    last = (steps - 1).to(tl.int64) * step_size
    clear(d_h, row, row_there, HIDDEN, ROWS, COLUMNS, BLOCK_GATES)  # nothing is above the state before the segment
    for first in range(0, COLUMNS, BLOCK_GATES):
        column = first + tl.arange(0, BLOCK_GATES)
        there = row_there[:, None] & (column < HIDDEN)[None, :]
        d = tl.load(d_h + last + step_size + row[:, None] * HIDDEN + column[None, :], mask=there, other=0.0)
        _through_update(d, h, gates, candidate, d_h, last, row, column, there, HIDDEN)
    tl.debug_barrier()
    at = last
    from_gates = keep(from_gates, INNER_GATES, COLUMNS, COLUMNS, KEPT_GATES)
    from_state = keep(from_state, INNER_STATE, COLUMNS, COLUMNS, KEPT_STATE)
    for _ in range(steps):
        for first in range(0, COLUMNS, BLOCK_STATE):
            column = first + tl.arange(0, BLOCK_STATE)
            there = row_there[:, None] & (column < HIDDEN)[None, :]
            unit = at + row[:, None] * HIDDEN + column[None, :]
            place = gates + 2 * at + row[:, None] * (2 * HIDDEN) + HIDDEN + column[None, :]
            reset = tl.load(place, mask=there, other=0.0)
            old = tl.load(h + unit, mask=there, other=0.0)
            kept = tl.load(d_h + unit, mask=there, other=0.0)
            d_product = add_product(
                tl.zeros((ROWS, BLOCK_STATE), tl.float32), candidate + at, row, row_there, HIDDEN, from_state, column,
                COLUMNS, INNER_STATE, BLOCK_INNER_STATE, KEPT_STATE, STAGES, PRECISION,
            )  # fmt: skip
            tl.store(place, d_product * old * reset * (1.0 - reset), mask=there)
            tl.store(d_h + unit, kept + d_product * reset, mask=there)
        tl.debug_barrier()
        for first in range(0, COLUMNS, BLOCK_GATES):
            column = first + tl.arange(0, BLOCK_GATES)
            there = row_there[:, None] & (column < HIDDEN)[None, :]
            unit = at + row[:, None] * HIDDEN + column[None, :]
            more = tl.load(d_h + unit, mask=there, other=0.0)
            earlier = there & (unit >= step_size)
            before = unit - step_size
            place = gates + 2 * at - 2 * step_size + row[:, None] * (2 * HIDDEN) + column[None, :]
            update = tl.load(place, mask=earlier, other=0.0)
            new = tl.load(candidate + before, mask=earlier, other=0.0)
            old = tl.load(h + before, mask=earlier, other=0.0)
            kept = tl.load(d_h + before, mask=earlier, other=0.0)
            d = more + add_product(
                tl.zeros((ROWS, BLOCK_GATES), tl.float32), gates + 2 * at, row, row_there, 2 * HIDDEN, from_gates,
                column, COLUMNS, INNER_GATES, BLOCK_INNER_GATES, KEPT_GATES, STAGES, PRECISION,
            )  # fmt: skip
            tl.store(place, d * (new - old) * update * (1.0 - update), mask=earlier)
            tl.store(candidate + before, d * update * (1.0 - new * new), mask=earlier)
            tl.store(d_h + before, kept + d * (1.0 - update), mask=earlier)
            tl.store(d_h + unit, d, mask=there & (unit < step_size))
        tl.debug_barrier()
        at -= step_size
