"""What all kernels are made of: functions that Triton compiles into them."""

from __future__ import annotations

import triton
import triton.language as tl

__all__ = ["add_piece", "add_product", "clear", "keep", "put", "sigmoid", "tanh"]

_SMALL = tl.constexpr(0.25)


@triton.jit
def sigmoid(x):
    """1 / (1 + exp(-x)); no overflow, as the inverse of infinity is 0."""
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def tanh(x):
    """The hyperbolic tangent, relatively exact near 0 too, where states of a young network are."""
    square = x * x
    # Its series to x^9: the next summand is below 1e-8 of x.
    series = x * (1.0 + square * (-1.0 / 3 + square * (2.0 / 15 + square * (-17.0 / 315 + square * (62.0 / 2835)))))
    shrunk = tl.exp(-2.0 * tl.abs(x))
    far = (1.0 - shrunk) / (1.0 + shrunk)
    return tl.where(tl.abs(x) < _SMALL, series, tl.where(x < 0, -far, far))


@triton.jit
def keep(weights, SIDE: tl.constexpr, KEPT: tl.constexpr):
    """Give a matrix of weights that is to be kept, or where it is.

    As it is the same at each step, Triton leaves it in shared memory.
    """
    if KEPT:
        inner, column = tl.arange(0, SIDE), tl.arange(0, SIDE)
        return tl.load(weights + inner[:, None] * SIDE + column[None, :])
    else:
        return weights


@triton.jit
def add_piece(total, a, b, PRECISION: tl.constexpr):
    """Add the product of operands with a piece of weights.

    `PRECISION` is ``ieee`` or ``tf32``, of which products of bfloat16 operands take no notice, or ``widened``: operands
    that are rounded to bfloat16 are multiplied as float32, which gives the same.
    """
    if PRECISION == "widened":
        return tl.dot(a.to(tl.float32), b.to(tl.float32), total, input_precision="ieee")
    return tl.dot(a, b, total, input_precision=PRECISION)


@triton.jit
def add_product(
    total,
    operand,
    weights,
    column,
    SIDE: tl.constexpr,
    INNER: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK_INNER: tl.constexpr,
    KEPT: tl.constexpr,
    STAGES: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Add operands, of shape (ROWS, SIDE), times some columns of weights of shape (SIDE, SIDE).

    `weights` is what `keep` has given: all of them, or where they are. Of them `INNER` rows are not padding, but for
    the last few.
    """
    row = tl.arange(0, ROWS)
    if KEPT:
        inner = tl.arange(0, SIDE)
        total = add_piece(total, tl.load(operand + row[:, None] * SIDE + inner[None, :]), weights, PRECISION)
    else:
        for first in tl.range(0, INNER, BLOCK_INNER, num_stages=STAGES):
            inner = first + tl.arange(0, BLOCK_INNER)
            a = tl.load(operand + row[:, None] * SIDE + inner[None, :])
            b = tl.load(weights + inner[:, None] * SIDE + column[None, :])
            total = add_piece(total, a, b, PRECISION)
    return total


@triton.jit
def put(numbers, operand, column, SIDE: tl.constexpr, ROWS: tl.constexpr):
    """Write numbers as operands: rounded, and where there is a whole row, padding included."""
    place = operand + tl.arange(0, ROWS)[:, None] * SIDE + column[None, :]
    tl.store(place, numbers.to(operand.dtype.element_ty))


@triton.jit
def clear(matrix, row, row_there, WIDTH: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, BLOCK: tl.constexpr):
    """Set rows of a matrix of `WIDTH` columns to 0; all threads of the program know of it at the end."""
    for first in range(0, COLUMNS, BLOCK):
        column = first + tl.arange(0, BLOCK)
        there = row_there[:, None] & (column < WIDTH)[None, :]
        tl.store(matrix + row[:, None] * WIDTH + column[None, :], tl.zeros((ROWS, BLOCK), tl.float32), mask=there)
    tl.debug_barrier()
