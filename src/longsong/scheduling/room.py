"""Room on the disk, waited for after it ran out: a disk that is full for a while must not fail run after run."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["Room"]

_SECONDS_BETWEEN_LOOKS = 10.0
_LONGEST = 3600.0
"""Seconds after which nobody seems to be making room: runs then fail of it as of anything else."""


class Room:
    """Whether runs may begin as far as the disk is concerned.

    Parameters
    ----------
    there_is : callable
        Says whether the disk has room for a run.
    on_note : callable
        Takes a line for the user when it has none any more, and when it has again.
    """

    def __init__(self, there_is: Callable[[], bool], on_note: Callable[[str], None]) -> None:
        self._there_is, self._on_note = there_is, on_note
        self._since: float | None = None
        self._looked = -math.inf
        self._given_up = False

    def ran_out(self, now: float) -> bool:
        """Say whether it is for a full disk that a run could not write: it is to be begun again when there is room."""
        if self._given_up or self._there_is():
            return False
        if self._since is None:
            self._since = self._looked = now
            self._on_note("the disk is full: nothing is begun until there is room")
        return True

    def awaited(self, now: float) -> bool:
        """Say whether nothing may begin now; looks at the disk now and then."""
        if self._since is not None and now - self._looked >= _SECONDS_BETWEEN_LOOKS:
            self._looked = now
            if self._there_is():
                self._since = None
                self._on_note("the disk has room again")
            elif now - self._since >= _LONGEST:
                self._since, self._given_up = None, True
        return self._since is not None
