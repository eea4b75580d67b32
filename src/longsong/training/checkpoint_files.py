"""The files of a run's checkpoints: which there are, what they say of themselves, and which stay."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from longsong.errors import CheckpointError, RunError, UnreadableError
from longsong.fields import CHECKPOINT, require
from longsong.files import read_json, rest_sha256, write_json

__all__ = [
    "BEST",
    "OPTIMISER",
    "PARAMETERS",
    "REMEDY",
    "STATE",
    "best_file",
    "checkpoint_folders",
    "has_checkpoint",
    "read_best_record",
    "read_state",
    "remove_older",
    "write_best_record",
    "write_state",
]

BEST, PARAMETERS, OPTIMISER = "best.safetensors", "parameters.safetensors", "optimiser.safetensors"
STATE = "state.json"
REMEDY = "`longsong verify RUN --set-aside` takes out what is damaged, and training then does what is left"

_FORMAT, _BEST_FORMAT, _VERSION = "longsong.checkpoint", "longsong.best", 1
_FOLDER = re.compile(r"update-([0-9]{8,18})")


def best_file(run: Path) -> Path:
    """Give the path of a run's best parameters."""
    return run / "checkpoints" / BEST


def checkpoint_folders(folder: Path) -> list[Path]:
    """Give the checkpoints in the folder of checkpoints, the newest last."""
    found = [(int(match[1]), path) for path in folder.glob("update-*") if (match := _FOLDER.fullmatch(path.name))]
    return [path for _, path in sorted(found) if path.is_dir()]


def has_checkpoint(folder: Path) -> bool:
    """Say whether there is a checkpoint in the folder of checkpoints."""
    return bool(checkpoint_folders(folder))


def remove_older(folder: Path, keep: int) -> None:
    """Remove all checkpoints in the folder of checkpoints but the `keep` newest."""
    for older in checkpoint_folders(folder)[:-keep]:
        shutil.rmtree(older, ignore_errors=True)


def write_state(checkpoint: Path, state: Mapping[str, Any]) -> None:
    """Write ``state.json`` of a checkpoint, with the digest of what it says; raises as `longsong.files.write_json`."""
    head = {"format": _FORMAT, "version": _VERSION, "state_sha256": rest_sha256(state)}
    write_json(checkpoint / STATE, {**head, **state})


def read_state(checkpoint: Path) -> dict[str, Any]:
    """Read what a checkpoint says of itself.

    Returns
    -------
    dict
        As in ``docs/formats.md``, without format, version and the digest of the rest; each field is of its kind.

    Raises
    ------
    CheckpointError
        It is missing, cut short or altered.
    UnreadableError, VersionError
        As `longsong.files.read_json`.
    """
    path = checkpoint / STATE
    try:
        state = read_json(path, _FORMAT, _VERSION)
        require(state, CHECKPOINT, str(path))
        if set(state["sha256"]) != {PARAMETERS, OPTIMISER}:
            raise RunError(f"{path} has digests of {sorted(state['sha256'])}, not of {PARAMETERS} and {OPTIMISER}")
    except UnreadableError:
        raise
    except RunError as error:
        raise CheckpointError(f"{error}; {REMEDY}") from error
    kept = state.pop("state_sha256")
    del state["format"], state["version"]
    if rest_sha256(state) != kept:
        raise CheckpointError(f"{path} is altered: it is not what its state_sha256 is of; {REMEDY}")
    return state


def write_best_record(folder: Path, best: Mapping[str, Any]) -> None:
    """Write which parameters are about to be the best of those in the folder of checkpoints.

    While a process may be killed between these and the checkpoint that speaks of them, only this tells them from
    damaged ones.

    Parameters
    ----------
    folder : Path
    best : mapping
        ``epoch``, ``dev_cost`` and ``sha256``.
    """
    write_json(folder / "best.json", {"format": _BEST_FORMAT, "version": _VERSION, **best}, sealed=True)


def read_best_record(folder: Path) -> dict[str, Any] | None:
    """Read that again; None where there is none, or none that can be read: it is written anew with the next ones."""
    try:
        found = read_json(folder / "best.json", _BEST_FORMAT, _VERSION)
        require(found, {name.removeprefix("best."): fits for name, fits in CHECKPOINT.items() if "best." in name}, "")
    except UnreadableError:
        raise
    except RunError:
        return None
    return found
