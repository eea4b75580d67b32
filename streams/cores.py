"""Work spread over the cores of this machine, where there is enough of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

__all__ = ["cores", "on_all_cores"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Give the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def on_all_cores(work: Callable[[Item], Result], items: Sequence[Item], *, worth_it: bool) -> list[Result]:
    """Do `work` on each item, by threads if that is worth their start; gives the results in order.

    The threads end with the call: a process that is forked later inherits none that are not there.

    Raises
    ------
    Exception
        The first that `work` raised, in the order of the items.
    """
    threads = min(cores(), len(items)) if worth_it else 1
    if threads < 2:
        return [work(item) for item in items]

    def work_on(part: Sequence[Item]) -> list[Result]:
        return [work(item) for item in part]

    # One part for each: handing over every single item would take longer than a short piece of work.
    ends = [len(items) * number // threads for number in range(threads + 1)]
    *others, own = (items[first:stop] for first, stop in pairwise(ends))
    with ThreadPoolExecutor(threads - 1) as pool:
        results = pool.map(work_on, others)
        last = work_on(own)  # while the others are at work
        return [result for part in (*results, last) for result in part]
