"""The peephole LSTM over a segment, each way one kernel (`longsong.model.fused.lstm`); programs as those of the GRU."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from longsong.model.kernels.parts import add_piece, add_product, clear, keep, put, sigmoid, tanh
from longsong.model.kernels.tiles import LaidOut, constants_of, operands_of, padded, programs, tiles_of

__all__ = ["lstm_backward", "lstm_forward"]

_GATES = 4  # in, forget, candidate, out


def lstm_forward(
    h: Tensor,
    cells: Tensor,
    gates: Tensor,
    weights: Tensor,
    peepholes: tuple[Tensor, Tensor, Tensor],
    operands: torch.dtype,
    laid_out: LaidOut,
) -> None:
    """Run through a segment.

    Parameters
    ----------
    h, cells : Tensor, shape (steps + 1, rows, hidden)
        Their first step is given, the others are written.
    gates : Tensor, shape (steps, rows, 4 * hidden)
        The input's part of gate in, gate forget, candidate and gate out; overwritten by what they are squashed to.
    weights : Tensor, shape (hidden, 4 * hidden)
    peepholes : tuple of Tensor, each of shape (hidden,)
        Of the gates in, forget and out.
    operands : dtype
        What operands of products are rounded to.
    laid_out : dict
        As in `longsong.model.kernels.gru.gru_forward`.
    """
    steps, rows, hidden = len(gates), *h.shape[1:]
    tiles = tiles_of(hidden, _GATES, h.device, operands, together=_GATES)
    _forward[programs(rows, _GATES * hidden)](
        h,
        cells,
        gates,
        padded(weights, tiles.side, operands, laid_out),
        *peepholes,
        operands_of(rows, 2, tiles.side, h, operands),
        steps,
        rows,
        HIDDEN=hidden,
        **constants_of(tiles, operands),
    )


def lstm_backward(
    h: Tensor,
    cells: Tensor,
    gates: Tensor,
    d_h: Tensor,
    d_cells: Tensor,
    weights: Tensor,
    peepholes: tuple[Tensor, Tensor, Tensor],
    operands: torch.dtype,
    laid_out: LaidOut,
) -> None:
    """Run back through it.

    Parameters
    ----------
    h, cells, gates : Tensor
        As `lstm_forward` left them; gates are overwritten by the gradients of what they are functions of.
    d_h : Tensor, shape (steps + 1, rows, hidden)
        As in `longsong.model.kernels.gru.gru_backward`.
    d_cells : Tensor, shape (rows, hidden)
        The gradient of the cells after the segment; overwritten by that of the cells before it.
    weights, peepholes, operands, laid_out
    """
    steps, rows, hidden = len(gates), *h.shape[1:]
    tiles = tiles_of(hidden, _GATES, h.device, operands, most=128)
    _backward[programs(rows, _GATES * hidden)](
        cells,
        gates,
        d_h,
        d_cells,
        padded(weights, tiles.side, operands, laid_out, transposed=True),
        *peepholes,
        operands_of(rows, 2 * _GATES, tiles.side, h, operands),
        steps,
        rows,
        HIDDEN=hidden,
        **constants_of(tiles, operands),
    )


@triton.jit(do_not_specialize=["steps", "rows"])
def _forward(
    h,
    cells,
    gates,
    weights,
    p_in,
    p_forget,
    p_out,
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
    to_into = keep(weights, SIDE, KEPT > 0)
    to_lasting = keep(weights + SIDE * SIDE, SIDE, KEPT > 0)
    to_candidate = keep(weights + 2 * SIDE * SIDE, SIDE, KEPT > 0)
    to_out = keep(weights + 3 * SIDE * SIDE, SIDE, KEPT > 0)
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
            column_there = column < HIDDEN
            there = row_there[:, None] & column_there[None, :]
            unit = row[:, None] * HIDDEN + column[None, :]
            place = gates + 4 * at + row[:, None] * (4 * HIDDEN) + column[None, :]
            into = tl.load(place, mask=there, other=0.0)
            lasting = tl.load(place + HIDDEN, mask=there, other=0.0)
            candidate = tl.load(place + 2 * HIDDEN, mask=there, other=0.0)
            out = tl.load(place + 3 * HIDDEN, mask=there, other=0.0)
            operand = state + tl.arange(0, ROWS)[:, None] * SIDE
            if KEPT > 0:
                a = tl.load(operand + tl.arange(0, SIDE)[None, :])
                into = add_piece(into, a, to_into, PRECISION)
                lasting = add_piece(lasting, a, to_lasting, PRECISION)
                candidate = add_piece(candidate, a, to_candidate, PRECISION)
                out = add_piece(out, a, to_out, PRECISION)
            else:
                for start in tl.range(0, INNER, BLOCK_INNER, num_stages=STAGES):
                    inner = start + tl.arange(0, BLOCK_INNER)
                    a = tl.load(operand + inner[None, :])
                    b = weights + inner[:, None] * SIDE + column[None, :]
                    into = add_piece(into, a, tl.load(b), PRECISION)
                    lasting = add_piece(lasting, a, tl.load(b + SIDE * SIDE), PRECISION)
                    candidate = add_piece(candidate, a, tl.load(b + 2 * SIDE * SIDE), PRECISION)
                    out = add_piece(out, a, tl.load(b + 3 * SIDE * SIDE), PRECISION)
            old = tl.load(cells + at + unit, mask=there, other=0.0)
            into = sigmoid(into + old * tl.load(p_in + column, mask=column_there, other=0.0)[None, :])
            lasting = sigmoid(lasting + old * tl.load(p_forget + column, mask=column_there, other=0.0)[None, :])
            candidate = tanh(candidate)
            new = lasting * old + into * candidate
            out = sigmoid(out + new * tl.load(p_out + column, mask=column_there, other=0.0)[None, :])
            tl.store(place, into, mask=there)
            tl.store(place + HIDDEN, lasting, mask=there)
            tl.store(place + 2 * HIDDEN, candidate, mask=there)
            tl.store(place + 3 * HIDDEN, out, mask=there)
            tl.store(cells + at + step_size + unit, new, mask=there)
            state_after = out * tanh(new)
            tl.store(h + at + step_size + unit, state_after, mask=there)
            put(state_after, following, column, SIDE, ROWS)
        tl.debug_barrier()
        at += step_size
        here = 1 - here


@triton.jit
def _through_cell(
    d, cells, gates, d_cells, d_gates, p_in, p_forget, p_out, at, step_size, row, row_there, column,
    HIDDEN: tl.constexpr, SIDE: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Take the gradients of state and cells of a step to those of the gates' sums and of the cells before it."""
    column_there = column < HIDDEN
    there = row_there[:, None] & column_there[None, :]
    own = row[:, None] * HIDDEN + column[None, :]
    place = gates + 4 * at + row[:, None] * (4 * HIDDEN) + column[None, :]
    into = tl.load(place, mask=there, other=0.0)
    lasting = tl.load(place + HIDDEN, mask=there, other=0.0)
    candidate = tl.load(place + 2 * HIDDEN, mask=there, other=0.0)
    out = tl.load(place + 3 * HIDDEN, mask=there, other=0.0)
    old = tl.load(cells + at + own, mask=there, other=0.0)
    squashed = tanh(tl.load(cells + at + step_size + own, mask=there, other=0.0))
    d_cell = tl.load(d_cells + own, mask=there, other=0.0)
    d_out = d * squashed * out * (1.0 - out)
    d_cell += d * out * (1.0 - squashed * squashed)
    d_cell += d_out * tl.load(p_out + column, mask=column_there, other=0.0)[None, :]
    d_into = d_cell * candidate * into * (1.0 - into)
    d_lasting = d_cell * old * lasting * (1.0 - lasting)
    tl.store(place, d_into, mask=there)
    tl.store(place + HIDDEN, d_lasting, mask=there)
    d_candidate = d_cell * into * (1.0 - candidate * candidate)
    tl.store(place + 2 * HIDDEN, d_candidate, mask=there)
    tl.store(place + 3 * HIDDEN, d_out, mask=there)
    put(d_into, d_gates, column, SIDE, ROWS)
    put(d_lasting, d_gates + ROWS * SIDE, column, SIDE, ROWS)
    put(d_candidate, d_gates + 2 * ROWS * SIDE, column, SIDE, ROWS)
    put(d_out, d_gates + 3 * ROWS * SIDE, column, SIDE, ROWS)
    before = d_cell * lasting
    before += d_into * tl.load(p_in + column, mask=column_there, other=0.0)[None, :]
    before += d_lasting * tl.load(p_forget + column, mask=column_there, other=0.0)[None, :]
    tl.store(d_cells + own, before, mask=there)


