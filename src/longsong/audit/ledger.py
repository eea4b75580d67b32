"""The ledger: every claim with the verdict of its check, and the evidence that anyone can look at."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from longsong.audit import (
    checks_code_generation,
    checks_code_training,
    checks_comparison,
    checks_cost,
    checks_data,
    checks_generation,
    checks_learning,
    checks_novelty,
    checks_repository,
    checks_resuming,
    checks_training,
    checks_updates,
)
from longsong.audit.bounds import load_evidence
from longsong.audit.claims import Claim, load_claims
from longsong.audit.evidence import Evidence
from longsong.audit.feasibility import Feasibility, feasibility
from longsong.audit.guard import Guard
from longsong.audit.one_thread import one_thread
from longsong.audit.parity import load_parity
from longsong.audit.verdicts import Finding, Verdict
from longsong.errors import RunError
from longsong.files import write_json
from longsong.progress import Progress
from longsong.version import __version__

__all__ = ["CHECKS", "OF_THE_SONG", "Audit", "Row", "audit", "format_audit", "write_audit"]

CHECKS: dict[str, Callable[[Evidence], Finding]] = {
    "P01": checks_data.one_song,
    "P02": checks_data.frames,
    "P03": checks_data.frame_sizes,
    "P04": checks_data.sequence_lengths,
    "P05": checks_data.next_frame_targets,
    "P06": checks_training.mini_batches,
    "P07": checks_training.epochs,
    "P08": checks_comparison.comparable,
    "P09": checks_comparison.no_difference,
    "P10": checks_training.two_layers,
    "P11": checks_cost.mean_square,
    "P12": checks_generation.fed_back,
    "P13": checks_generation.seed_cut_off,
    "P14": checks_generation.last_frames,
    "P15": checks_generation.thirty_seconds,
    "P16": checks_repository.public_code,
    "P17": checks_repository.described_process,
    "P18": checks_data.one_rate,
    "P19": checks_learning.length_of_memory,
    "P20": checks_updates.gradient_updates,
    "P21": checks_learning.good_at_predicting,
    "P22": checks_novelty.new_sound,
    "D01": checks_code_training.recurrence_axis,
    "D02": checks_code_generation.trained_network,
    "D03": checks_code_generation.whole_sequences,
    "D04": checks_code_generation.turned_over,
    "D05": checks_code_training.other_configurations,
    "D06": checks_code_training.forget_bias,
    "D07": checks_code_training.overlap,
    "D08": checks_code_training.example_counts,
    "D09": checks_code_training.storage,
    "D10": checks_resuming.resuming,
    "D11": checks_code_training.when_evaluated,
    "D12": checks_code_training.mean_subtracted,
    "D13": checks_code_generation.level,
    "D14": checks_code_generation.iterations_dropped,
    "D15": checks_code_generation.seed_example,
}
"""One check for each claim of ``claims.toml``; the keys are its ids."""

OF_THE_SONG = frozenset(
    ["P01", "P05", "P11", "P12", "P13", "P14", "P17", "P19", "P20", "P21", "P22", "D02", "D04", "D09"]
)  # fmt: skip
"""Rows for which the song's shards have to be at hand: of runs that come from elsewhere they say what to bring."""


@dataclass(frozen=True)
class Row:
    """A claim and what came of it.

    Attributes
    ----------
    id, claim, where, says : str
        The claim, as in ``claims.toml``.
    verdict : Verdict
    by : str
        By how much it differs, in numbers; empty for every other verdict.
    text : str
        The evidence in plain sentences.
    numbers : dict
        The evidence as numbers.
    files : list of dict
        ``path`` (from the folder of runs, where it lies in it) and ``sha256`` of each file it was read from.
    again : str
        A command that shows the evidence by hand.
    """

    id: str
    claim: str
    where: str
    says: str
    verdict: Verdict
    by: str
    text: str
    numbers: dict[str, Any]
    files: list[dict[str, str]]
    again: str


