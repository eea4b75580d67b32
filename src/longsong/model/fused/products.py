"""Matrix products into memory that is there already, in the precision that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from longsong.config import Precision

__all__ = ["Bfloat16Products", "Products", "TensorFloat32Products", "has_bfloat16", "products_of"]


_LEAST_INNER, _LEAST_WORK = 33, 1 << 20
"""Columns of the first operand, and multiplications, from which on oneDNN takes bfloat16 instructions. On smaller
products it quietly computes in float32: in 2026 with up to 16 columns, or up to some 65,536 multiplications."""


class Products:
    """Products in the precision of their operands.

    Attributes
    ----------
    operands : torch.dtype
        What a kernel rounds them to (`longsong.model.kernels`).
    """

    operands: ClassVar[torch.dtype] = torch.float32

    def operand(self, a: Tensor) -> Tensor:
        """Give numbers as products take them: made once, where several products take the same."""
        return a

    def multiply(self, a: Tensor, b: Tensor, out: Tensor) -> None:
        """Write ``a b`` to `out`."""
        torch.mm(a, b, out=out)

    def add(self, a: Tensor, b: Tensor, out: Tensor) -> None:
        """Add ``a b`` to `out`."""
        torch.addmm(out, a, b, out=out)

    def affine(self, a: Tensor, b: Tensor, bias: Tensor, out: Tensor) -> None:
        """Write ``a b + bias`` to `out`; `bias`, of shape (columns,), is that of each row."""
        torch.addmm(bias, a, b, out=out)

    def active(self) -> AbstractContextManager[None]:
        """Give the context that products are made in: float32 is float32, whatever else torch is allowed to take."""
        return _float32_products("highest")


class TensorFloat32Products(Products):
    """Products of float32 numbers of which CUDA's tensor cores take 10 bits behind the leading one; float32 sums.

    On other devices they are those of `Products`. Source: NVIDIA, "A100 Tensor Core GPU architecture".
    """

    def active(self) -> AbstractContextManager[None]:
        """Give the context in which cuBLAS, and kernels (`longsong.model.kernels.tiles.precision_of`), take them."""
        return _float32_products("high")


class Bfloat16Products(Products):
    """Products of float32 numbers that are rounded to bfloat16 first; their sums are float32.

    On a CPU oneDNN makes them where the processor has instructions for it (`has_bfloat16`) and the product is large; on
    CUDA cuBLAS does. Elsewhere operands are rounded here and multiplied as float32: that gives the same products, since
    those of two bfloat16 numbers are float32 numbers, and takes longer than float32 itself (``docs/decisions/011``).

    Parameters
    ----------
    native : bool or None
        Leave the rounding of operands on the CPU to oneDNN; None where the processor has the instructions.
    """

    operands: ClassVar[torch.dtype] = torch.bfloat16

    def __init__(self, native: bool | None = None) -> None:
        self.native = has_bfloat16() if native is None else native

    def operand(self, a: Tensor) -> Tensor:
        """Give numbers in bfloat16, C-contiguous, where products are made of them as they are; else as they were."""
        return a.to(torch.bfloat16, memory_format=torch.contiguous_format) if _on_tensor_cores(a) else a

    def multiply(self, a: Tensor, b: Tensor, out: Tensor) -> None:
        """Write ``a b`` to `out`."""
        if _on_tensor_cores(a):
            torch.mm(*_halves(a, b), torch.float32, out=out)
        else:
            torch.mm(*self._operands(a, b), out=out)

    def add(self, a: Tensor, b: Tensor, out: Tensor) -> None:
        """Add ``a b`` to `out`."""
        self.affine(a, b, out, out)

    def affine(self, a: Tensor, b: Tensor, bias: Tensor, out: Tensor) -> None:
        """Write ``a b + bias`` to `out`."""
        if _on_tensor_cores(a):
            _add_halves(bias, *_halves(a, b), out)
        else:
            torch.addmm(bias, *self._operands(a, b), out=out)

    def active(self) -> AbstractContextManager[None]:
        """Give the context in which oneDNN takes float32 operands as bfloat16."""
        return _float32_products("medium" if self.native else "highest")

    def _operands(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        inner, work = a.shape[1], a.numel() * b.shape[1]
        # oneDNN has no part in products elsewhere.
        if self.native and a.device.type == "cpu" and inner >= _LEAST_INNER and work >= _LEAST_WORK:
            return a, b
        first, second = _halves(a, b)
        return first.to(a.dtype), second.to(b.dtype)


def _halves(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    return a.to(torch.bfloat16), b.to(torch.bfloat16)


def _on_tensor_cores(a: Tensor) -> bool:
    """Say whether torch multiplies bfloat16 operands into float32 sums on the device of an operand."""
    return a.device.type == "cuda" and _sums_are_float32(a.device.index or 0)


def _add_halves(summand: Tensor, a: Tensor, b: Tensor, out: Tensor) -> None:
    """Write ``summand + a b`` to `out`, which may be `summand`, of bfloat16 operands on CUDA."""
    if _adds_to_float32(a.device.index or 0):
        torch.addmm(summand, a, b, torch.float32, out=out)
    else:
        torch.add(summand, torch.mm(a, b, torch.float32), out=out)


@cache
def _sums_are_float32(index: int) -> bool:
    """Say so of a CUDA device, by a product of 1 + 2^-7 with itself: bfloat16 has no room for its 2^-14.

    torch has such products since 2.8, and they are new enough to be looked at before they are believed.
    """
    a, sought = _probe(index)
    try:
        return bool((torch.mm(a, a, torch.float32, out=torch.empty_like(sought)) == sought).all())
    except (RuntimeError, TypeError):
        return False


@cache
def _adds_to_float32(index: int) -> bool:
    """Say whether torch adds such products to float32 numbers: since 2.10 (pull request 167931)."""
    a, sought = _probe(index)
    out = sought.clone()
    try:
        right = bool((torch.addmm(out, a, a, torch.float32, out=out) == 2 * sought).all())
        bias = torch.ones_like(sought[0])
        return right and bool((torch.addmm(bias, a, a, torch.float32, out=out) == sought + 1).all())
    except (RuntimeError, TypeError):
        return False


def _probe(index: int) -> tuple[Tensor, Tensor]:
    """Give a matrix, and its square."""
    device = torch.device("cuda", index)
    a = torch.full((16, 16), 1 + 2**-7, device=device, dtype=torch.bfloat16)
    return a, torch.full((16, 16), 16 * (1 + 2**-7) ** 2, device=device)


def products_of(precision: Precision) -> Products:
    """Give how matrices are multiplied in a precision."""
    if precision == "bfloat16":
        return Bfloat16Products()
    return TensorFloat32Products() if precision == "tf32" else Products()


@contextmanager
def _float32_products(precision: str) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@cache
def has_bfloat16() -> bool:
    """Say whether this processor multiplies bfloat16 numbers into float32 sums by instructions of its own."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return False
    flags = set(cpuinfo.read_text(encoding="utf-8", errors="replace").split())
    with_onednn: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return with_onednn and bool(flags & {"amx_bf16", "avx512_bf16", "bf16"})
