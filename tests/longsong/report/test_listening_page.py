"""The page to listen to: whole, escaped, offline, the same for the same sounds."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from made_sounds import sine
from parsed_page import ParsedPage

from longsong.errors import ConfigError, RunError
from longsong.report.listening_page import HeardRun, HeardSound, LeftOut, refuse_other_page, write_listening_page
from longsong.report.sound_view import view_sound
from longsong.wav import write_wav

EVIL = '<script>alert("x")</script>'


@pytest.fixture
def runs(tmp_path: Path) -> list[HeardRun]:
    found = []
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        sounds = []
        for hertz in (220, 440):
            wav = tmp_path / run / f"{hertz}.wav"
            write_wav(wav, sine(hertz, 8000, 0.2))
            shown = view_sound(wav, title=f"{hertz} Hz", page=tmp_path)
            sounds.append(HeardSound(shown, "D03", f"A sine of {hertz} Hz.", [("steps", "1.02")], ["It is dull."]))
        found.append(HeardRun(run, f"run {run}", [("song", "tones")], sounds, [LeftOut("carry", "cannot be.")]))
    return found


def page_of(folder: Path, runs: list[HeardRun], **given: int) -> ParsedPage:
    return ParsedPage(write_listening_page(folder, runs, **given).read_text(encoding="utf-8"))


def test_all_is_shown(tmp_path: Path, runs: list[HeardRun]) -> None:
    page = page_of(tmp_path, runs)
    assert len(page.of_class("player")) == len(page.all("audio")) == len(page.all("img")) == 4
    for run in runs:
        assert run.title in page.text
        for sound in run.sounds:
            assert sound.view.described in page.text
            assert sound.done in page.text
    for words in ("D03", "steps 1.02", "It is dull.", "Left out carry: cannot be.", "song tones"):
        assert words in page.text
    assert len([attrs for tag, attrs in page.tags if "data-player-group" in attrs]) == 2
    assert "Not all of it is here yet" not in page.text
    assert "2 more runs were asked for" in page_of(tmp_path, runs, unfinished=2).text


def test_links_lead_somewhere(tmp_path: Path, runs: list[HeardRun]) -> None:
    page = page_of(tmp_path, runs)
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {str(attrs["href"])[1:] for attrs in page.all("a")} == set(ids)
    assert {attrs["aria-labelledby"] for attrs in page.all("section")} == set(ids)


def test_nothing_is_fetched_from_a_network(tmp_path: Path, runs: list[HeardRun]) -> None:
    page = page_of(tmp_path, runs)
    assert not re.search(r"https?:|//[a-z]|@import|url\(|fetch\(|XMLHttp", re.sub(r"// .*", "", page.source))
    for attrs in (*page.all("audio"), *page.all("img")):
        assert (tmp_path / str(attrs["src"])).is_file()


def test_the_same_sounds_give_the_same_page(tmp_path: Path, runs: list[HeardRun]) -> None:
    first = write_listening_page(tmp_path, runs).read_bytes()
    assert write_listening_page(tmp_path, runs).read_bytes() == first


def test_whatever_files_hold_is_escaped(tmp_path: Path, runs: list[HeardRun]) -> None:
    usual = len(page_of(tmp_path, runs).all("script"))
    sound = HeardSound(replace(runs[0].sounds[0].view, title=EVIL), EVIL, EVIL, [(EVIL, EVIL)], [EVIL])
    page = page_of(tmp_path, [HeardRun(EVIL, EVIL, [(EVIL, EVIL)], [sound], [LeftOut(EVIL, EVIL)])])
    assert len(page.all("script")) == usual
    assert page.text.count(EVIL) >= 10


def test_a_run_of_which_nothing_could_be_heard(tmp_path: Path) -> None:
    page = page_of(tmp_path, [HeardRun("a", "run a", [], [], [LeftOut("the song itself", "it ends there.")])])
    assert "it ends there." in page.text
    assert page.of_class("player-legend") == []


def test_a_page_of_somebody_else_is_left_alone(tmp_path: Path, runs: list[HeardRun]) -> None:
    refuse_other_page(tmp_path)
    write_listening_page(tmp_path, runs)
    refuse_other_page(tmp_path)
    (tmp_path / "index.html").write_text("<!doctype html><title>my photographs</title>")
    with pytest.raises(ConfigError, match=r"index\.html is there .* give another --output"):
        refuse_other_page(tmp_path)
    (tmp_path / "index.html").unlink()
    (tmp_path / "index.html").mkdir()
    with pytest.raises(RunError, match="give another --output"):
        refuse_other_page(tmp_path)
