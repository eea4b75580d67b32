"""Work that is done again and again on the same memory: on CUDA a captured graph, launched at once."""

from __future__ import annotations

from collections.abc import Callable

import torch

__all__ = ["Repeated", "capture"]

Work = Callable[[], object]


def capture(work: Work) -> Work:
    """Give what does `work` again as one launch of a captured CUDA graph; the work is not done by capturing it.

    Parameters
    ----------
    work : callable
        Neither waits for the device nor depends on numbers that are there, and has been done once before.

    Source: PyTorch, "CUDA semantics", CUDA Graphs.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


class Repeated:
    """Work of many small kernels, which take longer to launch, one by one, than to run.

    On CUDA it is done as it is the first time (libraries begin then), captured, and launched as one from then on; on
    other devices it is done as it is.

    Parameters
    ----------
    work : callable
        As for `capture`.
    device : torch.device
    capture : callable, optional
        From work to what does it again.
    """

    def __init__(self, work: Work, device: torch.device, capture: Callable[[Work], Work] = capture) -> None:
        self._work = work
        self._capture = capture if device.type == "cuda" else None
        self._begun = False

    def __call__(self) -> None:
        """Do the work."""
        if self._begun and self._capture is not None:
            self._work, self._capture = self._capture(self._work), None
        self._work()
        self._begun = True
