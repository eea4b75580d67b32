"""Work of layers that may go on at the same time: streams of a device, which wait for each other where they must."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch

__all__ = ["CudaLanes", "InTurn", "Lanes"]


class Lanes(Protocol):
    """One lane a layer. What is enqueued in a lane is done in its order; lanes know of each other by tickets."""

    def begin(self) -> None:
        """Have all lanes wait for what was enqueued before, outside of them."""

    def on(self, lane: int, after: Any) -> Any:
        """Give a context that enqueues in a lane, behind what a ticket was given for; None for no ticket."""

    def ticket(self, lane: int) -> Any:
        """Give a ticket for what is enqueued in a lane so far."""

    def end(self) -> None:
        """Have what is enqueued from now on, outside of the lanes, wait for all of them."""


class InTurn:
    """No lanes: all is done in the order in which it is asked for."""

    def begin(self) -> None:
        """Do nothing."""

    @contextmanager
    def on(self, lane: int, after: None) -> Iterator[None]:
        """Do nothing."""
        yield

    def ticket(self, lane: int) -> None:
        """Give no ticket."""

    def end(self) -> None:
        """Do nothing."""


class CudaLanes:
    """Streams of a CUDA device beside the current one; a CUDA graph that is being captured takes them in.

    Parameters
    ----------
    device : torch.device
    lanes : int
    """

    def __init__(self, device: torch.device, lanes: int) -> None:
        self._device, self._lanes = device, lanes
        self._streams: list[torch.cuda.Stream] = []

    def begin(self) -> None:
        """Have all lanes wait for the current stream."""
        if not self._streams:  # now, and not before: what a run takes is computed where there is no device, too
            self._streams = [torch.cuda.Stream(self._device) for _ in range(self._lanes)]  # type: ignore[no-untyped-call]
        current = torch.cuda.current_stream(self._device)
        for stream in self._streams:
            stream.wait_stream(current)

    @contextmanager
    def on(self, lane: int, after: torch.cuda.Event | None) -> Iterator[None]:
        """Make a lane's stream the current one."""
        if after is not None:
            self._streams[lane].wait_event(after)
        with torch.cuda.stream(self._streams[lane]):
            yield

    def ticket(self, lane: int) -> torch.cuda.Event:
        """Give an event of a lane's stream."""
        event: torch.cuda.Event = self._streams[lane].record_event()
        return event

    def end(self) -> None:
        """Have the current stream wait for all lanes."""
        current = torch.cuda.current_stream(self._device)
        for stream in self._streams:
            current.wait_stream(stream)
