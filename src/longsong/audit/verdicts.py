"""Verdicts, and the two rules by which what single runs show becomes the verdict of a row.

A P row holds a claim of the post: it is *reproduced* only if every run that speaks of it bears it out.
A D row holds something that the 2016 code did: it is *reproduced* as soon as one run does as that code
did, and *differs* where all do otherwise: by design, as described, or neither as described nor as that code did, which
is said apart. ``docs/audit.md`` explains both.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

__all__ = [
    "Finding",
    "Seen",
    "Verdict",
    "all_of",
    "as_coded",
    "every_run",
    "least_to_most",
    "name_some",
    "not_of_all",
    "others",
    "unless_unseen",
]

_NAMED = 3


class Verdict(StrEnum):
    """What a check can come to."""

    REPRODUCED = "reproduced"
    DIFFERS = "differs"
    CANNOT_BE = "cannot be"
    NOT_STATED = "not stated"
    NO_EVIDENCE = "no evidence yet"


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    verdict : Verdict
        The verdict, computed.
    text : str
        The evidence in plain sentences, with its numbers.
    numbers : dict
        The same numbers by name; values that JSON holds.
    files : tuple of Path
        The files that the numbers were read from.
    by : str
        By how much it differs, in numbers; empty for every other verdict.
    one_is_enough : bool
        It is reproduced by a single run, whatever others do.
    """

    verdict: Verdict
    text: str
    numbers: dict[str, Any] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    by: str = ""
    one_is_enough: bool = False


@dataclass(frozen=True)
class Seen:
    """What one run shows of a claim.

    Attributes
    ----------
    run : str
        The run's name.
    holds : bool
        P rows: the run bears the claim out. D rows: the run does as the 2016 code did.
    says : str
        What it is that was seen, in a few words with numbers; used where a run is named, and, where a claim of the
        post is broken, by how much.
    files : tuple of Path
        The files that it was read from.
    neither : bool
        D rows: the run does neither as the 2016 code did nor as described.
    """

    run: str
    holds: bool
    says: str
    files: tuple[Path, ...] = ()
    neither: bool = False


def every_run(seen: Sequence[Seen], good: str, nothing: str, numbers: dict[str, Any] | None = None) -> Finding:
    """Judge a claim of the post: every run has to bear it out.

    Parameters
    ----------
    seen : sequence of Seen
        One for each run that speaks of the claim.
    good : str
        The sentence where all bear it out.
    nothing : str
        The sentence where there is no such run.
    numbers : dict, optional
        Numbers of the row; the counts of runs are added.

    Returns
    -------
    Finding
        No evidence without a run; differs, naming the runs, if one breaks it; else reproduced.
    """
    broken = [one for one in seen if not one.holds]
    counts = {"runs": len(seen), "runs_that_break_it": len(broken), **(numbers or {})}
    files = _files(broken or seen)
    if not seen:
        return Finding(Verdict.NO_EVIDENCE, nothing, counts, files)
    if broken:
        text = f"{len(broken)} of {_runs(len(seen))} break{'s' if len(broken) == 1 else ''} it: {name_some(broken)}."
        return Finding(Verdict.DIFFERS, text, counts, files, _by(broken, len(seen)))
    return Finding(Verdict.REPRODUCED, good, counts, files)


def unless_unseen(finding: Finding, seen: int, instead: str) -> Finding:
    """Take a verdict back where nothing but the runs' own word is behind it.

    Parameters
    ----------
    finding : Finding
        What `every_run` found.
    seen : int
        Runs for which it was computed again.
    instead : str
        The sentence that says that it was for none.

    Returns
    -------
    Finding
        `finding`, but no evidence where it would be reproduced and `seen` is 0.
    """
    if seen or finding.verdict is not Verdict.REPRODUCED:
        return finding
    return Finding(Verdict.NO_EVIDENCE, instead, finding.numbers, finding.files)


