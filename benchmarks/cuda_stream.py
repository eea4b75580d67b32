"""How fast one program of a device reads weights that are in its L2 cache: what is not kept on the chip comes so."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from benchmarks.cuda_clock import Clock
from longsong.config import Precision
from longsong.model.fused import products_of
from longsong.model.kernels.tiles import tiles_of

__all__ = ["l2_bytes_per_second", "streamed_bytes"]

_MATRICES = 3
_BYTES, _BLOCK, _TIMES, _PROGRAMS = 256 << 10, 8192, 1000, 8
"""Of weights, of a piece; how often all of them are read, by as many programs as a mini-batch of 128 rows has."""
_OPTIONS = {"num_warps": 8, "enable_fp_fusion": True}


def l2_bytes_per_second(clock: Clock) -> float:
    """Measure what each of a few programs reads in a second, all of them the same weights, again and again."""
    source = torch.zeros(_BYTES // 4, device=clock.device)
    sums = torch.empty(_PROGRAMS, _BLOCK // 4, device=clock.device)

    def work() -> None:
        _read[(_PROGRAMS,)](source, sums, _TIMES, SIZE=_BYTES // 4, BLOCK=_BLOCK // 4, **_OPTIONS)

    return _TIMES * _BYTES / clock.seconds([work], 5)


def streamed_bytes(hidden: int, precision: Precision, device: torch.device) -> int:
    """Give the bytes of a GRU's weights that are not kept, of one step there and back."""
    operands = products_of(precision).operands
    kept = tiles_of(hidden, _MATRICES, device, operands).kept
    return 2 * (_MATRICES - kept) * hidden * hidden * operands.itemsize


@triton.jit
def _read(source, sums, times, SIZE: tl.constexpr, BLOCK: tl.constexpr):
    place = tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), tl.float32)
    for _ in range(times):
        for first in range(0, SIZE, BLOCK):
            total += tl.load(source + first + place, cache_modifier=".cg")  # not by way of the L1 cache
        tl.debug_barrier()
    tl.store(sums + tl.program_id(0) * BLOCK + place, total)
