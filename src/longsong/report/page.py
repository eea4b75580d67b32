"""The page: one HTML file that works offline, beside the runs whose sounds it plays."""

from __future__ import annotations

from pathlib import Path

from longsong.audit import Audit, Verdict
from longsong.files import os_errors_named, write_text
from longsong.report.view import make_view

__all__ = ["write_report"]

_TEMPLATE = "page.html.j2"


def write_report(runs: Path, audit: Audit) -> Path:
    """Write ``report/index.html`` into a folder of runs.

    Everything that comes from files is escaped; the curves alone, which `longsong.report.plots` draws from
    numbers, are put in as they are.

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
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    view = make_view(Path(runs), audit)
    environment = Environment(
        loader=PackageLoader("longsong.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(_TEMPLATE).render(
        view=view,
        audit=audit,
        drawing=Markup,
        slugs={verdict.value: verdict.value.replace(" ", "-") for verdict in Verdict},
    )
    page = Path(runs) / "report" / "index.html"
    with os_errors_named(page):
        page.parent.mkdir(exist_ok=True)
    write_text(page, text)
    return page
