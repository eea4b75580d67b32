"""Damaged files of a run, put aside under a name that says so, such that what is lost is made again."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from longsong.errors import UnreadableError
from longsong.files import is_part, os_errors_named, sync_folder, write_bytes, write_text
from longsong.integrity.damage import Damage
from longsong.integrity.file_damage import file_damage
from longsong.integrity.run_damage import Inspection, inspect_run
from longsong.training.checkpoint_files import best_file, checkpoint_folders
from longsong.training.run_lock import only_here

__all__ = ["ASIDE", "WHY", "SetAside", "set_aside", "set_file_aside", "set_files_aside"]

ASIDE = "damaged"
"""The folder, beside those of the runs, that damaged files are put into."""

WHY = "why.txt"
"""In each folder that was put aside: what is wrong with what is in it."""


@dataclass(frozen=True)
class SetAside:
    """What was put aside.

    Attributes
    ----------
    folder : Path
        Where it is now; ``why.txt`` in it says what is wrong.
    damages : tuple of Damage
        With the paths that they had.
    begins_anew : bool
        Whether the whole run was put aside: nothing was left that it could go on from.
    """

    folder: Path
    damages: tuple[Damage, ...]
    begins_anew: bool

    def __str__(self) -> str:
        what = "a whole run" if self.begins_anew else "what was damaged"
        then = "; trained again, it begins anew" if self.begins_anew else "; what made it makes it again"
        return f"{self.folder} now has {what}{then}"


def set_aside(run: Path) -> SetAside | None:
    """Put aside what of a run is damaged, so that training and generating it again make what is missing.

    Nothing is removed. Damaged files are moved to ``damaged/RUN-TIME`` beside the run, and with them what cannot be
    true without them: newer checkpoints, the summary. Best parameters that the last checkpoint holds as well are taken
    from it. Where no checkpoint is left to go on from, the whole folder is moved. Computed in the same way (pieces,
    threads, precision), what is made again has the same bytes as what was lost.

    Parameters
    ----------
    run : Path
        Its folder.

    Returns
    -------
    SetAside or None
        None where nothing is damaged, or nothing is there.

    Raises
    ------
    BusyError
        Another process trains it.
    SpaceError, RunError
        Files cannot be moved.
    UnreadableError, VersionError
        A file is not given by the system, or was written by a newer version; nothing is moved.
    """
    if not run.is_dir():
        return None
    with only_here(run):
        found = inspect_run(run)
        if not found.damages:
            return None
        with os_errors_named(run.parent / ASIDE):
            folder = _new_folder(run.parent, run.resolve().name)
            if found.begins_anew:
                run.replace(folder / run.name)
            else:
                _move_parts(found, folder)
            for place in (folder, folder.parent, run.parent):
                sync_folder(place)
        write_text(folder / WHY, "".join(f"{damage}\n" for damage in found.damages))
        if found.best_from is not None and not found.begins_anew:
            write_bytes(best_file(run), found.best_from.read_bytes())
    return SetAside(folder, tuple(found.damages), found.begins_anew)


def set_file_aside(damage: Damage, beside: Path) -> SetAside:
    """Put a file into ``damaged`` in the folder `beside` that is no part of a run's training or sound.

    What made it makes it again; TensorBoard's events only with the whole run. Raises as `set_aside`.
    """
    path = damage.path
    with os_errors_named(beside / ASIDE):
        folder = _new_folder(beside, path.name)
        path.replace(folder / path.name)
        for place in (folder, folder.parent, beside, path.parent):
            sync_folder(place)
    write_text(folder / WHY, f"{damage}\n")
    return SetAside(folder, (damage,), False)


def set_files_aside(folder: Path) -> list[SetAside]:
    """Put aside what is damaged of the files that lie in a folder of runs, beside them; raises as `set_aside`.

    What cannot be read may be whole, and is left for whoever needs it to name.
    """
    found = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and not is_part(path):
            with suppress(UnreadableError):
                found.append(file_damage(path))
    return [set_file_aside(damage, folder) for damage in found if damage is not None]


def _new_folder(beside: Path, name: str) -> Path:
    """Make a folder that bears a name and the time."""
    stem = beside / ASIDE / f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    folder, count = stem, 1
    while folder.exists():
        count += 1
        folder = stem.with_name(f"{stem.name}-{count}")
    folder.mkdir(parents=True)
    return folder


def _move_parts(found: Inspection, folder: Path) -> None:
    run, parts = found.run, {damage.part for damage in found.damages}
    moved = {damage.path for damage in found.damages if damage.part in ("checkpoint", "best", "summary")}
    for damage in found.damages:
        if damage.part == "sound":
            moved |= {damage.path.with_suffix(".wav"), damage.path.with_suffix(".json")}
    if found.usable:
        checkpoints = checkpoint_folders(run / "checkpoints")
        newer = checkpoints[checkpoints.index(found.usable[-1]) + 1 :]
        # By its summary a run is known to be complete; one that goes on is not.
        moved |= set(newer) | ({run / "summary.json"} if newer or "metrics" in parts else set())
    for path in sorted(moved):
        if path.exists():
            target = folder / path.relative_to(run)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    if "metrics" in parts and (run / "metrics.jsonl").exists():  # the run goes on with what is whole of it
        shutil.copyfile(run / "metrics.jsonl", folder / "metrics.jsonl")
