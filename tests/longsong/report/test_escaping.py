"""Whatever a file, a folder or a tag is called: on a page it is text, in HTML, in SVG and in the JSON of a script."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from parsed_page import ParsedPage
from run_folders import dump, edit, read

from longsong.audit import Audit
from longsong.report import write_report
from longsong.report.drawing import draw

NAME = "40x50-gru-199-s1"
EVIL = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(1)</script>",
    "'><svg onload=alert(1)><!--",
    "{{ 7*7 }}{% raw %}&lt;b&gt;]]>",
    "javascript:alert(1)//",
]


def shape_of(page: ParsedPage) -> set[tuple[str, str]]:
    """Give each kind of element with each attribute that it has anywhere."""
    return {(tag, name) for tag, attrs in page.tags for name in ("", *attrs)}


@pytest.fixture(scope="module")
def usual(made: Path, audited: Audit) -> ParsedPage:
    return ParsedPage(write_report(made, audited).read_text(encoding="utf-8"))


def tainted(runs: Path, evil: str) -> Path:
    """Say it wherever a file of a run, or of the grid, has words of its own; gives the run's folder."""
    config = runs / NAME / "config.json"
    edit(config, song__name=evil, song__shards=evil, execution__device_name=evil, execution__torch=evil)
    edit(config, made_by__longsong=evil, made_by__commit=evil, made_by__command=["longsong", evil])
    edit(runs / NAME / "generated.json", notes=[evil], seed__file=evil)
    edit(runs / NAME / "summary.json", best__by=evil)
    grid = read(runs / "grid.json")
    for entry in grid["runs"]:
        entry |= {"reason": evil, "group": entry["group"]}
    grid |= {"command": ["longsong", evil]}
    name = evil.replace("/", "\N{FRACTION SLASH}")  # no path
    grid["runs"].append({**grid["runs"][0], "name": name, "state": "failed"})
    dump(runs / "grid.json", grid)
    return (runs / NAME).rename(runs / name)


@pytest.mark.parametrize("evil", EVIL)
def test_the_report_has_no_other_elements_and_attributes(
    runs: Path, usual: ParsedPage, audited: Audit, evil: str
) -> None:
    folder = tainted(runs, evil)
    rows = [
        replace(row, text=evil, by=row.by and evil, again=evil, files=[{"path": evil, "sha256": evil}])
        for row in audited.rows
    ]
    found = replace(audited, rows=tuple(rows), problems=(evil,))
    page = ParsedPage(write_report(runs, found).read_text(encoding="utf-8"))
    assert shape_of(page) <= shape_of(usual) | {
        ("p", ""),
        ("p", "class"),
        ("ul", ""),
        ("li", ""),
        ("code", ""),
        ("small", ""),
    }
    assert len(page.all("script")) == len(usual.all("script"))
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    links = [str(attrs[name]) for _, attrs in page.tags for name in ("href", "src") if name in attrs]
    assert all(link.startswith(("#", "../", "spectrograms/")) for link in links)
    assert evil in html.unescape(page.source) or folder.name in html.unescape(page.source)
    island = re.search(r'<script type="application/json" id="curves">(.*?)</script>', page.source, re.DOTALL)
    assert island is not None
    assert folder.name in json.loads(island[1])  # it is that name again, to the letter
    assert "<" not in island[1]


@pytest.mark.parametrize("evil", [*EVIL, r"$\frac{1}{2", "a--><b>"])
def test_a_drawing_has_words_as_words(evil: str) -> None:
    def plot(axes: object, text: str) -> None:
        axes.plot([1, 2], [3, 4], label=text)  # type: ignore[attr-defined]
        axes.set_title(text, parse_math=False)  # type: ignore[attr-defined]
        axes.text(1, 3, text, parse_math=False)  # type: ignore[attr-defined]

    drawn = ParsedPage(draw("evil", (4, 3), lambda axes: plot(axes, evil)))
    plain = ParsedPage(draw("evil", (4, 3), lambda axes: plot(axes, "words")))
    assert [tag for tag, _ in drawn.tags] == [tag for tag, _ in plain.tags]
    assert shape_of(drawn) == shape_of(plain)
    assert drawn.text.count(" ".join(evil.split())) == plain.text.count("words")
