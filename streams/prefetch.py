"""Work done ahead by threads, and given in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
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
        How many make them; 1 or more. They are daemons: the end of the program does not wait for a slow network,
        as it would for those of an executor.

    Raises
    ------
    Exception
        What `read` raised, in the place of its result; nothing comes after it.
    """
    if not ahead:
        for request in requests:
            yield request, read(request)
        return
    work: SimpleQueue[tuple[Request, Future[Result]] | None] = SimpleQueue()
    for number in range(threads):
        threading.Thread(target=_serve, args=(work, read), name=f"prefetch-{number}", daemon=True).start()
    waiting: deque[tuple[Request, Future[Result]]] = deque()
    try:
        for request in requests:
            future: Future[Result] = Future()
            waiting.append((request, future))
            work.put((request, future))
            del future
            if len(waiting) > ahead:
                yield _first(waiting)
        while waiting:
            yield _first(waiting)
    finally:
        for _, future in waiting:
            future.cancel()
        for _ in range(threads):
            work.put(None)


def _first(waiting: deque[tuple[Request, Future[Result]]]) -> tuple[Request, Result]:
    """Give what comes next, and hold it no longer."""
    request, future = waiting.popleft()
    return request, future.result()


def _serve(work: SimpleQueue[tuple[Request, Future[Result]] | None], read: Callable[[Request], Result]) -> None:
    while (item := work.get()) is not None:
        request, future = item
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(read(request))
            except BaseException as error:  # the consumer's to handle
                future.set_exception(error)
        del item, request, future  # they hold the result, which is the consumer's alone
