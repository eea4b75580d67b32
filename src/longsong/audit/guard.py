"""A check that no single run can bring down: what cannot be checked is named, and the others are judged without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from longsong.audit.evidence import Evidence
from longsong.audit.run import Run
from longsong.audit.verdicts import Finding, Verdict, not_of_all
from longsong.errors import LongsongError, UnreadableError

__all__ = ["Guard"]

_NAMED = 3
_LONGEST = 300
"""Letters of a reason: what an error says may hold what a file says."""

Check = Callable[[Evidence], Finding]


class Guard:
    """Makes the checks of one audit, and keeps what could not be checked."""

    def __init__(self) -> None:
        self._rows: dict[str, list[str]] = {}

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be checked, one sentence each with the rows that it is of."""
        return tuple(f"{', '.join(ids)}: {text}" for text, ids in self._rows.items())

    def find(self, id: str, check: Check, evidence: Evidence) -> Finding:
        """Give what a check finds.

        Where a run brings the check down, whatever the error, the finding is that of the other runs, and its text
        names the run and says why. Where the check cannot be made with any run, there is no evidence; nor is there any
        for what every run has to bear out, where the system does not give a file of one: that run may well break it.

        Parameters
        ----------
        id : str
            Of the row.
        check : callable
        evidence : Evidence
        """
        found = _made(check, evidence)
        if isinstance(found, Finding):
            return found
        whole = found
        # One run at a time tells which; what was computed of each is remembered by the evidence.
        broken = {
            run.name: error
            for run in evidence.runs
            if not isinstance(error := _made(check, _only(evidence, [run])), Finding)
        }
        rest = [run for run in evidence.runs if run.name not in broken]
        found = _made(check, _only(evidence, rest)) if broken else whole
        if not isinstance(found, Finding):
            text = f"This could not be checked: {_why(whole)}."
            self._rows.setdefault(text, []).append(id)
            return Finding(Verdict.NO_EVIDENCE, text)
        named = "; ".join(f"{name}: {_why(error)}" for name, error in list(broken.items())[:_NAMED])
        more = f"; and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
        text = f"{len(broken)} of {len(evidence.runs)} runs could not be checked ({named}{more})."
        self._rows.setdefault(text, []).append(id)
        found = replace(found, numbers=found.numbers | {"runs_that_could_not_be_checked": list(broken)})
        if any(isinstance(error, UnreadableError) for error in broken.values()):
            return not_of_all(found, text)
        return replace(found, text=f"{found.text} {text}")


def _made(check: Check, evidence: Evidence) -> Finding | Exception:
    """Give what a check finds, or the error that it ends with."""
    try:
        return check(evidence)
    # What a file that was altered brings about has no root in common: it is told by name, and hides no other run.
    except Exception as error:
        return error


def _why(error: Exception) -> str:
    """Say an error in a few words: one of longsong's by what it says, any other with its name."""
    text = str(error) if isinstance(error, LongsongError) else f"{type(error).__name__}: {error}"
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _only(evidence: Evidence, runs: Sequence[Run]) -> Evidence:
    """Give the same evidence, with what is remembered, of some runs alone."""
    return replace(evidence, runs=tuple(runs))
