"""The benchmark of the report's page: it opens what it says, refuses what a page must not load, and counts."""

from __future__ import annotations

import wave

import pytest
from browser import Browser, why_no_browser

from benchmarks import report_page
from benchmarks.processes import BenchmarkError

SCALE = report_page.Scale(runs=(3, 5), sound_seconds=0.25, song_seconds=20.0, rounds=1)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if reason := why_no_browser():
        pytest.skip(reason)
    with Browser(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


def test_pages_of_so_many_runs_are_opened(browser, tmp_path):
    pages = report_page.make_pages(tmp_path, SCALE)
    assert [page["page"] for page in pages] == ["3", "5"]
    for page, count in zip(pages, SCALE.runs, strict=True):
        assert page["path"].read_text().count("<article") == count
        assert page["page_bytes"] == page["path"].stat().st_size
        assert page["sound_bytes"] == count * (44 + 2 * 4000)
    rows = report_page.measure_pages(browser, pages, SCALE.rounds)
    assert all(0 < row["load_seconds"] <= row["slowest_seconds"] for row in rows)
    assert rows[1]["page_bytes"] > rows[0]["page_bytes"]


def test_what_a_page_must_not_load_is_an_error(browser, tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(32_000))
    page = tmp_path / "index.html"
    for body, said in (
        ("<audio preload=auto src=a.wav></audio>", r"a\.wav before anybody"),
        ("<img src=http://example.invalid/a.png>", "example.invalid"),
        ("<script>console.error('oh')</script>", "oh"),
    ):
        page.write_text(f"<!doctype html><title>a page</title>{body}")
        with pytest.raises(BenchmarkError, match=said):
            report_page.measure_pages(browser, [{"page": "bad", "path": page, "page_bytes": 1}], 1)


def test_ratios_follow_from_the_rows():
    rows = [{"page": "140", "load_seconds": 0.5, "page_bytes": 3000, "resources": 4}]
    assert report_page.ratios(rows) == {
        "load_seconds:140": 0.5,
        "load_over_allowed:140": 0.25,
        "page_bytes:140": 3000,
        "resources:140": 4,
    }
