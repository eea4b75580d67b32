"""Checks of what callers and files give, shared by the data layer."""

from __future__ import annotations

import reprlib
from collections.abc import Callable

import numpy as np

from streams.errors import StreamsError, WindowError

__all__ = ["sample_range", "whole"]


def whole(
    name: str,
    value: object,
    error: Callable[[str], StreamsError],
    *,
    at_least: int,
    at_most: int | None = None,
) -> int:
    """Give `value` as a Python int, so that no later arithmetic can overflow.

    Parameters
    ----------
    name : str
        What the number is, for the message.
    value : object
        An int or a numpy integer; a bool, a float and anything else is refused.
    error : callable
        Makes the error to raise from its message.
    at_least, at_most : int
        The range allowed, both ends included.

    Raises
    ------
    StreamsError
        What `error` makes, naming the value and the range.
    """
    allowed = f"{at_least} or more" if at_most is None else f"from {at_least} to {at_most}"
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise error(f"{name} is {reprlib.repr(value)}: give a whole number, {allowed}")
    number = int(value)
    if number < at_least or (at_most is not None and number > at_most):
        raise error(f"{name} is {reprlib.repr(number)}: give a whole number, {allowed}")
    return number


def sample_range(key: object, samples: int) -> tuple[int, int]:
    """Give the samples that ``song[key]`` means, as ``start <= stop``.

    Parameters
    ----------
    key : object
        A slice without a step; its ends count from the end where negative, and are cut to the song, as those
        of any Python sequence.
    samples : int
        Length of the song.

    Raises
    ------
    WindowError
        `key` is no slice, has a step, or has ends that are not whole numbers.
    """
    if not isinstance(key, slice):
        raise WindowError(f"song[{reprlib.repr(key)}]: a song gives runs of samples, as song[start:stop]")
    if key.step is not None and key.step != 1:
        raise WindowError(f"song[::{reprlib.repr(key.step)}]: take song[start:stop], and then every n-th of that")
    try:
        start, stop, _ = key.indices(samples)
    except TypeError as error:
        raise WindowError(
            f"song[{reprlib.repr(key.start)}:{reprlib.repr(key.stop)}]: give whole numbers of samples"
        ) from error
    return start, max(start, stop)
