"""A check that no single run can bring down: what cannot be checked is named, and the others are judged without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from longsong.audit.evidence import Evidence
from longsong.audit.run import Run
from longsong.audit.verdicts import Finding, Verdict
from longsong.errors import LongsongError

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
        names the run and says why. Where the check cannot be made with any run, there is no evidence.

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
            run.name: why
            for run in evidence.runs
            if not isinstance(why := _made(check, _only(evidence, [run])), Finding)
        }
        rest = [run for run in evidence.runs if run.name not in broken]
        found = _made(check, _only(evidence, rest)) if broken else whole
        if not isinstance(found, Finding):
            text = f"This could not be checked: {whole}."
            self._rows.setdefault(text, []).append(id)
            return Finding(Verdict.NO_EVIDENCE, text)
        named = "; ".join(f"{name}: {why}" for name, why in list(broken.items())[:_NAMED])
        more = f"; and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
        text = f"{len(broken)} of {len(evidence.runs)} runs could not be checked ({named}{more})."
        self._rows.setdefault(text, []).append(id)
        numbers = found.numbers | {"runs_that_could_not_be_checked": list(broken)}
        return replace(found, text=f"{found.text} {text}", numbers=numbers)


def _made(check: Check, evidence: Evidence) -> Finding | str:
    """Give what a check finds, or why it finds nothing."""
    try:
        return check(evidence)
    except LongsongError as error:
        return _short(str(error))
    # What a file that was altered brings about has no root in common: it is told by name, and hides no other run.
    except Exception as error:
        return _short(f"{type(error).__name__}: {error}")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _only(evidence: Evidence, runs: Sequence[Run]) -> Evidence:
    """Give the same evidence, with what is remembered, of some runs alone."""
    return replace(evidence, runs=tuple(runs))
