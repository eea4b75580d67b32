"""What lies beside runs: grid, audit, measurements, pictures and pages of sounds, each checked in its own way."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from pathlib import Path

from longsong.errors import LongsongError, RunError, UnreadableError
from longsong.files import LARGEST_JSON, read_json, reading_named, sha256_of
from longsong.grid_file import GRID, read_grid
from longsong.integrity.container_damage import archive_damage, events_damage, picture_damage
from longsong.integrity.damage import Damage, compare

__all__ = ["file_damage"]


def file_damage(path: Path) -> Damage | None:
    """Look at a file in a folder of runs that is none of a run's own; None where it is whole, or of no known kind.

    Raises
    ------
    UnreadableError, VersionError
        The system does not give it, or a newer version wrote it: it may be whole.
    """
    if path.is_symlink():
        return None  # what it leads to is somebody else's
    for pattern, look in _KINDS.items():
        if fnmatch(path.name, pattern):
            try:
                return look(path)
            except UnreadableError:
                raise
            except LongsongError as error:
                return Damage(path, "other", str(error))
    return None


def _reads(read: Callable[[Path], object]) -> Callable[[Path], Damage | None]:
    """Make a look of what reads a file, and raises where it is damaged."""

    def look(path: Path) -> None:
        read(path)

    return look


# Readers of the audit's files are imported when there is one: they need much.


def _cells(path: Path) -> None:
    from longsong.audit.side_by_side import read_cells

    read_cells(path)


def _parity(path: Path) -> None:
    from longsong.audit.parity import read_parity

    read_parity(path)


def _as_coded(path: Path) -> None:
    from longsong.audit.as_coded_file import load_as_coded

    load_as_coded(path)


def _curves(path: Path) -> None:
    from longsong.audit.curves_record import CurvesRecord

    for shape in CurvesRecord.read(path).shapes:
        for run in shape.runs:
            metrics = path.parent / run.folder / "metrics.jsonl"
            if sha256_of(metrics) != run.metrics_sha256:
                raise RunError(f"{metrics} was altered since {path} was written; compare the curves again")


def _other_json(path: Path) -> Damage | None:
    """Look whether a JSON file is as it was sealed, and its wav as it says, if it calls itself one of ours."""
    with reading_named(path):
        content = path.read_bytes() if path.stat().st_size <= LARGEST_JSON else b"null"
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    kind = found.get("format") if isinstance(found, Mapping) else None
    if not isinstance(kind, str) or not kind.startswith("longsong."):
        return None
    read_json(path, kind, 1 << 31)
    wav = path.with_suffix(".wav")
    return compare(wav, "other", found["sha256"], path) if "sha256" in found and wav.exists() else None


def _picture(path: Path) -> Damage | None:
    """Look at a picture where the pages keep theirs: in a folder of a page, or beside the sound that it shows."""
    ours = (path.parent / "index.html").exists() or (path.parent.parent / "index.html").exists()
    return picture_damage(path) if ours or path.with_suffix(".wav").exists() else None


_KINDS: dict[str, Callable[[Path], Damage | None]] = {
    GRID: _reads(lambda path: read_grid(path.parent)),
    "cells.json": _reads(_cells),
    "parity.json": _reads(_parity),
    "as_coded.json": _reads(_as_coded),
    "curves-2016.json": _reads(_curves),
    "audit.json": _reads(lambda path: read_json(path, "longsong.audit", 1 << 31)),
    "song-excerpt-*.json": _reads(lambda path: read_json(path, "longsong.song-excerpt", 1 << 31)),
    "song-statistics-*.npz": archive_damage,
    "*.json": _other_json,
    "*.png": _picture,
    "events.out.tfevents.*": events_damage,
}
"""How a file is looked at, by its name; the first that fits. What others have put there is none of ours."""
