"""Listening: every way of every run once, kept when started again, and a folder that can be carried away."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from parsed_page import ParsedPage
from training_runs import train

from longsong import ModelConfig, TrainingConfig, listening
from longsong.audio import read_mono
from longsong.cli import main
from longsong.errors import ConfigError, NotFiniteError, RunError
from longsong.listening import listen
from longsong.listening_ways import WAYS
from longsong.runs import load_run
from streams import Song

NAMES = ["song", *(way.name for way in WAYS)]
SECONDS, RATE, SEQ, FRAME = 0.2, 16_000, 5, 20
ONCE = TrainingConfig(epochs=1)


@pytest.fixture(scope="module")
def trained(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs; the recurrence of the second is over the mini-batch."""
    folder = tmp_path_factory.mktemp("runs")
    train(shards, folder / "one", training=ONCE)
    train(shards, folder / "two", model=ModelConfig(hidden=8, recurrence="batch"), training=ONCE)
    return folder


@pytest.fixture(scope="module", autouse=True)
def train_seed() -> object:
    """The song of the tests has fewer examples than the 400 of 2016."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("longsong.runs.TRAIN_SEED", 40)
        yield patch


@pytest.fixture(scope="module")
def heard(trained: Path, train_seed: object) -> Path:
    return listen([trained / "one", trained / "two"], seconds=SECONDS, quiet=True).parent


@pytest.fixture
def copied(heard: Path, trained: Path, tmp_path: Path) -> Path:
    """Give a folder of runs with what was made of them."""
    shutil.copytree(trained, tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sounds that are generated from now on."""
    names: list[str] = []
    generate = listening.generate_into

    def counted(run, wav, **given):
        names.append(f"{wav.parent.name}/{wav.stem}")
        return generate(run, wav, **given)

    monkeypatch.setattr(listening, "generate_into", counted)
    return names


def again(runs: Path, *names: str, seconds: float = SECONDS) -> ParsedPage:
    folders = [runs / name for name in names or ("one", "two")]
    return ParsedPage(listen(folders, seconds=seconds, quiet=True).read_text(encoding="utf-8"))


def record_of(folder: Path, name: str) -> dict:
    return json.loads((folder / f"{name}.json").read_text())


def test_every_way_of_every_run_is_there(heard: Path, trained: Path) -> None:
    assert heard == trained / "listening"
    assert sorted(path.stem for path in (heard / "one").glob("*.wav")) == sorted(NAMES)
    page = ParsedPage((heard / "index.html").read_text(encoding="utf-8"))
    assert len(page.of_class("player")) == len(NAMES) + len(NAMES) - 1
    for way in WAYS:
        assert page.text.count(way.done) == (1 if way.name == "carry" else 2)
        record = record_of(heard / "one", way.name)
        assert (record["mode"], record["join"], tuple(record["as_coded"])) == (way.mode, way.join, way.as_coded)
    for attrs in (*page.all("audio"), *page.all("img")):
        assert (heard / str(attrs["src"])).is_file()
    assert sorted(path.name for path in heard.iterdir()) == ["index.html", "one", "two"]
    assert not [path for path in heard.rglob("*") if path.suffix not in (".wav", ".json", ".png", ".html", "")]


def test_the_post_s_way_is_that_of_generate(heard: Path, trained: Path) -> None:
    run = load_run(trained / "one")
    np.testing.assert_array_equal(read_mono(heard / "one" / "post.wav"), run.generate(SECONDS).samples)


def test_the_song_is_what_follows_the_seed(heard: Path, shards: Path) -> None:
    record, song = record_of(heard / "one", "song"), Song.open(shards)
    start = record_of(heard / "one", "post")["seed"]["stop"]
    assert record["start"] == start
    due = song[start : start + round(SECONDS * RATE)]
    np.testing.assert_array_equal(read_mono(heard / "one" / "song.wav"), due)
    assert record["stop"] == start + len(due)


