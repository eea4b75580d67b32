"""What compiled loops are made of, and the loops of each cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch

from longsong.model.fused.exponential import make_sigmoid
from longsong.model.fused.openmp import openmp
from longsong.model.fused.tanh import make_tanh

__all__ = ["Kit", "cell_loops", "make_kit"]

_MEMORY_CHECKS = 64
"""Pairs of arrays that LLVM may compare before a loop to see that they do not overlap: 8 by default, too few here."""


@dataclass(frozen=True)
class Kit:
    """Functions that numba has compiled, or will, for one precision.

    Attributes
    ----------
    options : mapping
        For `numba.njit`. Contracting a product and a sum is the only freedom that is given: what is not a number has
        to stay so, and be noticed.
    loop : callable
        Makes a C function of one that takes the address of int64 numbers: step, rows, width, addresses of buffers.
    rows_of : callable
        ``rows_of(numbers)``: the rows [first, stop) that are this thread's.
    part : callable
        ``part(numbers, buffer, step, first, stop, width)``: those rows of a step of a buffer of shape
        (steps, rows, width * numbers[2]), as an array.
    vector, wide : callable
        ``vector(numbers, buffer)``: a buffer of shape (numbers[2],); ``wide(numbers, buffer, width)`` one of shape
        (width * numbers[2],).
    tanh, sigmoid : callable
    one : numpy scalar
        1 in this precision.
    """

    options: dict[str, Any]
    loop: Callable[..., Any]
    rows_of: Any
    part: Any
    vector: Any
    wide: Any
    tanh: Any
    sigmoid: Any
    one: Any


@cache
def cell_loops(cell: str, dtype: torch.dtype) -> dict[str, Any]:
    """Compile the loops of a cell; takes some two seconds, once a process.

    numba would keep what it compiled on the disk as a pickle, which whoever can write there could make run code.

    Parameters
    ----------
    cell : {'gru', 'lstm', 'rnn'}
    dtype : torch.float32 or torch.float64
    """
    from longsong.model.fused.gru_loops import gru_loops
    from longsong.model.fused.lstm_loops import lstm_loops
    from longsong.model.fused.rnn_loops import rnn_loops

    return {"gru": gru_loops, "lstm": lstm_loops, "rnn": rnn_loops}[cell](make_kit(dtype))


@cache
def make_kit(dtype: torch.dtype) -> Kit:
    """Make the kit of a precision; see `longsong.model.fused.openmp.compiled_available` first."""
    from numba import carray, cfunc, njit, types

    _allow_memory_checks()
    library = openmp()
    if library is None:
        raise RuntimeError("there is no OpenMP runtime to run compiled loops on")
    number, members = library.omp_get_thread_num, library.omp_get_num_threads
    real = types.float32 if dtype == torch.float32 else types.float64
    scalar: Any = np.float32 if dtype == torch.float32 else np.float64
    pointer, size = _pointer(types.CPointer(real)), dtype.itemsize
    options: dict[str, Any] = {"fastmath": {"contract"}, "error_model": "numpy"}
    # LLVM by itself puts the long polynomial of float64 into a loop too late for making many at once.
    in_loops = options | {"forceinline": dtype == torch.float64}
    tanh = njit(**in_loops)(make_tanh(dtype))

    sigmoid = make_sigmoid(dtype, njit, in_loops)

    @njit
    def rows_of(numbers):  # type: ignore[no-untyped-def]
        share, shares = number(), members()
        return numbers[1] * share // shares, numbers[1] * (share + 1) // shares

    @njit
    def part(numbers, buffer, step, first, stop, width):  # type: ignore[no-untyped-def]
        length = width * numbers[2]
        at = numbers[3 + buffer] + size * length * (step * numbers[1] + first)
        return carray(pointer(at), (stop - first, length))

    @njit
    def vector(numbers, buffer):  # type: ignore[no-untyped-def]
        return carray(pointer(numbers[3 + buffer]), numbers[2])

    @njit
    def wide(numbers, buffer, width):  # type: ignore[no-untyped-def]
        return carray(pointer(numbers[3 + buffer]), width * numbers[2])

    loop = cfunc(types.void(types.CPointer(types.int64)), **options)
    return Kit(options, loop, rows_of, part, vector, wide, tanh, sigmoid, scalar(1))


@cache
def _allow_memory_checks() -> None:
    """Have LLVM vectorise loops over more than a few arrays."""
    from llvmlite import binding

    binding.set_option("longsong", f"--runtime-memory-check-threshold={_MEMORY_CHECKS}")


def _pointer(kind: Any) -> Any:
    """Make what numba has no word for: a pointer from an address."""
    from numba import types
    from numba.extending import intrinsic

    @intrinsic  # type: ignore[untyped-decorator]
    def pointer(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(kind))

        return kind(types.int64), generate

    return pointer
