"""The files of one run, each compared with what another of them says of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from longsong.errors import LongsongError, RunError, UnreadableError
from longsong.files import reading_named, sha256_of
from longsong.grid_file import GRID
from longsong.integrity.damage import Damage, Part, compare, tensors_end
from longsong.integrity.sound_damage import sound_damages
from longsong.training.checkpoint_files import (
    OPTIMISER,
    PARAMETERS,
    STATE,
    best_file,
    checkpoint_folders,
    read_best_record,
    read_state,
)
from longsong.training.record import read_record, read_summary

__all__ = ["Inspection", "damages", "inspect_run", "is_run"]

_CHUNK = 1 << 20
_SIGNS = ("config.json", "summary.json", "metrics.jsonl", "checkpoints")


def is_run(folder: Path) -> bool:
    """Say whether a folder holds a run, or what is left of one; one that has a grid or runs in it is none itself."""
    if not any((folder / name).exists() for name in _SIGNS) or (folder / GRID).exists():
        return False
    return not any(path.parent.name != "checkpoints" for path in folder.glob("*/config.json"))


def damages(run: Path) -> list[Damage]:
    """Find what is damaged in a run's folder; nothing, where it can go on, be heard and be audited as it is.

    Each file is read once, at about the speed of SHA-256: of a run of the post's size there are about 8 MB. What a
    process left half-written when it was killed is no damage: it is written again.

    Parameters
    ----------
    run : Path
        Its folder. No process may be at work on it.

    Returns
    -------
    list of Damage
        In the order configuration, checkpoints, metrics, best parameters, summary, sounds. A folder that holds no run
        has none.

    Raises
    ------
    UnreadableError, VersionError
        A file is not given by the system, or was written by a newer version: it may be whole.
    """
    return inspect_run(run).damages


@dataclass
class Inspection:
    """What was found in a run's folder.

    Attributes
    ----------
    run : Path
    damages : list of Damage
    usable : list of Path
        Checkpoints that the run can go on from, the newest last.
    best_from : Path or None
        The parameters that are the best ones too, where those are damaged.
    """

    run: Path
    damages: list[Damage] = field(default_factory=list)
    usable: list[Path] = field(default_factory=list)
    best_from: Path | None = None

    @property
    def begins_anew(self) -> bool:
        """Whether nothing is left that the run could go on from."""
        parts = {damage.part for damage in self.damages}
        lost = parts & {"checkpoint", "metrics", "best", "summary"}
        return "configuration" in parts or bool(lost and not self.usable)


def inspect_run(run: Path) -> Inspection:
    """Look at a run's files as `damages` does."""
    found = Inspection(run)
    states: dict[Path, dict[str, Any]] = {}
    folders = checkpoint_folders(run / "checkpoints")
    if not is_run(run):
        return found
    _read(found, run / "config.json", "configuration", lambda: read_record(run))
    summary = _read(found, run / "summary.json", "summary", lambda: read_summary(run))
    for folder in folders:
        state = _checkpoint(found, folder)
        if state is not None:
            states[folder] = state
    if summary is not None:
        _complete(found, folders, states, summary)
    usable = _with_metrics(found, states, summary)
    _best(found, usable, states, summary)
    found.damages += sound_damages(run)
    order = ("configuration", "checkpoint", "metrics", "best", "summary", "sound", "other")
    found.damages.sort(key=lambda damage: order.index(damage.part))
    return found


