"""Time on a device: by its own events, medians, inputs rotated; and what the device can do at best."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle, islice
from typing import Any, cast

import torch

from longsong.config import Device, choice
from longsong.errors import LongsongError
from longsong.training.device import find_device

__all__ = ["Clock", "device_here", "floors"]

_BYTES = 1 << 29
_SIDE = 8192


def device_here(name: str) -> torch.device:
    """Read the device of a command line: auto, cpu or cuda, if it is there."""
    try:
        choice("device", name, Device)
        return find_device(cast("Device", name))
    except LongsongError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


class Clock:
    """Seconds of work on a device, by CUDA events; on a CPU, for trying things out, by the host's clock."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def wait(self) -> None:
        """Wait until the device has nothing to do."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, works: Sequence[Callable[[], Any]], rounds: int, *, warm: int = 2) -> float:
        """Give the median of the seconds that works take, which are done in turns.

        Parameters
        ----------
        works : sequence of callable
            The same work on other inputs, so that none is found in a cache by itself.
        rounds : int
            How often any is timed.
        warm : int
            How often each is done before that: memory is taken, libraries begin, graphs are captured.
        """
        for work in works:
            for _ in range(warm):
                work()
        self.wait()
        return statistics.median(self._once(work) for work in islice(cycle(works), rounds))

    def _once(self, work: Callable[[], Any]) -> float:
        if self.device.type != "cuda":
            begun = time.perf_counter()
            work()
            return time.perf_counter() - begun
        began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        began.record()
        work()
        ended.record()
        ended.synchronize()
        return float(began.elapsed_time(ended)) / 1000


def floors(clock: Clock, *, quick: bool) -> dict[str, float]:
    """Measure what the device can do: bytes a second, and operations a second of large products.

    Returns
    -------
    dict of str to float
        ``bytes_per_second`` (read and written, of a copy), ``float32``, ``tf32``, ``bfloat16``: operations a second.
    """
    device = clock.device
    size, side = (_BYTES >> 8, 256) if quick and device.type == "cpu" else (_BYTES, _SIDE)
    source, target = (torch.empty(size, dtype=torch.uint8, device=device) for _ in range(2))
    found = {"bytes_per_second": 2 * size / clock.seconds([partial(target.copy_, source)], 10)}
    del source, target
    for name, dtype, precision in (
        ("float32", torch.float32, "highest"),
        ("tf32", torch.float32, "high"),
        ("bfloat16", torch.bfloat16, "highest"),
    ):
        a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision(precision)
        try:
            found[name] = 2 * side**3 / clock.seconds([partial(torch.mm, a, b)], 10)
        finally:
            torch.set_float32_matmul_precision(before)
    return found
