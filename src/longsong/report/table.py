"""A table on the page."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Table"]


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes
    ----------
    caption : str
    head : list of str
        Names of the columns.
    rows : list of list of str
        The first cell of each names its row.
    """

    caption: str
    head: list[str]
    rows: list[list[str]]
