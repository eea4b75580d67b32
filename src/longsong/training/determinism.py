"""The same bytes each time on a CUDA device."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from longsong.config import ExecutionConfig

__all__ = ["determined"]


@contextmanager
def determined(execution: ExecutionConfig) -> Iterator[None]:
    """Have torch take no operation in this block that gives other bits another time, if that is asked for on CUDA.

    The kernels here add up in one order always. What is left to choose is cuBLAS's: with two streams it may give them
    other workspaces, and take another order of sums (NVIDIA, "cuBLAS", results reproducibility); so layers do not go on
    side by side (`longsong.training.forms`), and its workspace is fixed. An operation of torch that has no such way is
    an error, not a surprise (PyTorch, "Reproducibility").
    """
    if not execution.deterministic or execution.device != "cuda":
        yield
        return
    before, warned = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    fills, memory.fill_uninitialized_memory = memory.fill_uninitialized_memory, False  # what is read is written before
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)
        memory.fill_uninitialized_memory = fills
