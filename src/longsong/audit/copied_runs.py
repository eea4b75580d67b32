"""Runs that are copies of other runs, told by what no run has twice: how long each of its updates took (P06)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from longsong.audit.run import Run
from longsong.errors import RunError

__all__ = ["copied_runs"]


def copied_runs(runs: Iterable[Run]) -> dict[str, str]:
    """Find the runs whose metrics are those of another, whatever else their folders say.

    A run that is made again on the same machine may have the same costs to the last bit; the seconds that its updates
    took it never has. Cost and seconds of each update are compared, as numbers and not bytes, so that neither writing
    them otherwise nor altering a few hides a copy: more than half of them are to the last bit those of another.

    Parameters
    ----------
    runs : iterable of Run
        Those whose metrics cannot be read are left out.

    Returns
    -------
    dict of str to str
        By the name of each run that has the metrics of one before it, the name of that one.
    """
    names, pairs = [], []
    for run in runs:
        try:
            updates = run.metrics.updates
        except RunError:
            continue  # what rests on its metrics says so
        names.append(run.name)
        # As one number each, so that they can be put in order.
        pairs.append(updates.column("train_cost") + 1j * updates.column("seconds"))
    if not pairs:
        return {}
    of_run = np.repeat(np.arange(len(pairs)), [len(one) for one in pairs])
    _, first, same = np.unique(np.concatenate(pairs), return_index=True, return_inverse=True)
    owners = of_run[first][same]  # by update, the first run that has it
    found: dict[str, str] = {}
    for number, name in enumerate(names):
        counts = np.bincount(owners[of_run == number], minlength=len(names))
        counts[number] = 0
        if counts.max() > len(pairs[number]) / 2:
            found[name] = names[int(counts.argmax())]
    return found
