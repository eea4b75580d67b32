"""torch's products of bfloat16 operands with float32 sums, as CUDA has them, on the CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from longsong.model.fused import products


def emulate_tensor_cores(monkeypatch: Any) -> None:
    """Have products take the way of a CUDA device for the rest of a test."""
    mm, addmm = torch.mm, torch.addmm

    def emulated_mm(a: Tensor, b: Tensor, dtype: torch.dtype | None = None, **named: Any) -> Tensor:
        if dtype is None:
            return mm(a, b, **named)
        assert (a.dtype, b.dtype, dtype) == (torch.bfloat16, torch.bfloat16, torch.float32)
        return mm(a.float(), b.float(), **named)

    def emulated_addmm(c: Tensor, a: Tensor, b: Tensor, dtype: torch.dtype | None = None, **named: Any) -> Tensor:
        if dtype is None:
            return addmm(c, a, b, **named)
        assert (a.dtype, b.dtype, c.dtype) == (torch.bfloat16, torch.bfloat16, torch.float32)
        return addmm(c, a.float(), b.float(), **named)

    monkeypatch.setattr(torch, "mm", emulated_mm)
    monkeypatch.setattr(torch, "addmm", emulated_addmm)
    monkeypatch.setattr(products, "_on_tensor_cores", lambda a: True)
    monkeypatch.setattr(products, "_adds_to_float32", lambda index: True)