def test_whole_sequences_are_about_as_long_as_the_others(heard: Path) -> None:
    samples = {way.name: len(read_mono(heard / "one" / f"{way.name}.wav")) for way in WAYS}
    asked = round(SECONDS * RATE)
    assert asked <= samples.pop("whole-sequences") < asked + SEQ * FRAME
    assert set(samples.values()) == {asked}
    page = ParsedPage((heard / "index.html").read_text(encoding="utf-8"))
    assert "asked for 0.2 s it would go on for 5 times as long, 1.0 s" in page.text


def test_what_a_run_cannot_do_is_left_out_with_the_reason(heard: Path) -> None:
    assert not (heard / "two" / "carry.wav").exists()
    page = ParsedPage((heard / "index.html").read_text(encoding="utf-8"))
    assert "Left out carried state: mode is 'carry', and this run's recurrence is over the mini-batch" in page.text


def test_a_song_with_too_few_examples_has_no_seed_of_2016(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longsong.runs.TRAIN_SEED", 400)
    page = again(copied, "one")
    assert "as-coded is train-seed, example 400 of the train split, which has 290 examples" in page.text
    assert len(page.of_class("player")) == len(NAMES) - 1


def test_the_song_is_cut_where_it_ends(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, song = copied / "listening" / "one", Song.open(load_run(copied / "one").splits().song.where)
    give = listening.Run.song_seed
    monkeypatch.setattr(listening.Run, "song_seed", lambda run, example=0: give(run, 24))  # the last
    again(copied, "one", seconds=1.0)
    record = record_of(folder, "song")
    assert record["stop"] == len(song) < record["start"] + RATE
    np.testing.assert_array_equal(read_mono(folder / "song.wav"), song[record["start"] : len(song)])


def test_what_is_whole_is_kept(copied: Path, made: list[str]) -> None:
    before = {path: path.read_bytes() for path in (copied / "listening").rglob("*") if path.is_file()}
    again(copied)
    assert made == []
    assert {path: path.read_bytes() for path in (copied / "listening").rglob("*") if path.is_file()} == before


def test_stopped_in_the_middle_it_goes_on(copied: Path, made: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(copied / "listening")
    go_on = listening.generate_into

    def stopped(run, wav, **given):
        if wav.stem == "stretch":
            raise KeyboardInterrupt
        return go_on(run, wav, **given)

    with monkeypatch.context() as patch:
        patch.setattr(listening, "generate_into", stopped)
        with pytest.raises(KeyboardInterrupt, match="listening keeps every sound that is whole"):
            again(copied)
    assert made == [
        f"one/{name}" for name in ("post", "carry", "crossfade", "untrained", "whole-sequences", "upside-down")
    ]
    assert not (copied / "listening" / "index.html").exists()
    made.clear()
    again(copied)
    assert made[:3] == ["one/stretch", "one/drop-seq", "one/train-seed"]
    assert len(made) == 3 + len(WAYS) - 1
    assert (copied / "listening" / "index.html").exists()


def test_stopped_between_runs_the_page_has_the_first(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(copied / "listening")
    go_on = listening.generate_into

    def stopped(run, wav, **given):
        if wav.parent.name == "two":
            raise KeyboardInterrupt
        return go_on(run, wav, **given)

    monkeypatch.setattr(listening, "generate_into", stopped)
    with pytest.raises(KeyboardInterrupt):
        again(copied)
    page = ParsedPage((copied / "listening" / "index.html").read_text(encoding="utf-8"))
    assert len(page.of_class("player")) == len(NAMES)
    assert "1 more run was asked for" in page.text


def test_what_was_altered_is_made_anew(copied: Path, made: list[str]) -> None:
    folder = copied / "listening" / "one"
    whole = {name: (folder / f"{name}.wav").read_bytes() for name in NAMES}
    (folder / "post.wav").write_bytes(whole["post"][:-100])
    (folder / "song.wav").write_bytes(whole["post"])
    (folder / "stretch.json").unlink()
    (folder / "carry.json").write_text(
        (folder / "carry.json").read_text().replace('"stopped": false', '"stopped": true')
    )
    again(copied, "one")
    assert made == ["one/post", "one/carry", "one/stretch"]
    assert {name: (folder / f"{name}.wav").read_bytes() for name in NAMES} == whole


def test_another_length_or_other_parameters_are_made_anew(copied: Path, shards: Path, made: list[str]) -> None:
    again(copied, "one", seconds=0.1)
    assert len(made) == len(WAYS)
    made.clear()
    shutil.rmtree(copied / "one")
    train(shards, copied / "one", training=TrainingConfig(epochs=1, seed=2))
    again(copied, "one", seconds=0.1)
    assert len(made) == len(WAYS)
    due = load_run(copied / "one").generate(0.1).samples
    np.testing.assert_array_equal(read_mono(copied / "listening" / "one" / "post.wav"), due)


def test_a_network_that_explodes_leaves_its_sounds_out(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(copied / "listening")

    def explode(run, wav, **given):
        raise NotFiniteError(f"{wav.stem} is not finite from second 0.010 on")

    monkeypatch.setattr(listening, "generate_into", explode)
    page = again(copied, "one")
    assert len(page.of_class("player")) == 1
    assert "crossfade: crossfade is not finite from second 0.010 on." in page.text


def test_the_folder_can_be_carried_away(copied: Path, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    (copied / "listening").rename(stick)
    shutil.rmtree(copied)
    page = ParsedPage((stick / "index.html").read_text(encoding="utf-8"))
    for attrs in (*page.all("audio"), *page.all("img")):
        assert not str(attrs["src"]).startswith(("/", "..", "file:"))
        assert (stick / str(attrs["src"])).is_file()
    assert str(tmp_path) not in page.source


def test_what_cannot_be_is_refused_before_anything_is_made(copied: Path, made: list[str], tmp_path: Path) -> None:
    one, two = copied / "one", copied / "two"
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="no run is given"):
        listen([], out)
    with pytest.raises(RunError, match=r"none/config\.json"):
        listen([one, copied / "none"], out)
    with pytest.raises(ConfigError, match="2 of the runs are called one"):
        listen([one, one], out)
    with pytest.raises(ConfigError, match=r"seconds must .*-3"):
        listen([one], out, -3)
    shutil.copytree(two, tmp_path / "elsewhere" / "two")
    with pytest.raises(ConfigError, match="the runs lie in 2 folders; say with --output"):
        listen([one, tmp_path / "elsewhere" / "two"])
    with pytest.raises(ConfigError, match="the folder of the runs themselves"):
        listen([one], copied)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="file, which is no folder"):
        listen([one], tmp_path / "file")
    out.mkdir()
    (out / "index.html").write_text("mine")
    with pytest.raises(ConfigError, match="is no page of `longsong listen`"):
        listen([one], out)
    (two / "summary.json").unlink()
    with pytest.raises(RunError, match="two is not trained to its end"):
        listen([one, two], out)
    assert made == []
    assert [path.name for path in out.iterdir()] == ["index.html"]


def test_a_file_of_somebody_else_is_not_overwritten(copied: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "one"
    folder.mkdir(parents=True)
    (folder / "post.json").write_text('{"my": "notes"}')
    with pytest.raises(ConfigError, match=r"post\.json is there and is none that was generated"):
        listen([copied / "one"], tmp_path / "out", SECONDS, quiet=True)
    assert (folder / "post.json").read_text() == '{"my": "notes"}'


def test_the_command(copied: Path, tmp_path: Path, shards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["listen", str(copied / "one"), "--seconds", "0.1", "--output", str(tmp_path / "out")]
    assert main([*words, "--shards", str(shards)]) == 0
    said = capsys.readouterr()
    assert said.out == f"the page is {tmp_path / 'out' / 'index.html'}\n"
    assert main([*words, "--shards", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err
    assert main(["listen", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_name_of_a_run_is_escaped(copied: Path, tmp_path: Path) -> None:
    odd = copied / "a <b> & 100%#"
    (copied / "one").rename(odd)
    page = ParsedPage(listen([odd], tmp_path / "out", SECONDS, quiet=True).read_text(encoding="utf-8"))
    assert page.all("b") == []
    for attrs in page.all("audio"):
        assert (tmp_path / "out" / unquote(str(attrs["src"]))).is_file()
