"""Whether kernels can be had here."""

from __future__ import annotations

import os
from functools import cache

import torch

__all__ = ["interpreted", "kernels_available"]


def interpreted() -> bool:
    """Say whether Triton interprets kernels, on the CPU: how their logic is tested where there is no device."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def kernels_available(device: torch.device, dtype: torch.dtype) -> str | None:
    """Say why there are no kernels for a device and a type of states; None where there are.

    Parameters
    ----------
    device : device
    dtype : dtype
        Of parameters and states: kernels compute in float32, with operands of products in that or in bfloat16.
    """
    if dtype != torch.float32:
        return f"kernels have states in float32, not in {str(dtype).removeprefix('torch.')}"
    if device.type != "cuda" and not interpreted():
        return f"kernels are for CUDA devices, not for {device.type}"
    return _lacking((device.index or 0) if device.type == "cuda" else None)


@cache
def _lacking(index: int | None) -> str | None:
    """Say why Triton does not work on a CUDA device, or in its interpreter where no index is given."""
    try:
        from longsong.model.kernels.probe import add_one
    except ImportError as error:
        return f"Triton is not here ({error})"
    try:
        numbers = torch.zeros(16, device="cpu" if index is None else torch.device("cuda", index))
        add_one(numbers)
    except Exception as error:  # whatever compilers, drivers and their loaders raise: it is said, and done without
        first = (str(error).splitlines() or [""])[0]
        return f"Triton does not work here ({type(error).__name__}: {first})"
    return None if bool((numbers == 1).all()) else "Triton computes 0 + 1 wrongly here"
