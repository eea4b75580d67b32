"""Memory that is taken once and used again for each mini-batch, micro-batch and segment."""

from __future__ import annotations

from math import prod

from torch import Tensor

__all__ = ["Workspace"]


class Workspace:
    """Buffers by name. What was taken under a name is overwritten when it is taken again.

    Fresh memory for every update would take longer to get from the operating system than to fill.

    Parameters
    ----------
    like : Tensor
        Of the device and type that buffers are to have.

    Attributes
    ----------
    moves : int
        How often a buffer was made, or made anew: as long as this stays, all stay where they are.
    """

    def __init__(self, like: Tensor) -> None:
        self._like = like
        self._memory: dict[str, Tensor] = {}
        self.moves = 0

    def take(self, name: str, *shape: int) -> Tensor:
        """Give a buffer, C-contiguous, with whatever in it."""
        size = prod(shape)
        memory = self._memory.get(name)
        if memory is None or memory.numel() < size:
            # Both at once would be more memory than is said to be needed.
            memory = None
            self._memory.pop(name, None)
            self.moves += 1
            memory = self._memory[name] = self._like.new_empty(size)
        return memory[:size].view(shape)

    def fits(self, like: Tensor) -> bool:
        """Say whether the buffers are of that device and type."""
        return (like.device, like.dtype) == (self._like.device, self._like.dtype)

    def __len__(self) -> int:
        """Count the numbers that are held."""
        return sum(memory.numel() for memory in self._memory.values())
