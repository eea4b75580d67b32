"""Runs that are copies of other runs, told by what no run has twice: how long each of its updates took (P06)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

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
    first: dict[tuple[float, float], str] = {}
    found: dict[str, str] = {}
    for run in runs:
        try:
            updates = [(line["train_cost"], line["seconds"]) for line in run.metrics.updates]
        except RunError:
            continue  # what rests on its metrics says so
        owners = Counter(first.setdefault(update, run.name) for update in updates)
        del owners[run.name]
        if owners and (of := owners.most_common(1)[0])[1] > len(updates) / 2:
            found[run.name] = of[0]
    return found