def not_of_all(finding: Finding, why: str) -> Finding:
    """Say of a finding that it is not of all that speak of the claim, as something could not be seen.

    Parameters
    ----------
    finding : Finding
        Of the others.
    why : str
        The sentence that says of which it is not, and why.

    Returns
    -------
    Finding
        The same with that sentence; no evidence where every run had to bear the claim out, and the others do.
    """
    taken_back = finding.verdict is Verdict.REPRODUCED and not finding.one_is_enough
    verdict = Verdict.NO_EVIDENCE if taken_back else finding.verdict
    return replace(finding, verdict=verdict, text=f"{finding.text} {why}")


def as_coded(
    seen: Sequence[Seen], otherwise: str, nothing: str, numbers: dict[str, Any] | None = None, *, by: str
) -> Finding:
    """Judge a way of the 2016 code: one run that does as it did is enough.

    Parameters
    ----------
    seen : sequence of Seen
        One for each run that can show it; `holds` where it does as the 2016 code did.
    otherwise : str
        The sentence where all do otherwise.
    nothing : str
        The sentence where there is no run that could show it.
    numbers : dict, optional
        Numbers of the row; the counts of runs are added.
    by : str
        By how much the runs differ from the code, in numbers.

    Returns
    -------
    Finding
        No evidence without a run; reproduced, naming the runs, if one does as coded; else differs, naming those that
        do not do as described either.
    """
    coded, odd = [one for one in seen if one.holds], [one for one in seen if one.neither]
    counts = {"runs": len(seen), "runs_as_coded": len(coded), "runs_of_neither_way": len(odd), **(numbers or {})}
    if not seen:
        return Finding(Verdict.NO_EVIDENCE, nothing, counts)
    if odd:
        does = "does" if len(odd) == 1 else "do"
        rest = len(seen) - len(coded) - len(odd)
        named = f"{len(odd)} of {_runs(len(seen))} {does} neither as described nor as the 2016 code did: "
        otherwise = f"{named}{name_some(odd)}." + (f" {otherwise}" if rest else "")
    if coded:
        rest = len(seen) - len(coded)
        text = f"{len(coded)} of {_runs(len(seen))} as the 2016 code did: {name_some(coded)}."
        if rest:
            text += f" The other {rest} otherwise. {otherwise}"
        return Finding(Verdict.REPRODUCED, text, counts, _files(coded), one_is_enough=True)
    if odd:
        return Finding(Verdict.DIFFERS, otherwise, counts, _files(odd), _by(odd, len(seen)))
    return Finding(Verdict.DIFFERS, otherwise, counts, _files(seen), by)


def name_some(seen: Sequence[Seen]) -> str:
    """Name the first few of `seen` with what they show, and count the others."""
    named = "; ".join(f"{one.run}: {one.says}" for one in seen[:_NAMED])
    more = len(seen) - _NAMED
    return f"{named}; and {more} more" if more > 0 else named


def all_of(seen: Sequence[Seen]) -> str:
    """Give, as ``12 of 12``, that all of `seen` bear a claim out."""
    return f"{len(seen)} of {len(seen)}"


def others(seen: Sequence[Seen]) -> str:
    """Give, as ``11 of 12``, how many of `seen` do as described, and not as the 2016 code did."""
    return f"{sum(not (one.holds or one.neither) for one in seen)} of {len(seen)}"


def least_to_most(values: Collection[int]) -> str:
    """Give a number, or the least and the largest of several; 0 where there is none."""
    low, high = min(values, default=0), max(values, default=0)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _by(broken: Sequence[Seen], all: int) -> str:
    """Say by how much the first of the runs that break a claim does, and how many do."""
    rest = f", and {len(broken) - 1} more of {_runs(all)}" if len(broken) > 1 else f", 1 of {_runs(all)}"
    return f"{broken[0].says} ({broken[0].run}{rest})"


def _runs(count: int) -> str:
    return f"{count} run" if count == 1 else f"{count} runs"


def _files(seen: Sequence[Seen]) -> tuple[Path, ...]:
    """Give the files of all `seen`, each once, in order."""
    return tuple(dict.fromkeys(path for one in seen for path in one.files))
