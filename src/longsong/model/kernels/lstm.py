"""The peephole LSTM over a segment, each way one kernel (`longsong.model.fused.lstm`); programs as those of the GRU."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from longsong.model.kernels.parts import add_piece, add_product, clear, keep, sigmoid, tanh
from longsong.model.kernels.tiles import ROWS, LaidOut, Room, padded, precision_of, programs

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
    tiles = Room(h.device, operands).tiles_of(hidden, hidden, parts=_GATES)
    _forward[programs(rows, _GATES * hidden)](
        h,
        cells,
        gates,
        padded(weights, tiles.inner, tiles.columns, operands, laid_out, parts=_GATES),
        *peepholes,
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
    tiles = Room(h.device, operands).tiles_of(_GATES * hidden, hidden, most=128)
    _backward[programs(rows, _GATES * hidden)](
        cells,
        gates,
        d_h,
        d_cells,
        padded(weights.t(), tiles.inner, tiles.columns, operands, laid_out),
        *peepholes,
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
    cells,
    gates,
    weights,
    p_in,
    p_forget,
    p_out,
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
    to_into = keep(weights, INNER, COLUMNS, 4 * COLUMNS, KEPT)
    to_lasting = keep(weights + COLUMNS, INNER, COLUMNS, 4 * COLUMNS, KEPT)
    to_candidate = keep(weights + 2 * COLUMNS, INNER, COLUMNS, 4 * COLUMNS, KEPT)
    to_out = keep(weights + 3 * COLUMNS, INNER, COLUMNS, 4 * COLUMNS, KEPT)
    for _ in range(steps):
        h_t = h + at
        for first in range(0, COLUMNS, BLOCK):
            column = first + tl.arange(0, BLOCK)
            column_there = column < HIDDEN
            there = row_there[:, None] & column_there[None, :]
            unit = at + row[:, None] * HIDDEN + column[None, :]
            place = gates + 4 * at + row[:, None] * (4 * HIDDEN) + column[None, :]
            into = tl.load(place, mask=there, other=0.0)
            lasting = tl.load(place + HIDDEN, mask=there, other=0.0)
            candidate = tl.load(place + 2 * HIDDEN, mask=there, other=0.0)
            out = tl.load(place + 3 * HIDDEN, mask=there, other=0.0)
            if KEPT:
                inner = tl.arange(0, INNER)
                inner_there = row_there[:, None] & (inner < HIDDEN)[None, :]
                a = tl.load(h_t + row[:, None] * HIDDEN + inner[None, :], mask=inner_there, other=0.0)
                into = add_piece(into, a, to_into, PRECISION)
                lasting = add_piece(lasting, a, to_lasting, PRECISION)
                candidate = add_piece(candidate, a, to_candidate, PRECISION)
                out = add_piece(out, a, to_out, PRECISION)
            else:
                for start in tl.range(0, INNER, BLOCK_INNER, num_stages=STAGES):
                    inner = start + tl.arange(0, BLOCK_INNER)
                    inner_there = row_there[:, None] & (inner < HIDDEN)[None, :]
                    a = tl.load(h_t + row[:, None] * HIDDEN + inner[None, :], mask=inner_there, other=0.0)
                    b = weights + inner[:, None] * (4 * COLUMNS) + column[None, :]
                    into = add_piece(into, a, tl.load(b), PRECISION)
                    lasting = add_piece(lasting, a, tl.load(b + COLUMNS), PRECISION)
                    candidate = add_piece(candidate, a, tl.load(b + 2 * COLUMNS), PRECISION)
                    out = add_piece(out, a, tl.load(b + 3 * COLUMNS), PRECISION)
            old = tl.load(cells + unit, mask=there, other=0.0)
            into = sigmoid(into + old * tl.load(p_in + column, mask=column_there, other=0.0)[None, :])
            lasting = sigmoid(lasting + old * tl.load(p_forget + column, mask=column_there, other=0.0)[None, :])
            candidate = tanh(candidate)
            new = lasting * old + into * candidate
            out = sigmoid(out + new * tl.load(p_out + column, mask=column_there, other=0.0)[None, :])
            tl.store(place, into, mask=there)
            tl.store(place + HIDDEN, lasting, mask=there)
            tl.store(place + 2 * HIDDEN, candidate, mask=there)
            tl.store(place + 3 * HIDDEN, out, mask=there)
            tl.store(cells + step_size + unit, new, mask=there)
            tl.store(h + step_size + unit, out * tanh(new), mask=there)
        tl.debug_barrier()
        at += step_size


@triton.jit
def _through_cell(
    d, cells, gates, d_cells, p_in, p_forget, p_out, at, step_size, row, row_there, column, HIDDEN: tl.constexpr
):
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
    tl.store(place + 2 * HIDDEN, d_cell * into * (1.0 - candidate * candidate), mask=there)
    tl.store(place + 3 * HIDDEN, d_out, mask=there)
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
        d = tl.load(d_h + at + step_size + own, mask=there, other=0.0)
        _through_cell(
            d, cells, gates, d_cells, p_in, p_forget, p_out, at, step_size, row, row_there, column, HIDDEN
        )  # fmt: skip
    tl.debug_barrier()
    weights = keep(weights, INNER, COLUMNS, COLUMNS, KEPT)
    for _ in range(steps):
        for first in range(0, COLUMNS, BLOCK):
            column = first + tl.arange(0, BLOCK)
            there = row_there[:, None] & (column < HIDDEN)[None, :]
            unit = at + row[:, None] * HIDDEN + column[None, :]
            d = tl.load(d_h + unit, mask=there, other=0.0)
            d = add_product(
                d, gates + 4 * at, row, row_there, 4 * HIDDEN, weights, column, COLUMNS, INNER, BLOCK_INNER, KEPT,
                STAGES, PRECISION,
            )  # fmt: skip
            if at > 0:
                _through_cell(
                    d, cells, gates, d_cells, p_in, p_forget, p_out, at - step_size, step_size, row, row_there, column,
                    HIDDEN,
                )  # fmt: skip
            else:
                tl.store(d_h + unit, d, mask=there)
        tl.debug_barrier()
        at -= step_size
