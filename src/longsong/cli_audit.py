"""The command that audits."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from longsong import cli_as_coded, cli_curves
from longsong.arguments import local
from longsong.errors import ConfigError, SpaceError

if TYPE_CHECKING:
    from longsong.audit import Audit

__all__ = ["add_audit", "audit"]

_FAILED = 1
_RECORD = "audit.json"


def add_audit(parser: argparse.ArgumentParser) -> None:
    """Add the options of `longsong audit`."""
    add = parser.add_argument
    add("runs", type=local, metavar="RUNS", help="folder of runs, such as runs/")
    add("--json", action="store_true", help="print the whole audit as JSON, and nothing else")
    add(
        "--strict",
        action="store_true",
        help="exit with 1 where a claim that was reproduced no longer is, by RUNS/audit.json as it stands",
    )
    add("--against", type=local, metavar="FILE", help="with --strict, the audit.json to compare with instead")
    cli_curves.add_comparisons(parser)
    cli_as_coded.add_experiment(parser)


def audit(a: argparse.Namespace) -> int:
    """Check every claim; gives the exit status: 1 where `--strict` finds a claim that lapsed."""
    if a.against is not None and not a.strict:
        raise ConfigError(f"against is {a.against}, and is for --strict alone; add that, or leave it out")
    others = [f"--{name.replace('_', '-')}" for name in ("as_coded", "cells", "curves") if getattr(a, name)]
    for name in ("json", "strict"):
        if others and getattr(a, name):
            raise ConfigError(f"{others[0]} prints what it measures, and --{name} is of the audit alone; call it twice")
    if a.as_coded:
        return cli_as_coded.audit_as_coded(a)
    cli_as_coded.refuse_without_as_coded(a)
    if not cli_curves.compare(a):
        return 0
    return _audit(a.runs, a.json, (a.against or a.runs / _RECORD) if a.strict else None)


def _audit(runs: Path, as_json: bool, record: Path | None) -> int:
    from longsong.audit import audit as check
    from longsong.audit import format_audit
    from longsong.audit.record import lapses, read_reproduced

    reproduced = () if record is None else read_reproduced(record)
    audited = check(runs)
    lapsed = lapses(reproduced, audited)
    if as_json:
        print(json.dumps(audited.to_json(), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print(format_audit(audited))
    _keep(audited, runs, lapsed=bool(lapsed), to=sys.stderr if as_json else sys.stdout)
    for lapse in lapsed:
        print(f"longsong: {lapse.sentence()}", file=sys.stderr)
    return _FAILED if lapsed else 0


def _keep(audited: Audit, runs: Path, *, lapsed: bool, to: TextIO) -> None:
    """Write the audit and the page into the folder of runs, or say that it may not be written to: a stick, a mount."""
    from longsong.audit import write_audit
    from longsong.report import write_report

    try:
        if not lapsed:  # else what was compared with stays as it is, so that the next comparison fails as well
            write_audit(audited, runs / _RECORD)
        print(f"the report is {write_report(runs, audited)}", file=to)
    except SpaceError as error:
        print(f"longsong: {error}; neither {_RECORD} nor the page is written", file=sys.stderr)
