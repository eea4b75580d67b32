"""What of a folder of runs neither the report nor going on needs: said, and removed where that is asked for."""

from __future__ import annotations

import os
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from longsong.config import whole
from longsong.errors import BusyError, LongsongError, RunError
from longsong.files import is_part, os_errors_named
from longsong.folder_lock import owner_of
from longsong.integrity.aside import ASIDE, WHY
from longsong.integrity.folder import find_runs, holds_runs
from longsong.integrity.run_damage import inspect_run
from longsong.space import bytes_of
from longsong.training.checkpoint_files import checkpoint_folders
from longsong.training.record import read_summary
from longsong.training.run_lock import is_busy, only_here

__all__ = ["KINDS", "Cleaning", "Item", "clean", "find_items"]

KINDS = {
    "checkpoints": "older checkpoints: a run goes on from its newest",
    "half-written": "files of processes that were killed",
    "damaged": "what was put aside as damaged, and has been made again since, or can be",
    "events": "TensorBoard's events of complete runs: metrics.jsonl and the wavs have the same",
}
"""Kinds of what can go, and why."""

_SECONDS_AT_WORK = 3600.0
"""A half-written file that was written to since then may be at work on another machine."""


@dataclass(frozen=True)
class Item:
    """A file or folder that can go.

    Attributes
    ----------
    path : Path
    kind : str
        A key of `KINDS`.
    bytes : int
        That it takes on the disk.
    run : Path or None
        The run that it is of.
    """

    path: Path
    kind: str
    bytes: int
    run: Path | None


@dataclass(frozen=True)
class Cleaning:
    """What was found, or removed.

    Attributes
    ----------
    items : tuple of Item
    busy : tuple of Path
        Runs, and folders of them, that a process works on now: nothing of theirs is an item.
    kept : int
        Bytes of all else.
    """

    items: tuple[Item, ...]
    busy: tuple[Path, ...]
    kept: int

    @property
    def bytes(self) -> int:
        """What all items take."""
        return sum(item.bytes for item in self.items)

    def by_kind(self) -> dict[str, tuple[int, int]]:
        """Give how many items there are of each kind that there is, and their bytes."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for item in self.items:
            found[item.kind].append(item.bytes)
        return {kind: (len(found[kind]), sum(found[kind])) for kind in KINDS if kind in found}


def find_items(root: Path, *, keep_checkpoints: int = 1, events: bool = False) -> Cleaning:
    """Find what can go.

    What the report, an audit, a resume and the sounds need stays: configuration, metrics, summary, the newest
    checkpoints, the best parameters, wavs and their records, and whatever is of no kind that is known here.

    Parameters
    ----------
    root : Path
        Folder of runs, or of one.
    keep_checkpoints : int
        How many of the newest checkpoints of a run stay that is not complete; of one that is, the last. Where one of
        them is damaged, all stay.
    events : bool
        Let TensorBoard's events of complete runs go too: `longsong board` does not show these runs any more.

    Raises
    ------
    RunError
        There is no such folder, or no run in it.
    ConfigError
        No checkpoint would be kept.
    """
    whole("keep-checkpoints", keep_checkpoints)
    if not root.is_dir():
        raise RunError(f"there is no folder {root}; give a folder of runs, such as runs/")
    if not holds_runs(root):
        raise RunError(f"{root} holds no run; give a folder of runs, such as runs/")
    busy = tuple(place for place in {root, *find_runs(root)} if is_busy(place) or owner_of(place) is not None)
    # A `reproduce` at work owns all that is in its folder.
    items = tuple(
        item
        for item in _items(root, keep_checkpoints, events)
        if not any(item.path.is_relative_to(place) for place in busy)
    )
    return Cleaning(items, busy, bytes_of(root) - sum(item.bytes for item in items))


def clean(found: Cleaning) -> Cleaning:
    """Remove what was found; gives what is gone.

    Each run is locked while something of it is removed: one that a process has begun to work on since is left alone.

    Raises
    ------
    SpaceError, RunError
        The folder may not be written to.
    """
    gone, busy = [], list(found.busy)
    for item in found.items:
        if item.run in busy:
            continue
        try:
            if item.run is None:
                _remove(item.path)
            else:
                with only_here(item.run):
                    _remove(item.path)
            gone.append(item)
        except BusyError:
            busy += [] if item.run is None else [item.run]
    return Cleaning(tuple(gone), tuple(busy), found.kept + found.bytes - sum(item.bytes for item in gone))


def _items(root: Path, keep_checkpoints: int, events: bool) -> Iterator[Item]:
    runs = list(find_runs(root))
    for run in runs:
        complete = _is_complete(run)
        for folder in _older_checkpoints(run, 1 if complete else keep_checkpoints):
            yield _item(folder, "checkpoints", run)
        if complete and events:
            for path in sorted(run.glob("events.out.tfevents.*")):
                yield _item(path, "events", run)
    for parent, folders, names in os.walk(root):
        place = Path(parent)
        own = next((run for run in runs if place.is_relative_to(run)), None)
        for name in list(folders):
            path = place / name
            if name == ASIDE:
                folders.remove(name)
                yield from (_item(one, "damaged", own) for one in _put_aside(path))
            elif name.startswith(".update-") and name.endswith(".partial"):
                folders.remove(name)
                if _is_left_behind(path):
                    yield _item(path, "half-written", own)
        for path in (place / name for name in names):
            if (is_part(path) or path.name.endswith(".partial.wav")) and _is_left_behind(path):
                yield _item(path, "half-written", own)


def _put_aside(folder: Path) -> list[Path]:
    """Give what was put aside in a folder: the folder, where that is all there is in it."""
    inner = sorted(folder.iterdir())
    ours = [path for path in inner if (path / WHY).is_file()]
    return [folder] if ours == inner and ours else ours


def _is_complete(run: Path) -> bool:
    """Say whether a run has come to its end; one whose summary cannot be read keeps all that it has."""
    try:
        return read_summary(run) is not None
    except LongsongError:
        return False


def _older_checkpoints(run: Path, keep: int) -> list[Path]:
    """Give the checkpoints that the newest ones make superfluous: none, where one of these is damaged."""
    folders = checkpoint_folders(run / "checkpoints")
    older, newest = folders[:-keep], folders[-keep:]
    return older if older and set(newest) <= set(inspect_run(run).usable) else []


def _is_left_behind(path: Path) -> bool:
    """Say whether nobody writes a half-written file any more, by when it was last written to."""
    try:
        return time.time() - path.stat().st_mtime > _SECONDS_AT_WORK
    except OSError:
        return False


def _item(path: Path, kind: str, run: Path | None) -> Item:
    return Item(path, kind, bytes_of(path), run)


def _remove(path: Path) -> None:
    with os_errors_named(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
