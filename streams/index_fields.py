"""Reading JSON that may be damaged or hostile, field by field."""

from __future__ import annotations

import json
import math
import re
import reprlib
from typing import Any

from streams.checks import whole
from streams.errors import IndexFileError

__all__ = ["Fields", "parse_json"]

_LARGEST = 2**63 - 1
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
"""What a shard or member may be called: no folder, nothing hidden, nothing that climbs out."""


def parse_json(data: bytes, where: str) -> Any:
    """Parse JSON strictly: no NaN, no infinity, no key twice, nothing nested without end.

    Raises
    ------
    IndexFileError
        It is not such JSON.
    """
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_mapping, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise IndexFileError(
            f"{where}: cut short or altered ({reprlib.repr(str(error))}); copy it anew or make the shards again"
        ) from error


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise ValueError("a key stands twice")
    return mapping


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text} is no finite number")
    return value


class Fields:
    """The fields of one JSON object; each method checks one.

    Parameters
    ----------
    value : object
        What was parsed.
    where : str
        File and place in it, for messages.

    Raises
    ------
    IndexFileError
        From here and from each method: not what it has to be.
    """

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise IndexFileError(f"{where}: holds {reprlib.repr(value)} where an object is due")
        self.mapping: dict[str, Any] = value
        self.where = where

    def value(self, key: str) -> Any:
        """Give a field of any type."""
        if key not in self.mapping:
            raise IndexFileError(f"{self.where}: has no {key!r}; make the shards again")
        return self.mapping[key]

    def whole(self, key: str, *, at_least: int, at_most: int = _LARGEST) -> int:
        """Give a whole number in a range."""
        return whole(f"{self.where}: {key!r}", self.value(key), IndexFileError, at_least=at_least, at_most=at_most)

    def text(self, key: str) -> str:
        """Give a string."""
        value = self.value(key)
        if not isinstance(value, str):
            raise IndexFileError(f"{self.where}: {key!r} is {reprlib.repr(value)} where text is due")
        return value

    def digest(self, key: str) -> str:
        """Give a sha256 in hexadecimal."""
        if not _DIGEST.fullmatch(value := self.text(key)):
            raise IndexFileError(f"{self.where}: {key!r} is {reprlib.repr(value)}, no sha256 in hexadecimal")
        return value

    def name(self, key: str) -> str:
        """Give the name of a file that lies in the folder itself."""
        if not _NAME.fullmatch(value := self.text(key)):
            raise IndexFileError(
                f"{self.where}: {key!r} is {reprlib.repr(value)}; a name has letters, digits, '.', '_' and '-' only"
            )
        return value

    def fields(self, key: str) -> Fields:
        """Give an object within."""
        return Fields(self.value(key), f"{self.where}, {key}")

    def items(self, key: str) -> list[Fields]:
        """Give a list of objects."""
        value = self.value(key)
        if not isinstance(value, list):
            raise IndexFileError(f"{self.where}: {key!r} is {reprlib.repr(value)} where a list is due")
        return [Fields(item, f"{self.where}, {key}[{place}]") for place, item in enumerate(value)]
