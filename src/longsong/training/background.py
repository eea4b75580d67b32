"""Work that is done beside the updates."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["in_background"]

Result = TypeVar("Result")


def in_background(work: Callable[[], Result]) -> Future[Result]:
    """Have a thread of its own do some work; gives what will hold its result, or what it raised.

    The thread is a daemon: the end of the program does not wait for a slow network, as it would for an executor's.
    """
    future: Future[Result] = Future()

    def do() -> None:
        try:
            result = work()
        except BaseException as error:  # whoever asks for the result is to handle it
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=do, name="background", daemon=True).start()
    return future
