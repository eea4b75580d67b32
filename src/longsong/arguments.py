"""Arguments of the command line: what several commands share, and how text becomes what they mean."""

from __future__ import annotations

import argparse
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

__all__ = ["add_cache", "add_place", "command_words", "local", "place", "section", "size", "widths", "without_secrets"]


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add the folder or URL of a song's shards."""
    parser.add_argument("shards", type=place, metavar="SHARDS", help="folder or URL of shards, such as shards/NAME")


def add_cache(parser: argparse.ArgumentParser) -> None:
    """Add where the shards of a URL are kept."""
    add = parser.add_argument
    add("--cache", type=local, metavar="DIR", help="where shards of a URL are kept (default: the user's cache)")
    add("--cache-bytes", type=size, metavar="SIZE", help="what they may take there, such as 20GiB")


def place(text: str) -> Path | str:
    """Give a folder as a path, and a URL as it is."""
    from streams.errors import StorageError
    from streams.storage import is_remote, local_folder

    try:
        return text if is_remote(text) else local_folder(text)
    except StorageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def local(text: str) -> Path:
    """Give a path of this machine."""
    found = place(text)
    if isinstance(found, str):
        raise argparse.ArgumentTypeError(f"{without_secrets(text)} is a URL: give a place on this machine")
    return found


def size(text: str) -> int:
    """Give a number of bytes, such as ``6GiB``."""
    from longsong.units import parse_bytes

    try:
        return parse_bytes(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def duration(text: str) -> float:
    """Give a duration in seconds, such as ``2h``."""
    from longsong.units import parse_time

    try:
        return parse_time(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def count(text: str) -> int:
    """Give a whole number from 1 on."""
    if not (text.isascii() and text.isdigit() and int(text[:9]) > 0 and len(text) < 10):
        raise argparse.ArgumentTypeError(f"a whole number from 1 on is asked for, not {text!r}")
    return int(text)


def widths(text: str) -> tuple[int, ...]:
    """Give whole numbers, such as ``199,256``."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"widths are whole numbers such as 199,256, not {text!r}") from None


def command_words(a: argparse.Namespace) -> list[str]:
    """Give the words of the command, for the record: without what is secret in a URL."""
    return [without_secrets(word) for word in a.words]


def without_secrets(text: str) -> str:
    """Leave out users, passwords and queries of all URLs in a text."""
    from streams import storage

    return re.sub(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"]+", lambda url: storage.without_secrets(url[0]), text)


def section(kind: Any, a: argparse.Namespace, **instead: Any) -> Any:
    """Make a section of the configuration from the options of the same names."""
    names = [field.name for field in fields(kind) if field.name not in instead]
    return kind(**{name: getattr(a, name) for name in names}, **instead)
