"""What cannot be read is said, and stops nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from longsong.errors import RunError

__all__ = ["Problems"]

_T = TypeVar("_T")


class Problems:
    """Reads, and keeps what cannot be read as sentences, each once.

    Attributes
    ----------
    said : list of str
    """

    def __init__(self) -> None:
        self.said: list[str] = []

    def read(self, read: Callable[[], _T]) -> _T | None:
        """Give what a function reads; None, and a sentence in `said`, where it raises `RunError`."""
        try:
            return read()
        except RunError as error:
            self.say(str(error))
            return None

    def say(self, sentence: str) -> None:
        """Keep a sentence, unless it is there."""
        if sentence not in self.said:
            self.said.append(sentence)
