"""The report and the page to listen to, as a reader has them: in a browser, from a folder, without a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, why_no_browser
from many_runs import MANY, write_many
from run_folders import RATE, Spec, copy, write_grid, write_run, write_sound
from training_runs import train

from longsong import ModelConfig, TrainingConfig
from longsong.audit import Audit, audit
from longsong.listening import listen
from longsong.report import write_report

WIDE, PHONE = 1280, 390
NEAR = 3000
"""Pixels below the window within which Chromium loads pictures that are loaded when seen: up to 2,500."""

SPECS = [Spec(40, 50), Spec(1000, 50), Spec(40, 50, cell="lstm", group="comparison"), Spec(100, 50)]
NAMES = [spec.name for spec in SPECS]

PLAYING = "[...document.querySelectorAll('audio')].filter((audio) => !audio.paused).length"
OPEN_ALL = "document.querySelectorAll('details').forEach((details) => { details.open = true; })"


@dataclass(frozen=True)
class Page:
    """A page, and the folder that goes with it on a USB stick."""

    file: Path
    folder: Path


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if reason := why_no_browser():
        pytest.skip(reason)
    with Browser(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture(scope="session")
def runs_of_report(made: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Audit]:
    """Four runs, one more than can be compared, and their audit."""
    runs, song = copy(made, tmp_path_factory.mktemp("browser") / "runs"), made.parent / "shards" / "tones"
    write_run(runs, song, SPECS[-1])
    write_grid(runs, song, SPECS, [(800, 50), (40_000, 10_000)])
    return runs, audit(runs)


@pytest.fixture(scope="session")
def report(runs_of_report: tuple[Path, Audit]) -> Page:
    runs, found = runs_of_report
    return Page(write_report(runs, found), runs)


@pytest.fixture(scope="session")
def listening(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """Two runs that differ in one thing alone."""
    runs = tmp_path_factory.mktemp("heard")
    once = TrainingConfig(epochs=1)
    train(shards, runs / "one", training=once)
    train(shards, runs / "two", model=ModelConfig(hidden=8, recurrence="batch"), training=once)
    page = listen([runs / "one", runs / "two"], seconds=0.5, quiet=True)
    return Page(page, page.parent)


@pytest.fixture(scope="session")
def many(runs_of_report: tuple[Path, Audit], made: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """140 runs with short sounds; the ledger is that of the four."""
    runs, found = runs_of_report
    folder = tmp_path_factory.mktemp("many")
    one = copy(runs / NAMES[0], folder / "one")
    write_sound(one, np.random.default_rng(7).integers(-9000, 9000, RATE // 4).astype(np.int16))
    root = write_many(folder / "runs", one, made.parent / "shards" / "tones")
    return Page(write_report(root, found), root)


@pytest.fixture(params=["listening", "report"])
def page(request: pytest.FixtureRequest) -> Page:
    return request.getfixturevalue(request.param)


def within(page: Page, addresses: list[str]) -> bool:
    return all(address.startswith(page.folder.resolve().as_uri() + "/") for address in addresses)


@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_it_opens_without_an_error_and_fits(chromium: Browser, page: Page, width: int) -> None:
    chromium.open(page.file, width=width)
    assert chromium.js("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    chromium.js(OPEN_ALL)
    assert chromium.js("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert chromium.complaints() == []


@pytest.mark.parametrize("dark", [False, True])
def test_axe_core_finds_nothing(chromium: Browser, page: Page, dark: bool) -> None:
    chromium.open(page.file, dark=dark)
    assert chromium.js("matchMedia('(prefers-color-scheme: dark)').matches") is dark
    chromium.js(OPEN_ALL)
    found = chromium.axe()
    assert not found.faults, "\n".join(found.faults)
    assert {"color-contrast", "landmark-one-main", "aria-valid-attr"} <= found.passed


def test_a_sound_plays_and_nothing_leaves_the_folder(chromium: Browser, page: Page) -> None:
    chromium.open(page.file)
    sound = chromium.js("document.querySelector('audio').src")
    assert sound not in chromium.requested()
    chromium.js("void document.querySelector('audio').play()")
    chromium.until("document.querySelector('audio').currentTime > 0.05")
    chromium.js("document.querySelector('audio').pause()")
    assert chromium.complaints() == []
    asked = chromium.requested()
    assert sound in asked
    assert within(page, asked)


def test_one_sound_at_a_time(chromium: Browser, page: Page) -> None:
    chromium.open(page.file)
    # In circles, so that none falls silent by itself.
    chromium.js("document.querySelectorAll('audio').forEach((audio) => { audio.loop = true; })")
    count = chromium.js("document.querySelectorAll('audio').length")
    for place in (0, count - 1, 1):
        chromium.js("void document.querySelectorAll('audio')[given[0]].play()", place)
        chromium.until(f"!document.querySelectorAll('audio')[given[0]].paused && {PLAYING} === 1", place)


def test_sounds_and_pictures_are_loaded_when_they_are_wanted(chromium: Browser, many: Page) -> None:
    """Of 140 runs nothing is asked for but the page, and the pictures that are near the window."""
    chromium.open(many.file)
    asked = chromium.requested()
    assert within(many, asked)
    near = chromium.js(
        "[...document.images].filter((image) => image.getBoundingClientRect().top < innerHeight + given[0])"
        ".map((image) => image.src)",
        NEAR,
    )
    assert asked[0] == many.file.resolve().as_uri()
    assert set(asked[1:]) <= set(near)
    assert chromium.js("document.images.length") >= len(MANY)
    assert len(asked) < len(MANY) / 4
    assert chromium.js("[...document.querySelectorAll('audio')].filter((audio) => audio.readyState > 0).length") == 0
    assert chromium.js("document.querySelectorAll('article').length") == len(MANY)
    assert chromium.complaints() == []
    chromium.js("[...document.images].at(-1).scrollIntoView()")
    chromium.until("[...document.images].at(-1).naturalWidth > 0")
    last = chromium.js("[...document.images].at(-1).src")
    assert last in chromium.requested()
    assert last not in asked


def jump(browser: Browser, group: str, keys: str, moment: float) -> float:
    """Stand at a moment of one sound of a group, press the key of another, and give where that one begins."""
    here, there = (int(key) - 1 for key in keys)
    sound = f"document.querySelector('{group}').querySelectorAll('.player')[given[0]].querySelector('audio')"
    browser.js(
        f"{sound}.addEventListener('seeking', (event) => {{ window.begun ??= event.target.currentTime; }})", there
    )
    browser.js(f"void {sound}.play()", here)
    browser.until(f"{sound}.currentTime > 0", here)
    browser.js(f"void {sound}.pause()", here)
    browser.js(f"void ({sound}.currentTime = given[1])", here, moment)
    browser.until(f"!{sound}.seeking", here)
    browser.press(keys[1])
    browser.until(f"{sound}.played.length > 0", there)
    return float(browser.until("window.begun"))


def test_a_number_jumps_to_another_sound_at_the_same_moment(chromium: Browser, listening: Page) -> None:
    chromium.open(listening.file)
    group = "section:last-of-type[data-player-group]"
    assert jump(chromium, group, "23", 0.25) == pytest.approx(0.25, abs=0.01)
    assert chromium.js(f"document.activeElement.matches('{group} .player-plots')")


def choose(browser: Browser, *names: str) -> None:
    for name in names:
        browser.click(f'input[name="compare"][value="{name}"]')


def compared(browser: Browser) -> set[str]:
    return set(
        browser.js("[...document.querySelectorAll('#compare-plot svg path[data-run]')].map((path) => path.dataset.run)")
    )


def test_three_runs_are_compared_and_no_more(chromium: Browser, report: Page) -> None:
    chromium.open(report.file)
    assert compared(chromium) == set()
    choose(chromium, *NAMES[:2])
    assert compared(chromium) == set(NAMES[:2])
    choose(chromium, NAMES[2])
    assert compared(chromium) == set(NAMES[:3])
    assert chromium.js("document.querySelectorAll('#compare-players .player').length") == 3
    assert chromium.js("document.querySelectorAll('#compare-numbers thead th').length") == 4
    assert chromium.js("location.hash") == "#compare=" + ",".join(NAMES[:3])
    choose(chromium, NAMES[3])
    assert compared(chromium) == set(NAMES[:3])
    assert chromium.js("document.querySelectorAll('input[name=\"compare\"]:checked').length") == 3
    choose(chromium, NAMES[0])
    assert compared(chromium) == set(NAMES[1:3])
    assert chromium.js("location.hash") == "#compare=" + ",".join(NAMES[1:3])
    assert chromium.complaints() == []


def test_a_link_keeps_what_is_compared(chromium: Browser, report: Page) -> None:
    chromium.open(report.file, fragment=f"compare={NAMES[3]},{NAMES[0]}")
    assert compared(chromium) == {NAMES[3], NAMES[0]}
    checked = chromium.js("[...document.querySelectorAll('input[name=\"compare\"]:checked')].map((box) => box.value)")
    assert set(checked) == {NAMES[3], NAMES[0]}
    chromium.open(report.file, fragment="compare=nobody,%E0%A4%A")
    assert compared(chromium) == set()
    assert chromium.complaints() == []


def test_runs_that_are_compared_are_heard_from_the_same_moment(chromium: Browser, report: Page) -> None:
    chromium.open(report.file, fragment="compare=" + ",".join(NAMES[:3]))
    assert jump(chromium, "[data-player-group]:has(#compare-players)", "12", 7.5) == pytest.approx(7.5, abs=0.01)
    assert chromium.js(PLAYING) == 1


def test_what_is_compared_passes_axe_core_too(chromium: Browser, report: Page) -> None:
    chromium.open(report.file, fragment="compare=" + ",".join(NAMES[:3]), width=PHONE, dark=True)
    chromium.js(OPEN_ALL)
    assert chromium.js("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert not (faults := chromium.axe().faults), "\n".join(faults)


def test_the_ledger_is_filtered_by_verdict(chromium: Browser, report: Page, runs_of_report: tuple[Path, Audit]) -> None:
    chromium.open(report.file)
    seen = (
        "[...document.querySelectorAll('tr[data-verdict]')].filter((row) => row.checkVisibility()).map((row) => row.id)"
    )
    rows = {f"claim-{row.id}": row.verdict.value for row in runs_of_report[1].rows}
    assert chromium.js(seen) == list(rows)
    verdicts = sorted(set(rows.values()))
    assert len(verdicts) >= 3
    for verdict in verdicts:
        chromium.click(f'#ledger-filter button[data-verdict="{verdict}"]')
        assert set(chromium.js(seen)) == {row for row, found in rows.items() if found == verdict}
        pressed = chromium.js(
            "[...document.querySelectorAll('#ledger-filter button[aria-pressed=\"true\"]')]"
            ".map((button) => button.dataset.verdict)"
        )
        assert pressed == [verdict]
    chromium.click('#ledger-filter button[data-verdict=""]')
    assert chromium.js(seen) == list(rows)


def test_a_link_leads_to_a_claim(chromium: Browser, report: Page) -> None:
    for claim in ("P01", "D15"):
        chromium.open(report.file, fragment=f"claim-{claim}")
        top = chromium.js(f"document.getElementById('claim-{claim}').getBoundingClientRect().top")
        assert -1 <= top < 900


def test_a_link_to_a_claim_that_the_filter_hides(chromium: Browser, report: Page) -> None:
    chromium.open(report.file)
    verdict, other = chromium.js(
        "(() => { const row = document.getElementById('claim-P01').dataset.verdict;"
        " const others = [...document.querySelectorAll('tr[data-verdict]')].map((one) => one.dataset.verdict);"
        " return [row, others.find((one) => one !== row)]; })()"
    )
    assert verdict != other
    chromium.click(f'#ledger-filter button[data-verdict="{other}"]')
    assert not chromium.js("document.getElementById('claim-P01').checkVisibility()")
    chromium.js("void (location.hash = '#claim-P01')")
    chromium.until("document.getElementById('claim-P01').checkVisibility()")


def test_each_run_of_the_grid_is_a_link_to_it(chromium: Browser, report: Page) -> None:
    chromium.open(report.file)
    links = chromium.js("[...document.querySelectorAll('td.run a')].map((link) => link.getAttribute('href'))")
    assert set(links) >= {f"#run-{spec.name}" for spec in SPECS if spec.group == "grid"}
    assert chromium.js("given[0].every((link) => document.getElementById(link.slice(1)) !== null)", links)
    chromium.click(f'td.run a[href="{links[-1]}"]')
    assert chromium.js("location.hash") == links[-1]
    assert -1 <= chromium.js("document.querySelector(location.hash).getBoundingClientRect().top") < 900


def test_a_command_is_copied(chromium: Browser, report: Page) -> None:
    chromium.open(report.file)
    chromium.js(OPEN_ALL)
    chromium.click(f"#run-{NAMES[0]} button[data-copy]")
    command = chromium.js(f"document.querySelector('#run-{NAMES[0]} .command code').textContent")
    assert "longsong train" in command
    assert chromium.clipboard() == command


def test_what_is_wrong_with_a_page_is_noticed(chromium: Browser, report: Page, tmp_path: Path) -> None:
    """The tests above can fail."""
    sound = (report.folder / NAMES[0] / "generated.wav").resolve().as_uri()
    bad = tmp_path / "index.html"
    bad.write_text(
        "<!doctype html><title>bad</title><p style='color: #ccc; width: 3000px'>Pale and wide.</p>"
        f"<audio controls preload='auto' src='{sound}'></audio><img src='http://example.invalid/a.png'>"
        "<script>console.error('oh'); undefinedFunction();</script>"
    )
    chromium.open(bad)
    said = chromium.complaints()
    assert any("oh" in line for line in said)
    assert any("undefinedFunction" in line for line in said)
    assert chromium.js("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    faults = {line.partition(":")[0] for line in chromium.axe().faults}
    assert {"color-contrast", "html-has-lang", "image-alt", "landmark-one-main"} <= faults
    chromium.until("document.querySelector('audio').readyState > 0")
    asked = chromium.requested()
    assert {sound, "http://example.invalid/a.png"} <= set(asked)
    assert not within(Page(bad, tmp_path), asked)
