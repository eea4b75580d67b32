"""As many runs as the whole grid has, of both widths and two cells: 140, from one that is there."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from run_folders import Spec, copy, edit, write_grid

from longsong.reported import FRAMES, SEQUENCES

__all__ = ["MANY", "write_many"]

MANY = [
    Spec(frame, seq, hidden, cell)
    for cell, hidden, frame, seq in product(("gru", "lstm"), (199, 256), FRAMES, SEQUENCES)
]


LONG = 10**9
"""Samples that a song would have of which every one of them has an example."""


def write_many(root: Path, run: Path, shards: Path, specs: list[Spec] = MANY) -> Path:
    """Write a folder of runs that are copies of one under other names, for a page of all of them.

    A copy says of itself that it is of its own shape, and of a song that is long enough; its curves, numbers and sound
    are those of `run`, by hard links.
    It is not to be audited.

    Parameters
    ----------
    root : Path
        The folder to write.
    run : Path
        A complete run.
    shards : Path
        Its song.
    specs : list of Spec
    """
    root.mkdir(parents=True)
    for spec in specs:
        made = copy(run, root / spec.name)
        shape = {"data__frame": spec.frame, "data__seq": spec.seq, "data__hop": spec.frame * spec.seq}
        shape["song__samples"] = LONG
        edit(made / "config.json", **shape, model__hidden=spec.hidden, model__cell=spec.cell)
    write_grid(root, shards, specs)
    return root
