"""Sounds on a page: what is shown and said of them, and the player that shows it."""

from __future__ import annotations

import re
import wave
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from made_sounds import RATE, sine, white
from parsed_page import ParsedPage

from longsong.errors import RunError
from longsong.report.sound_view import SoundView, view_sound
from longsong.report.templating import render
from longsong.wav import write_wav

TEMPLATE = "listening.html.j2"


def view(folder: Path, samples: np.ndarray, name: str = "a.wav", rate: int = RATE, **given) -> SoundView:
    write_wav(folder / name, samples, rate)
    return view_sound(folder / name, **{"title": "a sound", "page": folder, **given})


def player(*sounds: SoundView) -> ParsedPage:
    """Draw sounds by the macro, as one group."""
    from jinja2 import DictLoader, Environment, PackageLoader
    from jinja2.loaders import ChoiceLoader

    source = (
        '{% from "player.html.j2" import player, player_keys, player_legend %}<div data-player-group>'
        "{{ player_keys() }}{{ player_legend(sounds[0]) }}"
        "{% for sound in sounds %}{{ player(sound) }}{% endfor %}</div>"
    )
    loader = ChoiceLoader([DictLoader({"group": source}), PackageLoader("longsong.report", "")])
    return ParsedPage(Environment(loader=loader, autoescape=True).get_template("group").render(sounds=sounds))


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (np.zeros(800, np.int16), "50 ms of digital silence: every sample is 0."),
        (np.full(1600, -123, np.int16), "every sample is \N{MINUS SIGN}123 of 32,768"),
        (sine(440, 32767, 1.0), "Its level is \N{MINUS SIGN}0.0 dBFS, its peak 1 of full scale"),
        (sine(440, 3277, 2.0), "Its level is \N{MINUS SIGN}20.0 dBFS, its peak 0.1 of full scale"),
        (sine(440, 3277, 2.0), "Half of its power lies below about 438 Hz."),
        (np.clip(sine(440, 32767, 1.0) * 2.0, -32768, 32767).astype(np.int16), "of its samples are at full scale."),
        (np.concatenate([sine(440, 8000, 3.0), sine(440, 800, 1.0)]), "It ends 20 dB quieter than it begins."),
        (np.concatenate([sine(440, 800, 1.0), sine(440, 8000, 3.0)]), "It ends 20 dB louder than it begins."),
        (np.concatenate([sine(440, 8000, 1.0), np.zeros(RATE, np.int16)]), "50% of it is under \N{MINUS SIGN}60 dBFS"),
        (np.concatenate([np.zeros(RATE, np.int16), [9], np.full(99, 5)]).astype(np.int16), "at second 1.0."),
        (1000 + white(2, 1.0), "But for a constant, 0.031 of full scale, it is silent"),
    ],
)
def test_what_is_seen_is_said(tmp_path: Path, samples: np.ndarray, said: str) -> None:
    assert said in view(tmp_path, samples).described


def test_a_steady_sound_is_not_said_to_change(tmp_path: Path) -> None:
    said = view(tmp_path, np.concatenate([sine(440, 8000, 2.0), sine(440, 8000, 0.01)])).described
    assert "From second to second" not in said
    assert "ends" not in said


def test_an_hour_and_a_twentieth_of_a_second(tmp_path: Path) -> None:
    long = np.tile(white(3000, 1.0)[:2000], 3600)
    shown = view(tmp_path, long, rate=2000)
    assert shown.seconds == 3600
    assert shown.time_ticks[-1].label == "1:00:00"
    assert len(shown.waveform) < 6000
    short = view(tmp_path, sine(440, 8000, 0.05), "b.wav")
    assert short.seconds == 0.05
    assert short.columns == 400
    for one in (shown, short):
        assert len(player(one).source) < 12_000


