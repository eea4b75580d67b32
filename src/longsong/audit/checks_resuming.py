"""D10: whether a run that was stopped goes on where it was, or begins again with the first learning rate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from longsong.audit.evidence import Evidence
from longsong.audit.mean_squares import optimiser_altered, was_begun_again
from longsong.audit.run import Run
from longsong.audit.verdicts import Finding, Seen, Verdict, as_coded, others
from longsong.errors import RunError, UnreadableError

__all__ = ["resuming"]

_EXACT = 1e-6
"""How far a learning rate may be from the one that is due: it is a product of as many factors as there are epochs."""


@dataclass(frozen=True)
class _Rates:
    """What a run's learning rates are.

    Attributes
    ----------
    again : tuple of int
        Updates at which they are the first one again, and from which on they decay anew.
    odd : str
        What of them is explained neither by going on nor by beginning again; empty where nothing is.
    """

    again: tuple[int, ...]
    odd: str = ""


def resuming(evidence: Evidence) -> Finding:
    """D10: the optimiser's state is kept, and the learning rate goes on where it was."""
    seen, resumed = [], 0
    for run in evidence.complete:
        files: tuple[Path, ...] = (run.path("metrics.jsonl"), run.path("config.json"))
        resumed += run.summary["starts"] > 1
        try:
            files = (*files, run.checkpoint / "state.json", run.checkpoint / "optimiser.safetensors")
            rates = _rates(run)
        except UnreadableError:
            raise
        except RunError as error:
            rates = _Rates((), f"0 of its learning rates can be relied on ({error})")
        listed = ", ".join(f"{update:,}" for update in rates.again[:3])
        says = rates.odd or f"the first learning rate again at update {listed}"
        seen.append(Seen(run.name, bool(rates.again) and not rates.odd, says, files, bool(rates.odd)))
    otherwise = (
        f"The last checkpoints of {others(seen)} runs hold an optimiser's state for "
        f"every parameter and the decayed learning rate, and that of each update follows from its epoch; {resumed} "
        f"of them {'was' if resumed == 1 else 'were'} stopped and resumed on the way."
    )
    by = f"0 of {len(seen)} runs began again with the first learning rate; {resumed} were resumed"
    found = as_coded(seen, otherwise, "No run is complete.", {"runs_resumed": resumed}, by=by)
    if found.verdict is Verdict.DIFFERS and not resumed and not any(one.neither for one in seen):
        text = f"{found.text} So what is kept is right, and that it is taken up again was not shown."
        return replace(found, verdict=Verdict.NO_EVIDENCE, text=text, by="")
    return found


def _rates(run: Run) -> _Rates:
    """Follow a run's learning rates from update to update, and to its last checkpoint.

    Raises
    ------
    RunError
        A file that they stand in is missing, cut short or altered.
    """
    first, decay = run.of("training.learning_rate"), run.of("training.lr_decay")
    if altered := run.altered("metrics"):
        raise RunError(altered)
    if altered := optimiser_altered(run):
        return _Rates((), f"0 of its learning rates can be relied on: {altered}")
    if run.optimiser_shapes != run.shapes:
        held, due = len(run.optimiser_shapes), len(run.shapes)
        return _Rates((), f"its optimiser's state is not that of its {due} parameters but of {held}")
    begun, again = 0, list[int]()  # epochs before the one that the first learning rate was of
    for update, epoch, rate in run.metrics.updates.rows("update", "epoch", "learning_rate"):
        epochs = epoch - 1
        if _same(rate, first * decay ** (epochs - begun)):
            continue
        if not _same(rate, first):
            due = first * decay ** (epochs - begun)
            return _Rates(tuple(again), f"update {update} has the learning rate {rate:.6g}, not {due:.6g}")
        begun = epochs
        again.append(update)
    if again and was_begun_again(run) is False:
        return _Rates(tuple(again), f"its optimiser's state is not that of a start at update {again[-1]:,}")
    stops = run.summary["starts"] - 1
    if len(again) > stops:
        listed = ", ".join(map(str, again[:3]))
        return _Rates(tuple(again), f"the first learning rate again at update {listed}, after {stops} stops")
    held, due = run.state["learning_rate"], first * decay ** (run.state["epoch"] - begun)
    if not _same(held, due):
        return _Rates(tuple(again), f"its checkpoint has the learning rate {held:.6g}, where {due:.6g} is due")
    return _Rates(tuple(again))


def _same(rate: float, due: float) -> bool:
    return abs(rate - due) <= _EXACT * abs(due)
