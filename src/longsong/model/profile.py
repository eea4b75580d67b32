"""Where the time of an update goes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

__all__ = ["Profile", "section"]


class Profile:
    """Seconds by section.

    Attributes
    ----------
    seconds : mapping of str to float
        By section: ``data``, ``input products``, ``recurrence``, ``output and cost``, ``optimiser``, ``checkpoint``,
        and ``other ranks`` where there are some.
    """

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Count the time within to a section."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - started


def section(profile: Profile | None, name: str) -> AbstractContextManager[None]:
    """Count the time within to a section, if anybody asks for it."""
    return nullcontext() if profile is None else profile.section(name)