@triton.jit(do_not_specialize=["steps", "rows"])
def _backward(
    cells,
    gates,
    d_h,
    d_cells,
    weights,
    p_in,
    p_forget,
    p_out,
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
    d_both = operands + tl.program_id(0).to(tl.int64) * (8 * ROWS * SIDE)  # of this step, and of the one before
    from_into = keep(weights, SIDE, KEPT > 0)
    from_lasting = keep(weights + SIDE * SIDE, SIDE, KEPT > 1)
    from_candidate = keep(weights + 2 * SIDE * SIDE, SIDE, KEPT > 2)
    from_out = keep(weights + 3 * SIDE * SIDE, SIDE, KEPT > 3)
    clear(d_h, row, row_there, HIDDEN, ROWS, SIDE, BLOCK)  # nothing is above the state before the segment
    for first in range(0, SIDE, BLOCK):
        column = first + tl.arange(0, BLOCK)
        there = row_there[:, None] & (column < HIDDEN)[None, :]
        own = row[:, None] * HIDDEN + column[None, :]
        d = tl.load(d_h + at + step_size + own, mask=there, other=0.0)
        _through_cell(
            d, cells, gates, d_cells, d_both, p_in, p_forget, p_out, at, step_size, row, row_there, column, HIDDEN,
            SIDE, ROWS,
        )  # fmt: skip
    tl.debug_barrier()
    here = 0
    for _ in range(steps):
        d_gates, before = d_both + here * (4 * ROWS * SIDE), d_both + (1 - here) * (4 * ROWS * SIDE)
        for first in range(0, SIDE, BLOCK):
            column = first + tl.arange(0, BLOCK)
            there = row_there[:, None] & (column < HIDDEN)[None, :]
            unit = row[:, None] * HIDDEN + column[None, :]
            d = tl.load(d_h + at + unit, mask=there, other=0.0)
            d = add_product(d, d_gates, from_into, column, SIDE, INNER, ROWS, BLOCK_INNER, KEPT > 0, STAGES, PRECISION)
            d = add_product(
                d, d_gates + ROWS * SIDE, from_lasting, column, SIDE, INNER, ROWS, BLOCK_INNER, KEPT > 1, STAGES,
                PRECISION,
            )  # fmt: skip
            d = add_product(
                d, d_gates + 2 * ROWS * SIDE, from_candidate, column, SIDE, INNER, ROWS, BLOCK_INNER, KEPT > 2, STAGES,
                PRECISION,
            )  # fmt: skip
            d = add_product(
                d, d_gates + 3 * ROWS * SIDE, from_out, column, SIDE, INNER, ROWS, BLOCK_INNER, KEPT > 3, STAGES,
                PRECISION,
            )  # fmt: skip
            if at > 0:
                _through_cell(
                    d, cells, gates, d_cells, before, p_in, p_forget, p_out, at - step_size, step_size, row, row_there,
                    column, HIDDEN, SIDE, ROWS,
                )  # fmt: skip
            else:
                tl.store(d_h + at + unit, d, mask=there)
        tl.debug_barrier()
        at -= step_size
        here = 1 - here
