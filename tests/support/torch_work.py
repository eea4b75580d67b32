"""What torch is asked to do while something runs: calls, numbers written, and bytes that are held at the most."""

from __future__ import annotations

import weakref
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["TorchWork"]


class TorchWork(TorchDispatchMode):
    """Counts as a context manager does; tensors that are there already are not counted as held.

    Attributes
    ----------
    calls : int
        Operations of torch, those of automatic differentiation too.
    numbers : int
        In all that they gave, views included.
    peak : int
        Bytes of the memory that was taken within and stood at once.
    """

    def __init__(self, *there: Tensor) -> None:
        super().__init__()
        self.calls = self.numbers = self.peak = self._now = 0
        self._held: dict[int, int] = {}
        self._there = there  # alive, so that no new memory gets their addresses
        self._addresses = {tensor.untyped_storage().data_ptr() for tensor in there}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = func(*args, **(kwargs or {}))
        self.calls += 1
        for tensor in tree_leaves(given):
            if isinstance(tensor, Tensor):
                self.numbers += tensor.numel()
                self._hold(tensor.untyped_storage())
        return given

    def _hold(self, storage: Any) -> None:
        address, size = storage.data_ptr(), storage.nbytes()
        if size == 0 or address in self._held or address in self._addresses:
            return
        self._held[address] = size
        self._now += size
        self.peak = max(self.peak, self._now)
        weakref.finalize(storage, self._release, address)

    def _release(self, address: int) -> None:
        self._now -= self._held.pop(address)
