"""Work done ahead by threads, and given in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["in_order"]

Request = TypeVar("Request")
Result = TypeVar("Result")


def in_order(
    requests: Iterator[Request], read: Callable[[Request], Result], ahead: int, threads: int
) -> Generator[tuple[Request, Result], None, None]:
    """Give each request with its result, in the order of the requests.

    Parameters
    ----------
    requests : iterator
        Asked by one thread at a time, at most `ahead` further than what was given.
    read : callable
        Turns a request into its result; called by the threads, so that it may be called twice at once.
    ahead : int
        Results at most that are made before they are asked for; 0 makes each when it is asked for.
    threads : int
        How many make them; 1 or more.

    Raises
    ------
    Exception
        What `read` raised, in the place of its result; nothing comes after it.
    """
    if not ahead:
        for request in requests:
            yield request, read(request)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="prefetch")
    waiting: deque[tuple[Request, Future[Result]]] = deque()
    try:
        for request in requests:
            waiting.append((request, pool.submit(read, request)))
            if len(waiting) > ahead:
                first, future = waiting.popleft()
                yield first, future.result()
                del future  # it holds its result, which is no longer ours
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
            del future
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
