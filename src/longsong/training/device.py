"""Where and how finely a run is computed."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

from longsong.config import Device, Precision
from longsong.errors import ConfigError, DeviceError

__all__ = ["DTYPES", "available_threads", "device_name", "find_device", "require_precision"]

DTYPES: dict[Precision, torch.dtype] = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.float32,  # of products the operands alone are of bfloat16
    "tf32": torch.float32,
}
"""What parameters, states and costs are kept in."""


def find_device(name: Device) -> torch.device:
    """Give the device of that name; ``auto`` takes CUDA where there is one.

    Raises
    ------
    DeviceError
        CUDA is asked for and not there.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            f"device 'cuda' is not there: torch {torch.__version__} finds no CUDA device; "
            "use --device cpu, or install a CUDA build of torch"
        )
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def require_precision(precision: Precision, device: torch.device) -> None:
    """Raise unless a device computes in that precision.

    Raises
    ------
    ConfigError
        TF32 is asked for elsewhere than on CUDA.
    """
    if precision == "tf32" and device.type != "cuda":
        raise ConfigError(f"precision tf32 is of CUDA devices, not of {device.type}; take float32, or bfloat16")


def device_name(device: torch.device) -> str:
    """Give the device's name as its maker says it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def available_threads() -> int:
    """Give the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
