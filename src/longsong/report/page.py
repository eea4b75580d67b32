"""The page: one HTML file that works offline, beside the runs whose sounds it plays."""

from __future__ import annotations

from pathlib import Path

from longsong.audit import Audit, Verdict
from longsong.errors import RunError
from longsong.files import os_errors_named, write_text
from longsong.report.ledger_numbers import number_lines
from longsong.report.templating import render
from longsong.report.view import make_view

__all__ = ["write_report"]

_TEMPLATE = "page.html.j2"


def write_report(runs: Path, audit: Audit) -> Path:
    """Write ``report/index.html`` into a folder of runs.

    Everything that comes from files is escaped; the curves of 2016 alone, which `longsong.report.curves_plot` draws
    from numbers, are put in as they are. Spectrograms of the sounds are drawn into ``report/spectrograms``.

    Parameters
    ----------
    runs : Path
        The folder of runs; the page plays their sounds by relative paths.
    audit : Audit
        What `longsong.audit.audit` found there.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    RunError
        There is no such folder.
    SpaceError
        The page cannot be written there.
    """
    from markupsafe import Markup

    page = Path(runs) / "report" / "index.html"
    if not Path(runs).is_dir():
        raise RunError(f"there is no folder {runs}; give the folder of runs, such as runs/")
    with os_errors_named(page):
        page.parent.mkdir(exist_ok=True)
    text = render(
        _TEMPLATE,
        view=make_view(Path(runs), audit, page.parent),
        audit=audit,
        drawing=Markup,
        number_lines=number_lines,
        slugs={verdict.value: verdict.value.replace(" ", "-") for verdict in Verdict},
    )
    write_text(page, text)
    return page
