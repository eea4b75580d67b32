"""In what pieces a kernel computes, and weights laid out for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from longsong.errors import ConfigError
from longsong.model.kernels.availability import interpreted

__all__ = ["ROWS", "Tiles", "padded", "padded_apart", "precision_of", "programs", "tiles_of"]

ROWS = 16
"""Rows of a mini-batch that a program computes from the first step to the last: the least that tensor cores take."""

_MOST_COLUMNS, _LEAST_COLUMNS = 256, 16
_INNER = 32
_STAGES = 5
_MOST_OF_A_STEP = (1 << 31) - 1


@dataclass(frozen=True)
class Tiles:
    """The pieces of a product.

    Attributes
    ----------
    inner, columns : int
        The size of the product, padded to whole pieces.
    block_inner, block_columns : int
        Of a piece.
    stages : int
        Pieces of weights: that which is multiplied, and those on their way.
    options : mapping
        Triton's own: how many warps compute a piece, and that a product and a sum may be contracted.
    """

    inner: int
    columns: int
    block_inner: int
    block_columns: int
    stages: int
    options: Mapping[str, int | bool]


def tiles_of(inner: int, columns: int, *, together: int = 1) -> Tiles:
    """Choose the pieces of a product of `inner` summands and `columns` columns.

    Wide pieces are few, and each begins with a wait for its first weights; of them so many numbers stand in registers,
    and so many weights in shared memory, as an H100 has room for (`python -m benchmarks.cuda --part compiled`). They
    depend on the network alone, never on rows or steps: a short last mini-batch is computed by the same kernel.

    Parameters
    ----------
    inner, columns : int
    together : int
        Products of that many columns that are made side by side.
    """
    block = min(_MOST_COLUMNS // together, max(_LEAST_COLUMNS, _power_of_2(columns)))
    block_inner = min(_INNER, max(16, _power_of_2(inner)))
    options = {"num_warps": 8 if block * together > 64 else 4, "enable_fp_fusion": True}
    return Tiles(_whole(inner, block_inner), _whole(columns, block), block_inner, block, _STAGES, options)


def padded(weights: Tensor, inner: int, columns: int, dtype: torch.dtype) -> Tensor:
    """Give a copy of weights, shape (inner, columns), in a type of operands, with zeros behind rows and columns.

    What is multiplied with a zero has to be finite to be nothing; kernels read zeros there.
    """
    out = torch.zeros(inner, columns, device=weights.device, dtype=dtype)
    out[: weights.shape[0], : weights.shape[1]].copy_(weights)
    return out


def padded_apart(weights: Tensor, inner: int, columns: int, parts: int, dtype: torch.dtype) -> Tensor:
    """Give a copy of weights of several gates, shape (inner, parts * columns of each), each gate padded by itself."""
    each = [padded(part, inner, columns, dtype) for part in weights.chunk(parts, dim=1)]
    return torch.cat(each, dim=1)


def precision_of(dtype: torch.dtype) -> str:
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
