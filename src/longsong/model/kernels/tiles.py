"""In what pieces a kernel computes, and weights laid out for them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from longsong.errors import ConfigError
from longsong.model.kernels.availability import interpreted

__all__ = ["ROWS", "LaidOut", "Room", "Tiles", "padded", "precision_of", "programs"]

ROWS = 16
"""Rows of a mini-batch that a program computes from the first step to the last: the least that tensor cores take."""

_MOST_COLUMNS, _LEAST_COLUMNS = 256, 16
_INNER, _MOST_INNER = 32, 256
_STAGES = 5
_MOST_OF_A_STEP = (1 << 31) - 1

_SHARED = 227 << 10
"""Bytes of shared memory that a program may have on an H100, which is thought of where there is no device."""
_SCRATCH = 24 << 10
"""Of them, what numbers take that change hands between threads."""


@dataclass(frozen=True)
class Tiles:
    """The pieces of a product.

    Attributes
    ----------
    inner, columns : int
        The size of the product, padded to whole pieces.
    block_inner, block_columns : int
        Of a piece.
    kept : bool
        The weights are one piece, which is in shared memory from the first step to the last.
    stages : int
        Where they are not, pieces of weights: that which is multiplied, and those on their way.
    options : mapping
        Triton's own: how many warps compute a piece, and that a product and a sum may be contracted.
    """

    inner: int
    columns: int
    block_inner: int
    block_columns: int
    kept: bool
    stages: int
    options: Mapping[str, int | bool]


class Room:
    """The shared memory of a program, and what of it weights have not taken yet.

    Parameters
    ----------
    device : torch.device
        That is no CUDA device: an H100 is thought of.
    operands : torch.dtype
        Of them those in bfloat16 may be kept; weights in float32 are too large where it would be worth it.
    """

    def __init__(self, device: torch.device, operands: torch.dtype) -> None:
        shared = _SHARED
        if device.type == "cuda":
            # Devices of other makers do not say.
            shared = getattr(torch.cuda.get_device_properties(device), "shared_memory_per_block_optin", 48 << 10)
        self._free, self._item = shared - _SCRATCH, operands.itemsize
        on_their_way = (_STAGES - 1) * self._piece(_INNER, _MOST_COLUMNS)
        self._to_keep = self._free - on_their_way if operands == torch.bfloat16 else 0

    def tiles_of(self, inner: int, columns: int, *, parts: int = 1, most: int = _MOST_COLUMNS) -> Tiles:
        """Choose the pieces of a product of `inner` summands and `columns` columns; who asks first may keep first.

        Weights that fit stay. Of others wide pieces are few, and each begins with a wait for its first weights; of them
        so many numbers stand in registers, and so many weights in shared memory, as an H100 has room for
        (`python -m benchmarks.compiled`). Pieces depend on the network and the device, never on rows or steps: a short
        last mini-batch is computed by the same kernel.

        Parameters
        ----------
        inner, columns : int
        parts : int
            Products of that size that are made side by side.
        most : int
            Columns of a piece of all of them, where weights do not stay.
        """
        all_inner, all_columns = (max(_LEAST_COLUMNS, _power_of_2(size)) for size in (inner, columns))
        size = all_inner * all_columns * parts * self._item
        if size <= self._to_keep and all_inner <= _MOST_INNER and all_columns <= _MOST_COLUMNS:
            self._to_keep -= size
            self._free -= size
            return Tiles(all_inner, all_columns, all_inner, all_columns, True, 1, _options(all_columns * parts))
        block_inner, block = min(_INNER, all_inner), min(most // parts, all_columns)
        stages = 1 + max(1, min(_STAGES - 1, self._free // self._piece(block_inner, block * parts)))
        whole = _whole(inner, block_inner), _whole(columns, block)
        return Tiles(*whole, block_inner, block, False, stages, _options(block * parts))

    def _piece(self, inner: int, columns: int) -> int:
        """Give the bytes of a piece of weights, and of the numbers that they are multiplied with."""
        return inner * (columns * self._item + ROWS * torch.float32.itemsize)


def _options(columns: int) -> dict[str, int | bool]:
    return {"num_warps": 8 if columns > 64 else 4, "enable_fp_fusion": True}


LaidOut = dict[Hashable, Tensor]
"""Weights as kernels take them, by what they were made of; thrown away when that changes."""


def padded(
    weights: Tensor, inner: int, columns: int, dtype: torch.dtype, laid_out: LaidOut, *, parts: int = 1
) -> Tensor:
    """Give a copy of weights in a type of operands, with zeros behind rows and columns.

    What is multiplied with a zero has to be finite to be nothing; kernels read zeros there. The copy begins where
    memory is aligned, too.

    Parameters
    ----------
    weights : Tensor, shape (inner or less, parts times columns or less)
        Of several gates, whose columns are padded each by itself.
    inner, columns : int
    dtype : dtype
    laid_out : dict
        Where the copy is looked for first, and kept.
    parts : int
    """
    key = (weights.data_ptr(), weights.stride(), inner, columns)
    if key not in laid_out:
        there = weights.unflatten(1, (parts, -1))
        whole = there.shape == (inner, parts, columns)
        make = torch.empty if whole else torch.zeros
        out = make(inner, parts, columns, device=weights.device, dtype=dtype)
        out[: there.shape[0], :, : there.shape[2]].copy_(there)
        laid_out[key] = out.view(inner, -1)
    return laid_out[key]


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
