"""All files of a folder of runs, each looked at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from longsong.errors import RunError, UnreadableError
from longsong.files import is_part, reading_named
from longsong.grid_file import GRID, read_grid
from longsong.integrity.aside import ASIDE
from longsong.integrity.damage import Damage
from longsong.integrity.file_damage import file_damage
from longsong.integrity.run_damage import damages, is_run
from longsong.progress import Progress
from longsong.training.run_lock import is_busy
from longsong.units import human_bytes

__all__ = ["Verified", "find_runs", "holds_runs", "verify_runs"]

_OWN = ("config.json", "summary.json", "metrics.jsonl", "checkpoints", "generated", "generated*.json", "generated*.wav")
"""What `damages` looks at in a run's folder: files, and folders with all that is in them."""


_OF_DONE = ("summary.json", "generated.json")
"""What a run that is done has, in its folder."""

_DEPTH = 4
"""Of runs below a folder: those of an experiment with a song are ``SONG/as-coded/SHAPE/RUN``."""


@dataclass(frozen=True)
class Verified:
    """What was looked at in a folder.

    Attributes
    ----------
    runs, files, bytes : int
        That were looked at.
    busy : tuple of Path
        Runs that a process trains now; they were left alone.
    damages : dict of Path to list of Damage
        By run; those of files that are of no run by the folder itself, as are those of what is gone of runs that
        ``grid.json`` has as done.
    unread : tuple of UnreadableError
        Of files that may be whole, and could not be looked at.
    """

    runs: int
    files: int
    bytes: int
    busy: tuple[Path, ...]
    damages: dict[Path, list[Damage]]
    unread: tuple[UnreadableError, ...] = ()


def find_runs(root: Path, depth: int = _DEPTH) -> Iterator[Path]:
    """Give the folders of all runs in a folder, up to `depth` below it, in order; not those that were put aside."""
    if is_run(root):
        yield root
    elif depth:
        for folder in _folders(root):
            yield from find_runs(folder, depth - 1)


def holds_runs(root: Path) -> bool:
    """Say whether a folder is that of a run, or of runs."""
    return root.is_dir() and (next(find_runs(root), None) is not None or (root / GRID).exists())


def verify_runs(root: Path, *, quiet: bool = False) -> Verified:
    """Compare every file of all runs in a folder, and what lies beside them, with what vouches for it.

    What is gone is looked for too, of each run that a ``grid.json`` has as done: its folder, summary and sound.

    Parameters
    ----------
    root : Path
        Folder of runs, or of one.
    quiet : bool
        Report no progress.

    Raises
    ------
    RunError
        There is no such folder, or no run in it.
    """
    if not root.is_dir():
        raise RunError(f"there is no folder {root}; give a folder of runs, such as runs/")
    if not holds_runs(root):
        raise RunError(f"{root} holds no run; give a folder of runs, such as runs/, or one of shards")
    found: dict[Path, list[Damage]] = {}
    busy: list[Path] = []
    unread: list[UnreadableError] = []
    places = dict(_places(root))
    sizes = {place: [_size(path) for path in files] for place, files in places.items()}
    total = sum(map(sum, sizes.values()))
    with Progress(f"verifying {root}", total, "bytes", quiet=quiet) as progress:
        for place, files in places.items():
            if is_run(place) and is_busy(place):
                busy.append(place)
                progress.say(f"{place} is being trained; it is left alone")
            else:
                damaged = _look(place, files, unread)
                if damaged:
                    found[place] = damaged
            progress.advance(sum(sizes[place]))
        looked = [place for place in places if place not in busy]
        verified = Verified(
            sum(is_run(place) for place in looked),
            sum(len(places[place]) for place in looked),
            sum(sum(sizes[place]) for place in looked),
            tuple(busy),
            found,
            tuple(unread),
        )
        if not found and not unread:
            progress.say(
                f"{root}: {verified.files:,} files of {verified.runs:,} run{'s' * (verified.runs != 1)}, "
                f"{human_bytes(verified.bytes)}, all as they were written"
            )
    return verified


def _look(place: Path, files: list[Path], unread: list[UnreadableError]) -> list[Damage]:
    run, found = is_run(place), list[Damage]()
    try:
        found += damages(place) if run else []
    except UnreadableError as error:
        unread.append(error)
    if not run and place / GRID in files:
        found += _gone(place, unread)
    for path in files:
        first = path.relative_to(place).parts[0]
        if run and any(fnmatch(first, name) for name in _OWN):
            continue
        try:
            damage = file_damage(path)
        except UnreadableError as error:
            unread.append(error)
        else:
            found += [] if damage is None else [damage]
    return found


def _gone(root: Path, unread: list[UnreadableError]) -> Iterator[Damage]:
    """Find what is not there of the runs that are done; where the grid cannot be read, that is said of itself."""
    try:
        done = [root / run["name"] for run in read_grid(root)["runs"] if run["state"] == "done"]
    except RunError:
        return
    for folder in done:
        if is_busy(folder):
            continue  # it is made again
        for path in [folder / name for name in _OF_DONE] if os.path.lexists(folder) else [folder]:
            try:
                with reading_named(path):
                    path.stat()
            except UnreadableError as error:
                unread.append(error)
            except RunError:
                said = f"{path} is gone, and {root / GRID} has its run as done; the command that made it makes it again"
                yield Damage(path, "other", said)


def _places(root: Path, depth: int = _DEPTH) -> Iterator[tuple[Path, list[Path]]]:
    """Give each run's folder with all files in it, and each other folder with its own."""
    if is_run(root):
        yield root, sorted(_all_files(root))
        return
    yield root, sorted(path for path in root.iterdir() if path.is_file() and not _is_left_over(path))
    for folder in _folders(root) if depth else ():
        yield from _places(folder, depth - 1)


def _all_files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (path for name in names if not _is_left_over(path := Path(parent) / name))


def _is_left_over(path: Path) -> bool:
    """Say whether a file is half-written, or a lock: no run needs it."""
    return is_part(path) or path.name.startswith(".") or path.name.endswith(".partial.wav") or path.is_symlink()


def _folders(root: Path) -> list[Path]:
    try:
        inner = sorted(path for path in root.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError as error:
        raise RunError(f"{root} cannot be looked into ({error.strerror}); check its permissions") from error
    return [path for path in inner if path.name != ASIDE and not path.name.startswith(".")]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # gone meanwhile: a process is at work
        return 0
