"""``parity.json``: how far this code is from the original stack's numbers, as `longsong parity --json` wrote it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from longsong.errors import RunError
from longsong.files import read_json, sha256_of

__all__ = ["FORMAT", "KINDS", "PARITY_FILE", "VERSION", "GoldenParity", "Parity", "load_parity", "read_parity"]

FORMAT, VERSION = "longsong.parity", 1
PARITY_FILE = "parity.json"
KINDS = ("prediction", "cost", "gradient", "train cost", "step norm", "dev cost", "final")
"""Kinds of numbers that a golden file holds (FACTS section 7): the first three before training, the others over it."""

_REMEDY = "run longsong parity FILES --json FILE again"


@dataclass(frozen=True)
class GoldenParity:
    """One golden file against this code.

    Attributes
    ----------
    name : str
        The golden file.
    sha256 : str
        Its digest when it was compared.
    golden : {'as compared', 'altered since', 'not here'}
        Whether the file that was compared still is the one that lies there.
    cell, recurrence : str
        What was computed.
    errors : dict of str to float or None
        The largest error of each of `KINDS`, max |a - b| / max |b| over each tensor; None where it was not finite.
    order : bool
        Whether all mini-batches, of train and dev, were the same.
    passes : bool
        Whether all errors are within the tolerances, computed from `errors` and `order`.
    """

    name: str
    sha256: str
    golden: str
    cell: str
    recurrence: str
    errors: dict[str, float | None]
    order: bool
    passes: bool


@dataclass(frozen=True)
class Parity:
    """All golden files against this code.

    Attributes
    ----------
    forward_tolerance, training_tolerance : float
        Of the first three of `KINDS`, and of the others.
    form : str
        The form that computed costs and gradients, such as ``fused, elementwise compiled``.
    made_by : dict
        Version and command.
    files : tuple of GoldenParity
    sha256 : str
        Of ``parity.json`` itself.
    """

    forward_tolerance: float
    training_tolerance: float
    form: str
    made_by: dict[str, Any]
    files: tuple[GoldenParity, ...]
    sha256: str

    @property
    def passes(self) -> bool:
        """Whether every file does."""
        return all(file.passes for file in self.files)

    def largest(self) -> dict[str, float | None]:
        """Give the largest error of each kind over all files; None where one was not finite."""
        found: dict[str, float | None] = {}
        for kind in KINDS:
            errors = [file.errors[kind] for file in self.files]
            found[kind] = None if None in errors else max(error for error in errors if error is not None)
        return found

    def to_json(self) -> dict[str, Any]:
        """Give everything as values that JSON holds."""
        return {**asdict(self), "files": [asdict(file) for file in self.files], "largest": self.largest()}


def load_parity(runs: Path) -> Parity | None:
    """Read ``parity.json`` of a folder of runs; None where there is none. Raises as `read_parity`."""
    path = Path(runs) / PARITY_FILE
    return read_parity(path) if path.exists() else None


def read_parity(path: Path) -> Parity:
    """Read ``parity.json``, and look at the golden files again where they are here.

    Raises
    ------
    RunError
        It is missing, cut short, altered or of a newer version; the message says where.
    """
    path = Path(path)
    found = read_json(path, FORMAT, VERSION)
    try:
        tolerances = found["tolerances"]
        forward, training = float(tolerances["forward"]), float(tolerances["training"])
        files = tuple(_golden(path, entry, forward, training) for entry in found["files"])
        parity = Parity(forward, training, str(found["form"]), dict(found["made_by"]), files, sha256_of(path))
        stated = [bool(entry["passes"]) for entry in found["files"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"{path} is altered ({error!r}); {_REMEDY}") from error
    if not files:
        raise RunError(f"{path} names no golden file; {_REMEDY}")
    if stated != [file.passes for file in files]:
        raise RunError(f"{path} says {stated}, and its own numbers say {[file.passes for file in files]}; {_REMEDY}")
    return parity


def _golden(path: Path, entry: dict[str, Any], forward: float, training: float) -> GoldenParity:
    tensors: dict[str, float | None] = entry["tensors"]
    errors: dict[str, float | None] = {}
    for kind in KINDS:
        own = [error for name, error in tensors.items() if name.startswith(kind)]
        finite = [float(error) for error in own if error is not None and math.isfinite(error)]
        if not own:
            raise KeyError(f"no {kind} in {entry['name']}")
        errors[kind] = max(finite) if len(finite) == len(own) else None
    within = [
        error is not None and error <= (forward if kind in KINDS[:3] else training) for kind, error in errors.items()
    ]
    order = entry["order"] is True
    return GoldenParity(
        name=str(entry["name"]),
        sha256=str(entry["sha256"]),
        golden=_still_there(path, str(entry["path"]), str(entry["sha256"])),
        cell=str(entry["cell"]),
        recurrence=str(entry["recurrence"]),
        errors=errors,
        order=order,
        passes=order and all(within),
    )


def _still_there(path: Path, golden: str, sha256: str) -> str:
    """Compare a golden file with its digest: from here, or from beside ``parity.json``."""
    for place in (Path(golden), path.parent / golden):
        if place.is_file():
            return "as compared" if sha256_of(place) == sha256 else "altered since"
    return "not here"
