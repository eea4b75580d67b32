"""The command that writes the page."""

from __future__ import annotations

import argparse

from longsong.arguments import local

__all__ = ["add_report", "report"]


def add_report(parser: argparse.ArgumentParser) -> None:
    """Add the options of `longsong report`."""
    parser.add_argument("runs", type=local, metavar="RUNS", help="folder of runs, such as runs/")
    parser.add_argument("--open", action="store_true", help="show it in the browser")


def report(a: argparse.Namespace) -> None:
    """Write the page of a folder of runs as they are now, with an audit of them."""
    from longsong.audit import audit
    from longsong.reproduce import write_audit_and_report

    page = write_audit_and_report(a.runs, audit(a.runs))
    print(page)
    if a.open:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
