"""In what pieces a kernel computes, and weights laid out for them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from longsong.errors import ConfigError
from longsong.model.kernels.availability import interpreted

__all__ = ["ROWS", "LaidOut", "Tiles", "constants_of", "operands_of", "padded", "programs", "tiles_of"]

ROWS = 16
"""Rows of a mini-batch that a program computes from the first step to the last: the least that tensor cores take."""

_MOST_COLUMNS, _MOST_COLUMNS_FLOAT32, _LEAST_COLUMNS = 256, 128, 16
_INNER = 32
_STAGES = 5
_MOST_OF_A_STEP = (1 << 31) - 1

_SHARED = 227 << 10
"""Bytes of shared memory that a program may have on an H100, which is thought of where there is no device."""
_SCRATCH = 24 << 10
"""Of them, what numbers take that change hands between threads."""


@dataclass(frozen=True)
class Tiles:
    """The pieces of the products of a step, with matrices of (hidden, hidden) weights.

    Attributes
    ----------
    side : int
        Rows and columns of a matrix as it is laid out, padded to whole pieces.
    inner : int
        Rows that are multiplied, padded to whole pieces.
    block_inner, block_columns : int
        Of a piece.
    kept : int
        How many matrices, of those that are multiplied first, are in shared memory from the first step to the last,
        each in one piece.
    stages : int
        Of the others, pieces of weights: that which is multiplied, and those on their way.
    options : mapping
        Triton's own: how many warps compute a piece, and that a product and a sum may be contracted.
    """

    side: int
    inner: int
    block_inner: int
    block_columns: int
    kept: int
    stages: int
    options: Mapping[str, int | bool]


def tiles_of(
    hidden: int,
    matrices: int,
    device: torch.device,
    operands: torch.dtype,
    *,
    together: int = 1,
    most: int | None = None,
) -> Tiles:
    """Choose the pieces of the products of a step.

    Matrices that fit stay, those in bfloat16 that is; in float32 they are too large where it would be worth it. Of
    others wide pieces are few, and each begins with a wait for its first weights; of them so many numbers stand in
    registers, and so many weights in shared memory, as the device has room for (`python -m benchmarks.compiled`).
    Pieces depend on the network and the device, never on rows or steps: a short last mini-batch is computed by the
    same kernel.

    Parameters
    ----------
    hidden, matrices : int
    device : torch.device
        That is no CUDA device: an H100 is thought of.
    operands : torch.dtype
    together : int
        Matrices of which the same columns are multiplied at once.
    most : int
        Columns of a piece, of those together, where not all matrices stay; None for as many as registers hold.
    """
    side = max(_LEAST_COLUMNS, _power_of_2(hidden))
    if most is None:
        most = _MOST_COLUMNS if operands == torch.bfloat16 or together > 1 else _MOST_COLUMNS_FLOAT32
    block, block_inner = min(most // together, side), min(_INNER, side)
    free = _shared_memory(device) - _SCRATCH
    piece = block_inner * (block * together + ROWS) * operands.itemsize
    kept = 0
    if operands == torch.bfloat16 and side <= _MOST_COLUMNS:
        size = side * side * operands.itemsize
        # All of them, or as many as leave the others what is on its way.
        kept = matrices if matrices * size <= free else max(0, (free - (_STAGES - 1) * piece) // size)
        if kept < matrices and block < side:
            kept = 0
    if kept == matrices:
        block = side
    stages = 1 + max(1, min(_STAGES - 1, (free - kept * side * side * operands.itemsize) // piece))
    warps = 4 if block * together <= 64 else 16 if block > 128 else 8
    options = {"num_warps": warps, "enable_fp_fusion": True}
    return Tiles(_whole(hidden, block), _whole(hidden, block_inner), block_inner, block, kept, stages, options)


def _shared_memory(device: torch.device) -> int:
    """Give the bytes of shared memory that a program may have."""
    if device.type != "cuda":
        return _SHARED
    # Devices of other makers do not say.
    return int(getattr(torch.cuda.get_device_properties(device), "shared_memory_per_block_optin", 48 << 10))


LaidOut = dict[Hashable, Tensor]
"""Weights as kernels take them, by what they were made of; thrown away when that changes."""


def padded(weights: Tensor, side: int, dtype: torch.dtype, laid_out: LaidOut, *, transposed: bool = False) -> Tensor:
    """Give a copy of matrices in a type of operands, with zeros behind rows and columns.

    What is multiplied with a zero has to be finite to be nothing; kernels read zeros there. The copy begins where
    memory is aligned, too.

    Parameters
    ----------
    weights : Tensor, shape (hidden, matrices * hidden)
    side : int
    dtype : dtype
    laid_out : dict
        Where the copy is looked for first, and kept.
    transposed : bool
        Each matrix by itself.

    Returns
    -------
    Tensor, shape (matrices, side, side)
    """
    key = (weights.data_ptr(), weights.shape, side, transposed)
    if key not in laid_out:
        hidden = len(weights)
        # (matrix, row, column); a column of weights is one of a matrix.
        there = (
            weights.unflatten(1, (-1, hidden)).permute(1, 2, 0)
            if transposed
            else (weights.unflatten(1, (-1, hidden)).permute(1, 0, 2))
        )
        make = torch.empty if side == hidden else torch.zeros
        out = make(len(there), side, side, device=weights.device, dtype=dtype)
        out[:, :hidden, :hidden].copy_(there)
        laid_out[key] = out
    return laid_out[key]


def operands_of(rows: int, planes: int, side: int, like: Tensor, dtype: torch.dtype) -> Tensor:
    """Give memory for what programs multiply, of shape (programs, planes, ROWS, side)."""
    return like.new_empty(-(-rows // ROWS), planes, ROWS, side, dtype=dtype)


def constants_of(tiles: Tiles, operands: torch.dtype) -> dict[str, Any]:
    """Give what a kernel is compiled for, by the names that all of them have, and Triton's own options."""
    return {
        "SIDE": tiles.side,
        "INNER": tiles.inner,
        "ROWS": ROWS,
        "BLOCK_INNER": tiles.block_inner,
        "BLOCK": tiles.block_columns,
        "KEPT": tiles.kept,
        "STAGES": tiles.stages,
        "PRECISION": _precision_of(operands),
        **tiles.options,
    }


def _precision_of(dtype: torch.dtype) -> str:
    """Give how operands of a type are multiplied: float32 as torch does it, with TF32 where that is allowed.

    Triton's interpreter takes bfloat16 numbers for integers; there they are made float32 numbers again.
    """
    if dtype == torch.bfloat16:
        return "widened" if interpreted() else "ieee"
    return "ieee" if torch.get_float32_matmul_precision() == "highest" else "tf32"


def programs(rows: int, widest: int) -> tuple[int]:
    """Give the grid of a kernel: programs that share nothing, each with `ROWS` rows.

    Raises
    ------
    ConfigError
        A step has more numbers than offsets of 32 bits reach; those of steps have 64.
    """
    if (rows + ROWS) * widest > _MOST_OF_A_STEP:
        raise ConfigError(
            f"{rows:,} rows of {widest:,} numbers are more than a kernel takes at once; give --micro-batch"
        )
    return (-(-rows // ROWS),)


def _power_of_2(number: int) -> int:
    return 1 << (number - 1).bit_length()


def _whole(number: int, block: int) -> int:
    return -(-number // block) * block
