"""Is all that was reproduced still reproduced? An audit against the record of an earlier one, for use in CI."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from longsong.audit.claims import load_claims
from longsong.audit.ledger import Audit
from longsong.audit.verdicts import Verdict
from longsong.errors import RunError
from longsong.files import read_json

__all__ = ["Lapse", "lapses", "read_reproduced"]

_HOW = (
    "run longsong audit RUNS once without --strict, on runs that reproduce what is to be held, keep its audit.json, "
    "and give it as --against FILE"
)
_NAMED = 3


@dataclass(frozen=True)
class Lapse:
    """A claim that was reproduced and no longer is.

    Attributes
    ----------
    id : str
        Such as ``P07``.
    verdict : str
        What it is now; ``no row`` where there is none any more.
    why : str
        By how much it differs, or else the row's evidence.
    """

    id: str
    verdict: str
    why: str

    def sentence(self) -> str:
        """Say it in one line."""
        return f"{self.id} was reproduced and is now '{self.verdict}': {' '.join(self.why.split())}"


def read_reproduced(path: Path) -> tuple[str, ...]:
    """Read which claims an earlier audit found reproduced.

    Parameters
    ----------
    path : Path
        Its ``audit.json``.

    Raises
    ------
    RunError
        There is no such file; it is not one that `longsong audit` wrote; it lacks rows of claims that are audited now,
        or has none that was reproduced. To compare with nothing would be to pass whatever the runs show.
    """
    if not path.exists():
        raise RunError(f"there is no {path} to compare with; {_HOW}")
    found = read_json(path, "longsong.audit", 1)
    rows = found.get("rows")
    known = {verdict.value for verdict in Verdict}
    if not isinstance(rows, list) or not rows:
        raise RunError(f"{path} has no rows to compare with; it was altered, or is of an audit cut short: {_HOW}")
    reproduced = []
    for number, row in enumerate(rows):
        id, verdict = (row.get(key) if isinstance(row, dict) else None for key in ("id", "verdict"))
        if not isinstance(id, str) or verdict not in known:
            raise RunError(f"{path}, row {number}: claim {id!r} has the verdict {verdict!r}, which is none")
        if verdict == Verdict.REPRODUCED:
            reproduced.append(id)
    held = {row["id"] for row in rows}
    if missing := [claim.id for claim in load_claims() if claim.id not in held]:
        raise RunError(
            f"{path} has {len(held)} rows, and none of {', '.join(missing[:_NAMED])}"
            f"{' and others' if len(missing) > _NAMED else ''}; it was altered, or written by an older longsong: {_HOW}"
        )
    if not reproduced:
        raise RunError(f"{path} has 0 claims that were reproduced, so that nothing could lapse; {_HOW}")
    return tuple(reproduced)


def lapses(reproduced: tuple[str, ...], now: Audit) -> tuple[Lapse, ...]:
    """Give the claims of an earlier audit that are no longer reproduced, in its order.

    Parameters
    ----------
    reproduced : tuple of str
        The ids that were.
    now : Audit
        The audit to hold against them.
    """
    rows = {row.id: row for row in now.rows}
    found = []
    for id in reproduced:
        row = rows.get(id)
        if row is None:
            found.append(Lapse(id, "no row", "this version audits no such claim"))
        elif row.verdict is not Verdict.REPRODUCED:
            found.append(Lapse(id, row.verdict.value, row.by or row.text))
    return tuple(found)
