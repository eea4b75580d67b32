"""``parity.json`` of a folder of runs, made from the golden files that lie beside this code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from longsong.audit.parity import PARITY_FILE, load_parity
from longsong.config import ExecutionConfig
from longsong.errors import RunError
from longsong.experiments.parity import measure_all, write_parity
from longsong.files import sha256_of
from longsong.version import __version__

__all__ = ["golden_files", "write_golden_parity"]


def golden_files() -> list[Path]:
    """Give the golden files of the checkout that this code is of; none where it was installed without its tests."""
    return sorted((Path(__file__).resolve().parents[3] / "tests" / "golden").glob("*.npz"))


def write_golden_parity(
    runs: Path,
    *,
    files: Sequence[Path] | None = None,
    execution: ExecutionConfig | None = None,
    command: Sequence[str] = (),
    quiet: bool = False,
) -> Path | None:
    """Compare this code with the numbers of the original stack, and write ``parity.json`` into a folder of runs.

    It takes some seconds a file, and is left as it is where the same files were compared by this version before.

    Parameters
    ----------
    runs : Path
        Has to be there.
    files : sequence of Path, optional
        Golden files; `golden_files` if not given.
    execution : ExecutionConfig, optional
        As for `longsong.experiments.parity.measure_parity`.
    command : sequence of str
        The words of the command that asks for it.
    quiet : bool
        Show no progress.

    Returns
    -------
    Path or None
        ``parity.json``; None where there is no golden file to compare with. Whether they agree, it says itself.

    Raises
    ------
    GoldenFileError
        A file is cut short, or of another form.
    RunError, SpaceError
        ``parity.json`` cannot be written.
    """
    found = golden_files() if files is None else list(files)
    if not found:
        return None
    path = Path(runs) / PARITY_FILE
    if not _is_of(runs, found):
        write_parity(measure_all(found, execution, quiet=quiet), path, command)
    return path


def _is_of(runs: Path, files: Sequence[Path]) -> bool:
    """Say whether ``parity.json`` is there already, of these files, by this version and torch."""
    try:
        there = load_parity(runs)
    except RunError:
        return False
    if there is None:
        return False
    made_by = {"longsong": __version__, "torch": torch.__version__}
    held = sorted((one.name, one.sha256) for one in there.files)
    due = sorted((file.name, sha256_of(file)) for file in files)
    return held == due and {key: there.made_by.get(key) for key in made_by} == made_by