def _read(found: Inspection, path: Path, part: Part, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except UnreadableError:
        raise
    except LongsongError as error:
        found.damages.append(Damage(path, part, str(error)))
        return None


def _checkpoint(found: Inspection, folder: Path) -> dict[str, Any] | None:
    """Give what a checkpoint says of itself, if all of it is whole."""
    try:
        state = read_state(folder)
    except UnreadableError:
        raise
    except LongsongError as error:
        found.damages.append(Damage(folder, "checkpoint", str(error)))
        return None
    for name in (PARAMETERS, OPTIMISER):
        path = folder / name
        damage = compare(path, "checkpoint", state["sha256"][name], folder / STATE, tensors_end(path))
        if damage is not None:
            found.damages.append(Damage(folder, "checkpoint", damage.said))
            return None
    return state


def _complete(
    found: Inspection, folders: list[Path], states: dict[Path, dict[str, Any]], summary: Mapping[str, Any]
) -> None:
    """Hold the last checkpoint of a complete run against its summary."""
    summary_file = found.run / "summary.json"
    if not folders:
        said = f"{found.run / 'checkpoints'} holds no checkpoint, and {summary_file} is of one"
        found.damages.append(Damage(found.run / "checkpoints", "checkpoint", said))
    elif folders[-1] in states:
        newest = folders[-1]
        if states[newest]["sha256"][PARAMETERS] != summary["parameters_sha256"]:
            said = f"{newest} is another than the one that {summary_file} is of"
            found.damages.append(Damage(newest, "checkpoint", said))
            del states[newest]


def _with_metrics(
    found: Inspection, states: Mapping[Path, Mapping[str, Any]], summary: Mapping[str, Any] | None
) -> list[Path]:
    """Compare the metrics; gives the checkpoints for which there are enough of them."""
    metrics = found.run / "metrics.jsonl"
    damage = None
    if summary is not None:
        damage = compare(metrics, "metrics", summary["metrics_sha256"], found.run / "summary.json")
    digests = _digests_up_to(metrics, {state["metrics_bytes"] for state in states.values()})
    # Checkpoints of before 2026-11-23 have no digest: if it is known that something is damaged, it may be theirs; if it
    # is not, how long the metrics were is all that is known.
    enough = () if damage else ("",)
    usable = [
        folder
        for folder, state in states.items()
        if (due := digests.get(state["metrics_bytes"])) and state.get("metrics_sha256", "") in (due, *enough)
    ]
    if summary is None and states and (newest := list(states)[-1]) not in usable:
        size = states[newest]["metrics_bytes"]
        there = metrics.stat().st_size if metrics.exists() else 0
        what = "altered" if there >= size else f"cut short: it has {there:,} bytes of {size:,}"
        damage = Damage(metrics, "metrics", f"{metrics} is {what}, by what {newest / STATE} says")
    found.damages += [] if damage is None else [damage]
    return usable


def _digests_up_to(path: Path, lengths: Iterable[int]) -> dict[int, str]:
    """Give the digest of the beginning of a file, for each of some lengths that it has."""
    digest, at, found = hashlib.sha256(), 0, {}
    try:
        with reading_named(path), path.open("rb") as file:
            for length in sorted(lengths):
                while at < length and (chunk := file.read(min(_CHUNK, length - at))):
                    digest.update(chunk)
                    at += len(chunk)
                if at < length:
                    break
                found[length] = digest.hexdigest()
    except UnreadableError:
        raise
    except RunError:  # there is none
        return {0: hashlib.sha256().hexdigest()} if 0 in lengths else {}
    return found


def _best(
    found: Inspection,
    usable: list[Path],
    states: Mapping[Path, Mapping[str, Any]],
    summary: Mapping[str, Any] | None,
) -> None:
    """Look at the best parameters, and leave those checkpoints that can have theirs."""
    path = best_file(found.run)
    record = read_best_record(path.parent)
    damage = None
    if summary is not None:
        damage = compare(path, "best", summary["best"]["sha256"], found.run / "summary.json", tensors_end(path))
        there = None if damage else summary["best"]["sha256"]
    else:
        there = sha256_of(path) if path.is_file() else None

    def comes_again(state: Mapping[str, Any]) -> bool:
        """Say whether the best parameters so far are of an epoch that is still to come from this checkpoint."""
        return record is not None and record["epoch"] > state["epoch"]

    def can_have(state: Mapping[str, Any]) -> bool:
        best = state["best"]
        none_yet = best["epoch"] == 0
        return none_yet or comes_again(state) or best["sha256"] in (there, state["sha256"][PARAMETERS])

    found.usable = [folder for folder in usable if can_have(states[folder])]
    if summary is None and states:
        damage = _best_of_unfinished(path, there, list(states.items())[-1], record, comes_again)
    if damage is None:
        return
    found.damages.append(damage)
    if found.usable:
        state = states[found.usable[-1]]
        if state["best"]["epoch"] and state["best"]["sha256"] == state["sha256"][PARAMETERS]:
            found.best_from = found.usable[-1] / PARAMETERS


def _best_of_unfinished(
    path: Path,
    there: str | None,
    newest: tuple[Path, Mapping[str, Any]],
    record: Mapping[str, Any] | None,
    comes_again: Callable[[Mapping[str, Any]], bool],
) -> Damage | None:
    """Compare the best parameters with the newest checkpoint, or with what was about to become the best."""
    folder, state = newest
    best = state["best"]["sha256"]
    if state["best"]["epoch"] == 0 or there == best:
        return None
    if there is None:
        return (
            None if comes_again(state) else Damage(path, "best", f"there is no {path}, and {folder / STATE} is of one")
        )
    if record is None:
        # Written before there was a record: another digest may be that of an epoch of which no checkpoint was written.
        size = tensors_end(path)
        if size == path.stat().st_size:
            return None
    elif there == record["sha256"]:
        return None
    return compare(path, "best", best, folder / STATE, tensors_end(path))