def test_files_are_named_from_the_page_whatever_they_are_called(tmp_path: Path) -> None:
    runs, page = tmp_path / "runs", tmp_path / "runs" / "report"
    odd = runs / 'a b#%?&"<x>é'
    for folder in (odd, page):
        folder.mkdir(parents=True)
    shown = view(odd, sine(440, 8000, 0.1), page=page, picture=page / "one.png")
    assert shown.spectrogram == "one.png"
    assert not re.search(r"[ #?&\"<>]", shown.audio)
    assert (page / unquote(shown.audio)).resolve() == (odd / "a.wav").resolve()
    (picture,) = player(shown).all("img")
    assert (page / unquote(str(picture["src"]))).is_file()


def test_a_quiet_sound_has_an_axis_of_its_own(tmp_path: Path) -> None:
    ends = [view(tmp_path, sine(440, peak, 0.1)).level_ticks[0].label for peak in (16000, 160, 3)]
    assert ends == ["+0.5", "+0.005", "+0.0001"]


def test_a_picture_follows_its_sound(tmp_path: Path) -> None:
    view(tmp_path, sine(440, 8000, 0.2))
    before = (tmp_path / "a.png").read_bytes()
    kept = (tmp_path / "a.png").stat().st_mtime_ns
    view(tmp_path, sine(440, 8000, 0.2))
    assert (tmp_path / "a.png").stat().st_mtime_ns == kept
    view(tmp_path, sine(2000, 8000, 0.2))
    assert (tmp_path / "a.png").read_bytes() != before


def test_what_is_no_sound_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"there is no .*none\.wav"):
        view_sound(tmp_path / "none.wav", title="a", page=tmp_path)
    with pytest.raises(RunError, match=r"a\.wav holds no sample"):
        view(tmp_path, np.zeros(0, np.int16))
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(RunError, match="no wav that can be read"):
        view_sound(tmp_path / "a.wav", title="a", page=tmp_path)
    with wave.open(str(tmp_path / "two.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(bytes(400))
    with pytest.raises(RunError, match="2 channels"):
        view_sound(tmp_path / "two.wav", title="a", page=tmp_path)
    assert not list(tmp_path.glob("*.png"))


def test_the_player_has_axes_words_and_loads_nothing_at_once(tmp_path: Path) -> None:
    shown = view(tmp_path, sine(440, 3277, 2.0))
    page = player(shown)
    (audio,), (picture,), (slider,) = page.all("audio"), page.all("img"), page.of_class("player-plots")
    assert (audio["src"], audio["preload"], "controls" in audio) == ("a.wav", "none", True)
    assert (picture["src"], picture["loading"]) == ("a.png", "lazy")
    assert (slider["role"], slider["tabindex"], slider["aria-valuemax"]) == ("slider", "0", "2.00")
    for tick in (*shown.time_ticks, *shown.level_ticks, *shown.frequency_ticks):
        assert tick.label in page.text
    assert shown.described in page.text
    for words in ("shares of full scale", "in Hz", *shown.colour_ends):
        assert words in page.text


def test_titles_are_escaped(tmp_path: Path) -> None:
    evil = '"><script>alert(1)</script>'
    shown = replace(view(tmp_path, sine(440, 3277, 0.1)), title=evil, described=evil)
    page = player(shown)
    assert page.all("script") == []
    assert page.all("audio")[0]["aria-label"] == f"Sound: {evil}"
    assert page.text.count(evil) == 2


def test_style_and_script_speak_of_what_the_player_has(tmp_path: Path) -> None:
    page = player(view(tmp_path, sine(440, 3277, 0.1)))
    package = files("longsong.report")
    style, script = ((package / f"player.{kind}").read_text() for kind in ("css", "js"))
    given_by_script = set(re.findall(r'classList\.add\("([\w-]+)"\)', script))
    named = set(re.findall(r"\.(player[\w-]*)", style)) | set(re.findall(r"\"\.(player[\w-]*)\"", script))
    assert named <= page.classes | given_by_script
    assert {name for name in page.classes if name.startswith("player")} - {"player-words"} <= named | {"player-title"}
    colours = (package / "colours.css").read_text()
    light, dark = colours.split("@media")
    for used in set(re.findall(r"var\((--[\w-]+)\)", style)):
        assert f"{used}:" in light
        assert f"{used}:" in dark


def test_a_page_with_a_name_that_is_not_given_is_no_page() -> None:
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        render(TEMPLATE)
