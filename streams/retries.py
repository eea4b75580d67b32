"""How often, and after which pauses, something is tried again."""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass

from streams.checks import whole
from streams.errors import CacheError, StorageError

__all__ = ["Patience", "Retries", "RetryableError"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.25  # seconds
_JITTER = random.SystemRandom()  # own numbers: the seeds of an experiment stay as they were


class RetryableError(StorageError):
    """One attempt failed in a way that may pass: no answer, a broken connection, a busy server.

    Parameters
    ----------
    message : str
        What happened, and where.
    after : float, optional
        Seconds that the place asks to be left alone.
    """

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


@dataclass(frozen=True, slots=True)
class Retries:
    """Attempts, and the pauses between them.

    The n-th pause lasts `pause` 2**(n-1) seconds, at most `longest_pause`, less up to half of it by chance, so that
    many readers do not come back all at once. A longer time that a server asks for is kept, up to `longest_pause`.

    Parameters
    ----------
    attempts : int
        Before it is given up; at least 1.
    pause, longest_pause : float
        In seconds.

    Raises
    ------
    StorageError
        Not such numbers.
    """

    attempts: int = 6
    pause: float = 0.5
    longest_pause: float = 60.0

    def __post_init__(self) -> None:
        whole("attempts", self.attempts, StorageError, at_least=1)
        for name in ("pause", "longest_pause"):
            seconds = getattr(self, name)
            if not (isinstance(seconds, int | float) and math.isfinite(seconds) and seconds >= 0):
                raise StorageError(f"{name} is {seconds!r}: give seconds, 0 or more")

    def wait(self, failures: int, error: RetryableError) -> None:
        """Pause after the failure number `failures`, counted from 1.

        Raises
        ------
        StorageError
            It was the last attempt.
        """
        if failures >= self.attempts:
            raise StorageError(f"{error}; given up after {failures} attempts, try again later") from None
        growing = self.pause * 2.0 ** min(failures - 1, 60) * _JITTER.uniform(0.5, 1.0)
        time.sleep(min(max(growing, error.after or 0.0), self.longest_pause))


class Patience:
    """Growing pauses while another process is waited for, up to a limit of time without anything moving.

    Parameters
    ----------
    limit : float
        In seconds.
    """

    def __init__(self, limit: float) -> None:
        self._limit, self._since = limit, time.monotonic()
        self._pause, self._moved = _FIRST_PAUSE, 0

    def wait(self, why: str, moved: int = 0) -> None:
        """Pause.

        Parameters
        ----------
        why : str
            What is waited for, and what to do about it.
        moved : int
            Another number than the last time where the other process has got further.

        Raises
        ------
        CacheError
            The limit is over.
        """
        now = time.monotonic()
        if moved != self._moved:
            self._moved, self._since = moved, now
        if now - self._since >= self._limit:
            raise CacheError(f"{why} (waited {self._limit:g} s)")
        time.sleep(self._pause * _JITTER.uniform(0.5, 1.0))
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
