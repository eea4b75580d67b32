"""``as_coded.json``: written whole, and read with all that it says held against the files of its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from longsong.audit.as_coded import FORMAT, VERSION, AsCoded, GeneratedWay, SoundFigures, TrainedRun, TrainedWay
from longsong.audit.as_coded_runs import faults_of
from longsong.errors import RunError
from longsong.fields import CONFIG, Fields, require
from longsong.files import read_json, write_json

__all__ = ["AS_CODED_FILE", "find_as_coded", "load_as_coded", "write_as_coded"]

AS_CODED_FILE = "as_coded.json"

_FIELDS: Fields = {
    **{key: check for key, check in CONFIG.items() if key.startswith("song.")},
    **{f"configuration.{key}": CONFIG[f"data.{key}"] for key in ("frame", "seq", "batch")},
    **{f"configuration.{key}": CONFIG[f"model.{key}"] for key in ("cell", "hidden")},
    "configuration.layers": CONFIG["model.hidden"],
    "configuration.epochs": CONFIG["training.epochs"],
    "configuration.seeds": CONFIG["training.epochs"],
    "machine.device_name": CONFIG["execution.device_name"],
    "command": CONFIG["made_by.command"],
}

_REMEDY = "run `longsong audit RUNS --as-coded` again, which makes what is missing"


def write_as_coded(found: AsCoded) -> None:
    """Write ``as_coded.json``, whole or not at all; raises as `longsong.files.write_json`."""
    write_json(found.path, found.to_json(), sealed=True)


def find_as_coded(runs: Path) -> list[AsCoded]:
    """Read what `longsong audit RUNS --as-coded` left in a folder of runs, one for each configuration.

    Raises
    ------
    RunError
        As `load_as_coded`.
    """
    return [load_as_coded(path) for path in sorted(Path(runs).glob(f"as-coded/*/{AS_CODED_FILE}"))]


def load_as_coded(path: Path) -> AsCoded:
    """Read ``as_coded.json``, and hold it against the files of its runs (`longsong.audit.as_coded_runs`).

    Raises
    ------
    RunError
        It is missing, cut short, altered or of another version, or a file that it names is; the message names it, and
        what is not so.
    """
    path = Path(path)
    found = read_json(path, FORMAT, VERSION)
    require(found, _FIELDS, str(path))
    try:
        training = [
            TrainedWay(**_of(TrainedWay, way, runs=[_made(TrainedRun, run) for run in way["runs"]]))
            for way in found["training"]
        ]
        generating = [_made(GeneratedWay, way) for way in found["generating"]]
        read = AsCoded(**_of(AsCoded, found, path=path, training=training, generating=generating))
        # What follows from the runs' numbers is computed again, not believed.
        again = read.to_json()
        odd = [key for key in again if key != "made_by" and found[key] != again[key]]
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise RunError(f"{path} is altered ({error!r}); {_REMEDY}") from error
    if odd:
        raise RunError(f"{path} is altered: its {odd[0]} do not follow from its runs; {_REMEDY}")
    for fault in faults_of(read):
        raise RunError(f"{path} is altered, or its files were: {fault}; {_REMEDY}")
    return read


def _of(kind: Any, values: Mapping[str, Any], **instead: Any) -> dict[str, Any]:
    """Give the arguments of a dataclass from a JSON object."""
    names = [field.name for field in fields(kind)]
    return {name: instead[name] if name in instead else values[name] for name in names}


def _made(kind: Any, values: Mapping[str, Any]) -> Any:
    return kind(**_of(kind, values, sound=SoundFigures(**values["sound"])))