@dataclass(frozen=True)
class Audit:
    """What an audit of a folder of runs found.

    Attributes
    ----------
    rows : tuple of Row
        P01 to P22, D01 to D15.
    complete, unfinished : int
        Runs that bear witness, and those whose training has not come to its end.
    problems : tuple of str
        Files that could not be read, one sentence each.
    parity : dict or None
        What ``parity.json`` in the folder of runs has (`longsong.audit.parity`); None where there is none.
    feasibility : list of dict
        The post's configurations, each of both widths (`longsong.audit.feasibility`).
    """

    rows: tuple[Row, ...]
    complete: int
    unfinished: int
    problems: tuple[str, ...]
    parity: dict[str, Any] | None = None
    feasibility: tuple[dict[str, Any], ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many rows have each verdict."""
        found = Counter(row.verdict for row in self.rows)
        return {verdict.value: found[verdict] for verdict in Verdict}

    def row(self, id: str) -> Row:
        """Give the row of a claim by its id, such as ``P07``."""
        return next(row for row in self.rows if row.id == id)

    def to_json(self) -> dict[str, Any]:
        """Give the audit as values that JSON holds (``longsong.audit``, version 1); null where one is not finite."""
        found = {
            "format": "longsong.audit",
            "version": 1,
            "made_by": {"longsong": __version__},
            "counts": self.counts,
            "runs": {"complete": self.complete, "unfinished": self.unfinished},
            "problems": list(self.problems),
            "rows": [asdict(row) for row in self.rows],
            "parity": self.parity,
            "feasibility": list(self.feasibility),
        }
        return {key: _finite(value) for key, value in found.items()}


def audit(runs: Path, *, quiet: bool = False) -> Audit:
    """Check every claim against a folder of runs.

    Parameters
    ----------
    runs : Path
        The folder; runs that are not complete bear no witness.
    quiet : bool
        Report no progress.

    Returns
    -------
    Audit

    Raises
    ------
    RunError
        There is no such folder, or it holds no run.
    """
    with one_thread():
        return _audit(runs, quiet=quiet)


def _audit(runs: Path, *, quiet: bool) -> Audit:
    evidence = load_evidence(runs)
    if not evidence.runs and evidence.grid is None and not evidence.problems:
        if (runs / "config.json").exists():
            raise RunError(f"{runs} is a run itself; give the folder that it is in: {runs.resolve().parent}")
        raise RunError(f"{runs} holds no run; give the folder of runs, such as runs/, or train one first")
    guard, problems = Guard(), list(evidence.problems)
    claims, rows = load_claims(), list[Row]()
    with Progress(f"auditing {runs}", len(claims), "claims", quiet=quiet) as progress:
        for claim in claims:
            progress.advance(0, claim.id)
            rows.append(_row(claim, guard.find(claim.id, CHECKS[claim.id], evidence), evidence))
            progress.advance(1)
    parity = None
    try:
        parity = load_parity(runs)
    except RunError as error:
        problems.append(str(error))
    feasible: tuple[Feasibility, ...] = ()
    try:
        feasible = feasibility(evidence)
    except Exception as error:  # of whatever stands in a plan
        problems.append(f"{runs}: what the configurations take could not be laid out ({type(error).__name__}: {error})")
    return Audit(
        rows=tuple(rows),
        complete=len(evidence.complete),
        unfinished=len(evidence.runs) - len(evidence.complete),
        problems=(*problems, *guard.problems),
        parity=None if parity is None else parity.to_json(),
        feasibility=tuple(one.to_json() for one in feasible),
    )


def write_audit(audit: Audit, path: Path) -> None:
    """Write an audit as JSON, whole or not at all; raises as `longsong.files.write_json`."""
    write_json(path, audit.to_json(), sealed=True)


def format_audit(audit: Audit, width: int = 100) -> str:
    """Give an audit as lines for a terminal.

    Parameters
    ----------
    audit : Audit
    width : int
        Columns of the terminal.
    """
    lines = []
    for row in audit.rows:
        lines.append(f"{row.id}  {row.verdict.upper():<16}{row.claim}"[:width])
        if row.by:
            lines += textwrap.wrap(f"By: {row.by}.", width, initial_indent=" " * 5, subsequent_indent=" " * 9)
        lines += textwrap.wrap(row.text, width, initial_indent=" " * 5, subsequent_indent=" " * 5)
    lines += [f"Not read: {problem}" for problem in audit.problems]
    counts = ", ".join(f"{count} {verdict}" for verdict, count in audit.counts.items())
    unfinished = f", {audit.unfinished} unfinished" if audit.unfinished else ""
    return "\n".join([*lines, "", f"{counts} ({audit.complete} complete runs{unfinished})."])


def _digest(path: Path, evidence: Evidence) -> str:
    """Give a file's SHA-256, or why there is none."""
    try:
        return evidence.sha256(path)
    except RunError as error:
        return str(error)


def _finite(value: Any) -> Any:
    """Give the same with null for each number that JSON has no word for: files say anything, and sums overflow."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _row(claim: Claim, finding: Finding, evidence: Evidence) -> Row:
    text = finding.text
    if finding.verdict is Verdict.NO_EVIDENCE:
        away = evidence.shards_away if claim.id in OF_THE_SONG else ()
        named = ", ".join(away)
        text += (
            f" Bring: a copy of {named}, into shards/ beside the folder of runs." if away else f" Run: {claim.todo}."
        )
    files = [
        {"path": evidence.shown(path), "sha256": _digest(path, evidence)} for path in finding.files if path.is_file()
    ]
    run, shards = "RUN", "SHARDS"
    for one in evidence.sounding or evidence.complete:
        run, shards = str(one.folder), one.of("song.shards")
        break
    again = claim.command(runs=str(evidence.root), run=run, shards=shards)
    return Row(
        claim.id, claim.claim, claim.where, claim.says, finding.verdict, finding.by, text, finding.numbers, files, again
    )
