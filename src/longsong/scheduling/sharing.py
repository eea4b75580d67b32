"""How a machine is shared by runs side by side: its slots, and what one of them has of its cores and memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from longsong.config import Device
from longsong.errors import RunError

__all__ = ["Sharing", "candidates", "choose_sharing"]

_WORTHWHILE = 0.95  # of the time with fewer side by side


@dataclass(frozen=True)
class Sharing:
    """A machine in equal slots, each of which takes a run.

    Attributes
    ----------
    host : str
    device : {'cpu', 'cuda'}
    cores : int
    memory : int
        Bytes for all slots: of the device that computes.
    slots : int
    """

    host: str
    device: Device
    cores: int
    memory: int
    slots: int

    def threads(self, slots: int) -> int:
        """Give the CPU threads of a run that takes so many slots."""
        return max(1, self.cores * slots // self.slots)

    def memory_of(self, slots: int) -> int:
        """Give the bytes of a run that takes so many slots."""
        return self.memory * slots // self.slots

    def sizes(self) -> list[int]:
        """Give how many slots a run may take: 1, 2, 4 and so on, and all."""
        return [*candidates(self.slots)]

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON values."""
        return {
            "host": self.host,
            "device": self.device,
            "cores": self.cores,
            "memory": self.memory,
            "slots": self.slots,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Give what was written, or raise RunError where it cannot be."""
        try:
            found = cls(**{name: values[name] for name in ("host", "device", "cores", "memory", "slots")})
            if not all(isinstance(n, int) and 0 < n < 10**15 for n in (found.cores, found.memory, found.slots)):
                raise ValueError(f"{found.cores} cores, {found.memory} bytes, {found.slots} slots")
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"its sharing is altered ({error})") from error
        return found


def candidates(most: int) -> list[int]:
    """Give 1, 2, 4 and so on up to `most`, and that."""
    return sorted({*(1 << n for n in range(most.bit_length()) if 1 << n <= most), most})


def choose_sharing(most: int, seconds: Callable[[int], float]) -> int:
    """Choose how many runs go side by side: as many as make all of them end sooner.

    Parameters
    ----------
    most : int
        Cores, or runs, whichever is less.
    seconds : callable
        Gives how long all runs take with so many side by side.
    """
    best, least = 1, seconds(1)
    for slots in candidates(most)[1:]:
        took = seconds(slots)
        if took > _WORTHWHILE * least:
            break
        best, least = slots, took
    return best
