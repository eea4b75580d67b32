"""Files as they come back from bad disks, bad copies and bad people: strategies for hypothesis."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

__all__ = ["broken_json", "damaged", "nested", "odd_values", "says"]

_EDGES = [0, 1, 0x7F, 0x80, 0xFF]


def says(error: Exception, what: str) -> None:
    """Hold an error to a message that names what it is about, and is no page long."""
    assert str(error)
    assert what in str(error)
    assert len(str(error)) < 5000


def nested(depth: int, opening: str = "[", closing: str = "]") -> str:
    return opening * depth + closing * depth


def odd_values() -> st.SearchStrategy[Any]:
    """Values that no such field has, or that are too much for what computes with them."""
    return st.one_of(
        st.sampled_from(
            [
                None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**19, -(10**19), 10**400, 0.0, -0.0, 1e-320, 1e308,
                -1e308, float("nan"), float("inf"), float("-inf"), "", "nan", "\x00", "é" * 5000, "../..",
                "/etc/passwd", "/dev/zero", "..", "a/../../b", "s3://x/y", "pipe:ls", "file:///etc", "<script>",
                "%s%n", "1e400", [], {}, [[]], [None], {"a": {}}, ["x"] * 50, "2026-11-22", "9999-12-31T23:59:59-23:59",
            ]
        ),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.lists(st.integers(), max_size=3),
    )  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes with bits turned, pieces cut out, put in, repeated or swapped."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["bit", "byte", "cut", "insert", "remove", "repeat", "zeros", "number"]))
        at = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(1, 64))
        if kind == "bit" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "byte" and data:
            data[at] = draw(st.sampled_from(_EDGES) | st.integers(0, 255))
        elif kind == "cut":
            del data[at:]
        elif kind == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=length))
        elif kind == "remove":
            del data[at : at + length]
        elif kind == "repeat":
            data[at:at] = data[at : at + length] * draw(st.integers(1, 8))
        elif kind == "zeros":
            data[at : at + length] = bytes(min(length, len(data) - at))
        elif kind == "number":  # a field of four bytes, as headers have them
            data[at : at + 4] = draw(st.integers(0, 2**32 - 1)).to_bytes(4, draw(st.sampled_from(["little", "big"])))
    return bytes(data)


@st.composite
def broken_json(draw: st.DrawFn, content: bytes, seal: Callable[[dict[str, Any]], None] | None = None) -> bytes:
    """A JSON object with fields that are other values, gone, or nested without end; but for its own digests.

    With `seal`, what vouches for the rest is computed anew, as somebody does who means it.
    """
    found = copy.deepcopy(json.loads(content))
    for _ in range(draw(st.integers(1, 3))):
        parent, key = _place(draw, found)
        if key is None or (isinstance(key, str) and key.endswith("_sha256") and parent is found):
            continue  # what vouches for the rest stays
        if draw(st.integers(0, 4)) == 0:
            del parent[key]
        else:
            parent[key] = draw(odd_values())
    if seal is not None:
        seal(found)
    text = json.dumps(found)
    if draw(st.integers(0, 9)) == 0:
        text = text.replace(": ", ": " + nested(draw(st.sampled_from([100, 980, 100_000]))) + ', "": ', 1)
    return text.encode()


def _place(draw: st.DrawFn, found: Any) -> tuple[Any, Any]:
    """Choose a field anywhere in nested mappings and lists."""
    parent, key, inner = None, None, found
    while isinstance(inner, (dict, list)) and inner:
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        parent, key = inner, draw(st.sampled_from(keys))
        inner = inner[key]
        if draw(st.integers(0, 5)) == 0:
            break
    return parent, key
