"""Signs that numbers are written with for people."""

from __future__ import annotations

__all__ = ["NONE", "TOGETHER", "from_to", "shape_words"]

NONE = "\N{EN DASH}"
"""Stands where there is no number."""

TOGETHER = "\N{NO-BREAK SPACE}"


def shape_words(frame: int, seq: int) -> str:
    """Give a shape: frame and sequence, with a sign of multiplication between them."""
    return f"{frame:,} \N{MULTIPLICATION SIGN} {seq:,}"


def from_to(low: float, high: float, form: str) -> str:
    """Give a range of numbers in the form that `format` takes."""
    return f"{low:{form}}\N{EN DASH}{high:{form}}"
