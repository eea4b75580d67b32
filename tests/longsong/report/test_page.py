"""The page: whole, escaped, offline, the same for the same runs."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest
from parsed_page import ParsedPage
from run_folders import copy, dump, edit, read

from longsong.audit import Audit, audit
from longsong.errors import RunError, SpaceError
from longsong.files import write_json
from longsong.report import write_report
from longsong.version import source_commit

NAME = "40x50-gru-199-s1"


def page_of(runs: Path, audited: Audit | None = None) -> ParsedPage:
    return ParsedPage(write_report(runs, audited or audit(runs)).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(made: Path, audited: Audit) -> ParsedPage:
    return page_of(made, audited)


def in_words(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def test_every_run_has_curves_and_a_player(page: ParsedPage, made: Path) -> None:
    names = {path.parent.name for path in made.glob("*/config.json")}
    assert {attrs["id"] for attrs in page.all("article")} == {f"run-{name}" for name in names}
    assert {attrs["data-curves"] for attrs in page.of_class("plot") if "data-curves" in attrs} == names
    assert all(attrs["aria-label"] for attrs in page.of_class("plot") if "data-curves" in attrs)
    assert {attrs["value"] for attrs in page.all("input") if attrs.get("name") == "compare"} == names
    sources = {attrs["src"] for attrs in page.all("audio")}
    assert all((made / "report" / unquote(str(source))).resolve().is_file() for source in sources)
    assert len(sources) == 3
    assert all(attrs["preload"] == "none" and "controls" in attrs for attrs in page.all("audio"))
    pictures = {str(attrs["src"]) for attrs in page.all("img")}
    assert pictures == {f"spectrograms/{name}.png" for name in names}
    assert all((made / "report" / source).is_file() for source in pictures)
    assert all(attrs["loading"] == "lazy" for attrs in page.all("img"))


def test_the_numbers_that_curves_are_drawn_from_are_in_the_page(page: ParsedPage, made: Path) -> None:
    island = re.search(r'<script type="application/json" id="curves">(.*?)</script>', page.source, re.DOTALL)
    assert island is not None
    curves = json.loads(island[1])
    assert curves.keys() == {path.parent.name for path in made.glob("*/config.json")}
    best = read(made / NAME / "summary.json")["best"]["dev_cost"]
    assert min(cost for _, cost in curves[NAME]["dev"]) == pytest.approx(best, rel=1e-4)


def test_every_claim_is_there_with_its_verdict(page: ParsedPage, audited: Audit) -> None:
    for row in audited.rows:
        assert in_words(row.claim) in page.text
        assert in_words(row.text) in page.text
        assert not row.by or in_words(row.by) in page.text
    rows = {attrs["id"]: attrs["data-verdict"] for attrs in page.all("tr") if "data-verdict" in attrs}
    assert rows == {f"claim-{row.id}": row.verdict.value for row in audited.rows}


def test_links_lead_somewhere_and_ids_are_there_once(page: ParsedPage) -> None:
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    linked = {str(attrs["href"])[1:] for attrs in page.all("a")}
    assert linked <= set(ids)


def test_the_head_says_song_machine_commits_counts_and_the_best(page: ParsedPage, made: Path, audited: Audit) -> None:
    config = read(made / NAME / "config.json")
    for words in ("tones", "2 cores", "22 November 2026, 07:00 UTC", config["song"]["digest"][:16]):
        assert words in page.text
    for verdict, count in audited.counts.items():
        assert f"{count} {verdict}" in page.text
    judged = {path.parent.name: read(path) for path in made.glob("*/summary.json")}
    ratios = {
        name: summary["best"]["dev_cost"] / summary["cost_of_mean"]
        for name, summary in judged.items()
        if summary["best"]["dev_cost"] is not None
    }
    best = min(ratios, key=ratios.__getitem__)
    assert f"{ratios[best]:.3f} times that of predicting the mean" in page.text
    start = page.source.index('aria-labelledby="best"')
    head = page.source[start : page.source.index("</section>", start)]
    assert f'src="../{best}/generated.wav"' in head
    assert f'href="#run-{best}"' in head


def test_commits_of_the_runs_and_of_the_page_are_said(runs: Path, page: ParsedPage, audited: Audit) -> None:
    assert "not on record" in page.text  # runs that were made before it was
    edit(runs / NAME / "config.json", made_by__commit="0123456789abcdef0123")
    text = page_of(runs).text
    assert "commit of the runs 0123456789ab " in text
    commit = source_commit()
    assert commit is None or commit[:12] in text


def test_grid_shows_costs_and_why_not(page: ParsedPage, made: Path) -> None:
    summary = read(made / NAME / "summary.json")
    assert f"{summary['best']['dev_cost'] / summary['cost_of_mean']:.3f}" in page.text
    assert "does not fit needs 25,000 s" in page.text
    assert "no dev example" in page.text
    assert "There are 18.4 s of song to train on." in page.text
    cells = re.findall(r'<td class="run"[^>]*><a href="#run-([^"]+)"', page.source)
    assert set(cells) == {path.parent.name for path in made.glob("*/config.json")}


def test_a_run_says_how_it_was_made_and_is_made_again(page: ParsedPage) -> None:
    card = page.source[page.source.index(f'id="run-{NAME}"') :]
    card = html.unescape(card[: card.index("</article>")])
    assert "longsong train " in card
    assert "--frame 40 --seq 50" in card
    assert f"longsong generate runs/{NAME}" in card
    assert "<dt>learning rate</dt><dd>0.002</dd>" in card
    assert '<button type="button" data-copy>' in card


def test_runs_of_the_same_settings_are_told_apart_by_their_names(runs: Path, audited: Audit) -> None:
    copy(runs / NAME, runs / "again")
    page = page_of(runs, audited)
    for name in (NAME, "again"):
        assert page.text.count(f"40 \N{MULTIPLICATION SIGN} 50, GRU 199, seed 1 ({name})") >= 2


def test_what_nobody_measured_is_named_with_the_command_that_does(page: ParsedPage, made: Path) -> None:
    for what in ("--curves", "--as-coded"):
        assert f"longsong audit {made} {what}" in page.text
    assert f"--json {made}/parity.json" in page.text
    assert "They are made by longsong reproduce" in page.text


def test_page_needs_no_network(page: ParsedPage) -> None:
    text = page.source
    links = re.findall(r"\s(?:src|href)=\"([^\"]*)\"", text)
    assert all(link.startswith(("#", "../", "spectrograms/")) for link in links)
    assert not re.search(r"@import|url\((?!#)|\bfetch\(|XMLHttpRequest|\bimport\(|type=\"module\"", text)
    # Names of XML, not places: nothing is fetched from them.
    assert set(re.findall(r"https?://[^\s\"<]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_every_colour_is_named_in_light_and_dark(page: ParsedPage) -> None:
    text = page.source
    own = {"--share", "--tone", "--dash"}  # set by the elements that use them
    used = set(re.findall(r"var\((--[a-z-]+)[,)]", text)) - own
    light = text[text.index(":root") : text.index("@media")]
    dark = text[text.index("prefers-color-scheme: dark") :]
    named = set(re.findall(r"(--[a-z-]+):", light))
    assert used <= named
    assert named - {"--sans", "--mono"} <= set(re.findall(r"(--[a-z-]+):", dark[: dark.index("* {")]))


def test_same_runs_same_page(made: Path, audited: Audit) -> None:
    first = write_report(made, audited).read_bytes()
    assert write_report(made, audited).read_bytes() == first


def test_140_runs_would_stay_light(page: ParsedPage) -> None:
    cards = re.findall(r"<article.*?</article>", page.source, flags=re.DOTALL)
    assert max(len(card) for card in cards) < 25_000
    island = page.source[page.source.index('id="curves"') :]
    assert len(island[: island.index("</script>")]) / len(cards) < 8_000


def test_whatever_files_hold_is_escaped(runs: Path) -> None:
    evil = '<script>alert("x")</script>'
    edit(runs / NAME / "config.json", made_by__command=["longsong", evil], execution__device_name=evil, song__name=evil)
    edit(runs / NAME / "config.json", made_by__commit=evil, song__shards=evil)
    edit(runs / NAME / "generated.json", notes=[evil])
    grid = read(runs / "grid.json")
    for entry in grid["runs"]:
        entry |= {"reason": evil, "state": "failed" if entry["state"] != "done" else "done"}
    dump(runs / "grid.json", grid)
    (runs / NAME).rename(runs / '"><img src=x>')
    page = page_of(runs)
    assert len(page.all("script")) == 2  # its numbers, and what it does
    assert all(str(attrs["src"]).startswith("spectrograms/") for attrs in page.all("img"))
    assert page.text.count(evil) >= 3
    assert evil not in page.source


def test_faults_are_shown_and_stop_nothing(runs: Path) -> None:
    (runs / NAME / "metrics.jsonl").unlink()
    (runs / "1000x50-gru-199-s1" / "generated.wav").unlink()
    (runs / "40x50-lstm-199-s1" / "config.json").unlink()
    (runs / "40x50-lstm-199-s1" / "config.json").write_text("{")
    page = page_of(runs)
    assert len(page.all("article")) == 2
    assert {attrs["data-curves"] for attrs in page.of_class("plot") if "data-curves" in attrs} == {"1000x50-gru-199-s1"}
    assert f"{NAME}/metrics.jsonl" in page.text
    assert "1000x50-gru-199-s1/generated.wav" in page.text
    assert "Not read:" in page.text


def test_nothing_to_show(tmp_path: Path, audited: Audit) -> None:
    grid = {"format": "longsong.grid", "version": 1, "profile": "demo", "set": "post", "runs": []}
    write_json(tmp_path / "grid.json", grid)
    page = page_of(tmp_path)
    assert "No run is complete yet." in page.text
    with pytest.raises(RunError, match="there is no folder"):
        write_report(tmp_path / "none", audited)


def test_page_that_cannot_be_written(runs: Path, audited: Audit) -> None:
    shutil.rmtree(runs / "report", ignore_errors=True)
    (runs / "report").write_text("in the way")
    with pytest.raises((SpaceError, RunError), match="report"):
        write_report(runs, audited)
