"""The page: whole, escaped, offline, the same for the same runs."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from run_folders import dump, edit, read

from longsong.audit import audit
from longsong.errors import RunError, SpaceError
from longsong.files import write_json
from longsong.report import write_report

NAME = "40x50-gru-199-s1"
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """A page taken apart; what is opened has to be closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(word for word in self.words if word)


def page_of(runs: Path) -> Page:
    return Page(write_report(runs, audit(runs)).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(made: Path) -> Page:
    return page_of(made)


def test_every_run_has_curves_and_a_player(page: Page, made: Path) -> None:
    ids = {attrs["id"] for attrs in page.all("article")}
    assert ids == {f"run-{path.parent.name}" for path in made.glob("*/config.json")}
    assert len(page.all("svg")) == 3
    sources = {attrs["src"] for attrs in page.all("audio")}
    assert all((made / "report" / unquote(str(source))).resolve().is_file() for source in sources)
    assert len(sources) == 3
    assert all(attrs["preload"] == "none" and "controls" in attrs for attrs in page.all("audio"))


def test_every_claim_is_there_with_its_verdict(page: Page, made: Path) -> None:
    for row in audit(made).rows:
        assert row.claim in page.text
        assert row.text.split(". ")[0] in page.text
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    linked = {str(attrs["href"])[1:] for attrs in page.all("a")}
    assert linked <= set(ids)


def test_grid_shows_costs_and_why_not(page: Page, made: Path) -> None:
    cost = read(made / NAME / "summary.json")["best"]["dev_cost"]
    assert f"{cost:.4f}" in page.text
    assert "does not fit: one example needs 25,000 s" in page.text
    assert "no dev example" in page.text
    assert "There are 18 s of song to train on." in page.text


def test_page_needs_no_network(made: Path) -> None:
    text = write_report(made, audit(made)).read_text()
    links = re.findall(r"(?:src|href)=\"([^\"]*)\"", text)
    assert all(link.startswith(("#", "../")) for link in links)
    assert not re.search(r"@import|url\((?!#)", text)
    # Names of XML, not places: nothing is fetched from them.
    assert set(re.findall(r"https?://[^\s\"<]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_both_colour_schemes_and_small_screens(made: Path) -> None:
    text = write_report(made, audit(made)).read_text()
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text
    used = set(re.findall(r"var\((--[a-z-]+)\)", text)) - {"--share", "--tone"}
    light = text[text.index(":root") : text.index("@media")]
    dark = text[text.index("prefers-color-scheme: dark") :]
    named = set(re.findall(r"(--[a-z-]+):", light))
    assert used <= named
    assert named - {"--sans", "--mono"} <= set(re.findall(r"(--[a-z-]+):", dark[: dark.index("* {")]))


def test_same_runs_same_page(made: Path) -> None:
    found = audit(made)
    first = write_report(made, found).read_bytes()
    assert write_report(made, found).read_bytes() == first


def test_62_runs_would_stay_light(page: Page, made: Path) -> None:
    text = (made / "report" / "index.html").read_text()
    cards = re.findall(r"<article.*?</article>", text, flags=re.DOTALL)
    assert max(len(card) for card in cards) < 25_000


def test_whatever_files_hold_is_escaped(runs: Path) -> None:
    evil = '<script>alert("x")</script>'
    edit(runs / NAME / "config.json", made_by__command=["longsong", evil], execution__device_name=evil, song__name=evil)
    edit(runs / NAME / "generated.json", notes=[evil])
    grid = read(runs / "grid.json")
    for entry in grid["runs"]:
        entry |= {"reason": evil}
    dump(runs / "grid.json", grid)
    (runs / NAME).rename(runs / '"><img src=x>')
    page = page_of(runs)
    assert page.all("script") == []
    assert page.all("img") == []
    assert page.text.count(evil) >= 3


def test_faults_are_shown_and_stop_nothing(runs: Path) -> None:
    (runs / NAME / "metrics.jsonl").unlink()
    (runs / "1000x50-gru-199-s1" / "generated.wav").unlink()
    (runs / "40x50-lstm-199-s1" / "config.json").unlink()
    (runs / "40x50-lstm-199-s1" / "config.json").write_text("{")
    page = page_of(runs)
    assert len(page.all("article")) == 2
    assert page.all("svg") != []
    assert f"{NAME}/metrics.jsonl" in page.text
    assert "run longsong generate" in page.text
    assert "Not read:" in page.text


def test_nothing_to_show(tmp_path: Path) -> None:
    grid = {"format": "longsong.grid", "version": 1, "profile": "demo", "set": "post", "runs": []}
    write_json(tmp_path / "grid.json", grid)
    page = page_of(tmp_path)
    assert "No run is complete yet." in page.text
    with pytest.raises(RunError, match="there is no folder"):
        write_report(tmp_path / "none", audit(tmp_path))


def test_page_that_cannot_be_written(runs: Path) -> None:
    shutil.rmtree(runs / "report", ignore_errors=True)
    (runs / "report").write_text("in the way")
    with pytest.raises((SpaceError, RunError), match="report"):
        write_report(runs, audit(runs))
