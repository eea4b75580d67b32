"""Reading JSON that may be damaged or hostile, field by field."""

from __future__ import annotations

import json
import math
import re
import reprlib
from typing import Any

from streams.checks import whole
from streams.errors import IndexFileError
from streams.shard import Column, column, is_file_name, is_member_name

__all__ = ["Fields", "parse_json"]

_LARGEST = 2**63 - 1
_DIGEST = re.compile(r"[0-9a-f]{64}")
_HEX = b"0123456789abcdef"


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
        value = self.value(key)
        if type(value) is int and at_least <= value <= at_most:
            return value  # before a message is made: a long song has thousands
        return whole(f"{self.where}: {key!r}", value, IndexFileError, at_least=at_least, at_most=at_most)

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

    def checksums(self, key: str, digits: int) -> str:
        """Give any number of checksums in hexadecimal, of so many digits each, one after the other."""
        value = self.text(key)
        # Ten times as fast as a pattern, and a long song has millions of digits.
        if len(value) % digits or not value.isascii() or value.encode("ascii").translate(None, delete=_HEX):
            raise IndexFileError(
                f"{self.where}: {key!r} is {reprlib.repr(value)}, no numbers of {digits} digits in hexadecimal"
            )
        return value

    def name(self, key: str) -> str:
        """Give the name of a file that lies in the folder itself."""
        if not is_file_name(value := self.text(key)):
            raise IndexFileError(
                f"{self.where}: {key!r} is {reprlib.repr(value)}; a name has letters, digits, '.', '_' and '-' only"
            )
        return value

    def fields(self, key: str) -> Fields:
        """Give an object within."""
        return Fields(self.value(key), f"{self.where}, {key}")

    def items(self, key: str) -> list[Fields]:
        """Give a list of objects."""
        return [Fields(item, f"{self.where}, {key}[{place}]") for place, item in enumerate(self._list(key))]

    def column(self, key: str) -> Column:
        """Give a list of whole numbers of 64 bits, one or more, as an array of shape (n,), int64."""
        values = self._list(key)
        # Types are compared before NumPy sees the list: it would take a bool for 1 and cut a float.
        if set(map(type, values)) != {int}:
            strange = next((value for value in values if type(value) is not int), values)
            raise IndexFileError(f"{self.where}: {key!r} has {reprlib.repr(strange)} where whole numbers are due")
        try:
            return column(values)
        except OverflowError as error:
            largest = max(values, key=abs)
            raise IndexFileError(
                f"{self.where}: {key!r} has {reprlib.repr(largest)}, where numbers up to {_LARGEST} are due"
            ) from error

    def column_between(self, key: str, lowest: int, highest: int) -> Column:
        """Give a list of whole numbers from `lowest` to `highest`, as `column` does."""
        numbers = self.column(key)
        for number in int(numbers.min()), int(numbers.max()):
            if not lowest <= number <= highest:
                raise IndexFileError(
                    f"{self.where}: {key!r} has {number}, where numbers from {lowest} to {highest} are due"
                )
        return numbers

    def member_names(self, key: str) -> tuple[str, ...]:
        """Give a list of names of members, none of them twice."""
        values = self._list(key)
        for value in values:
            if not isinstance(value, str) or not is_member_name(value):
                raise IndexFileError(
                    f"{self.where}: {key!r} has {reprlib.repr(value)}; a member's name is text of up to 200 "
                    "characters that can be shown, and stays within its tar"
                )
        if len(set(values)) < len(values):
            raise IndexFileError(f"{self.where}: a name stands twice in {key!r}")
        return tuple(values)

    def _list(self, key: str) -> list[Any]:
        value = self.value(key)
        if not isinstance(value, list):
            raise IndexFileError(f"{self.where}: {key!r} is {reprlib.repr(value)} where a list is due")
        return value
