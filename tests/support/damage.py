"""Ways in which a file is damaged by disks, copies and people."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

__all__ = ["WAYS", "cut", "empty", "flip", "lengthen", "remove"]


def flip(path: Path) -> None:
    """Turn one bit, past the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    """Leave out the last third."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0 more")


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


WAYS: list[Callable[[Path], None]] = [flip, cut, empty, lengthen, remove]
