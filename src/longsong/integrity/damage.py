"""One file that is not as it was written, and what has to be made again for it."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from longsong.errors import RunError, UnreadableError
from longsong.files import reading_named, sha256_of

__all__ = ["Damage", "Part", "compare", "tensors_end"]

Part = Literal["configuration", "metrics", "checkpoint", "best", "summary", "sound", "other"]

_LONGEST_HEAD = 1 << 24  # bytes; that of a network takes some hundred for each tensor


@dataclass(frozen=True)
class Damage:
    """A file or folder that is not as it was written.

    Attributes
    ----------
    path : Path
    part : str
        What of a run it is: ``configuration``, ``metrics``, ``checkpoint``, ``best`` (parameters), ``summary`` or
        ``sound``; ``other`` for what no run goes on from.
    said : str
        The sentence that names it, and says what is wrong.
    """

    path: Path
    part: Part
    said: str

    def __str__(self) -> str:
        return self.said


def compare(path: Path, part: Part, sha256: object, said_by: Path, size: int | None = None) -> Damage | None:
    """Compare a file with its digest.

    Parameters
    ----------
    path : Path
    part : str
        As of `Damage`.
    sha256 : object
        What another file has as its digest.
    said_by : Path
        That other file.
    size : int or None
        Bytes that it has to have, where that is known: then a file that is cut short is said to be.

    Raises
    ------
    UnreadableError
        The system does not give it: whether it is damaged is not known.
    """
    try:
        found = sha256_of(path)
        with reading_named(path):
            there = path.stat().st_size
    except UnreadableError:
        raise
    except RunError as error:
        return Damage(path, part, str(error))
    if found == sha256:
        return None
    if size is not None and there < size:
        return Damage(path, part, f"{path} is cut short: it has {there:,} bytes of {size:,}")
    return Damage(path, part, f"{path} is altered: its sha256 is {found[:12]}…, and {said_by} has {str(sha256)[:12]}…")


def tensors_end(path: Path) -> int | None:
    """Give the bytes that a safetensors file has to have, by its head; None where that is damaged itself.

    The format: 8 bytes that say how long the head is, the head in JSON with where each tensor begins and ends behind
    it, the tensors (https://huggingface.co/docs/safetensors).
    """
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _LONGEST_HEAD:
                return None
            head = json.loads(file.read(length))
            ends = [entry["data_offsets"][1] for name, entry in head.items() if name != "__metadata__"]
            return 8 + int(length) + max(int(end) for end in ends)
    except (OSError, ValueError, struct.error, RecursionError, AttributeError, KeyError, IndexError, TypeError):
        return None
