"""Work that is done again and again on the same memory: on CUDA a captured graph, launched at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable

import torch

__all__ = ["Repeated", "capture"]

Work = Callable[[], object]


def _warn(line: str) -> None:
    warnings.warn(line, RuntimeWarning, stacklevel=3)


def capture(work: Work) -> Work:
    """Give what does `work` again as one launch of a captured CUDA graph; the work is not done by capturing it.

    Parameters
    ----------
    work : callable
        Neither waits for the device nor depends on numbers that are there, and has been done once before.

    Source: PyTorch, "CUDA semantics", CUDA Graphs.
    """
    graph = torch.cuda.CUDAGraph()
    # On the stream that is in use, unless that is the default one, which cannot be captured: work of several streams
    # that was captured on one would share its workspace of products, and be launched at the same time.
    current = torch.cuda.current_stream()
    own = None if current == torch.cuda.default_stream() else current
    # Other threads may copy and take memory meanwhile: of what is read ahead, or of a checkpoint.
    with torch.cuda.graph(graph, stream=own, capture_error_mode="thread_local"):
        work()
    return graph.replay


class Repeated:
    """Work of many small kernels, which take longer to launch, one by one, than to run.

    On CUDA it is done as it is the first time (libraries begin then), captured, and launched as one from then on; on
    other devices, and where capturing is refused, it is done as it is.

    Parameters
    ----------
    work : callable
        As for `capture`.
    device : torch.device
    capture : callable, optional
        From work to what does it again.
    memory : callable, optional
        Gives what is the same as long as the work's memory stays where it is; where it has changed, what was captured
        is of no use any more.
    say : callable, optional
        Is told in one line why capturing was refused.
    """

    def __init__(
        self,
        work: Work,
        device: torch.device,
        capture: Callable[[Work], Work] = capture,
        memory: Callable[[], Hashable] = lambda: None,
        say: Callable[[str], object] = _warn,
    ) -> None:
        self._work, self._memory, self._say = work, memory, say
        self._capture = capture if device.type == "cuda" else None
        self._captured: Work | None = None
        self._done_in: Hashable = self  # equal to nothing that `memory` gives

    def __call__(self) -> None:
        """Do the work."""
        memory = self._memory()
        if self._capture is None or memory != self._done_in:
            self._captured = None
            self._work()
            # The first time the work itself takes memory.
            self._done_in = self._memory()
            return
        if self._captured is None:
            try:
                self._captured = self._capture(self._work)
            except RuntimeError as error:  # torch's, whatever a driver or a library refuses; none of it was done
                first = (str(error).splitlines() or [""])[0]
                self._say(f"work is launched piece by piece, as it cannot be captured: {first}")
                self._capture = None
                self._work()
                return
        self._captured()
