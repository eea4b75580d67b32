"""Runs that are copies of other runs, told by what no run has twice: how long each of its updates took (P06)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from longsong.audit.run import Run
from longsong.errors import RunError

__all__ = ["copied_runs"]


def copied_runs(runs: Iterable[Run]) -> dict[str, str]:
    """Find the runs whose metrics are those of another, whatever else their folders say.

    A run that is made again on the same machine may have the same costs to the last bit; the seconds that its updates
    took it never has. Numbers are compared, not bytes, so that writing them otherwise hides nothing.

    Parameters
    ----------
    runs : iterable of Run
        Those whose metrics cannot be read are left out.

    Returns
    -------
    dict of str to str
        By the name of each run that has the metrics of one before it, the name of that one.
    """
    first: dict[str, str] = {}
    found: dict[str, str] = {}
    for run in runs:
        try:
            updates = [(line["train_cost"], line["seconds"]) for line in run.metrics.updates]
            evaluations = [line["dev_cost"] for line in run.metrics.evaluations]
        except RunError:
            continue  # what rests on its metrics says so
        key = hashlib.sha256(repr((updates, evaluations)).encode()).hexdigest()
        if (of := first.setdefault(key, run.name)) != run.name:
            found[run.name] = of
    return found
