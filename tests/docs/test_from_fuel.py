"""The page for users of Fuel and WebDataset: its code runs, and what it names is there."""

import re
import shlex
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_song

import longsong.training.feed
import streams
import streams.transformers
from longsong.cli import _parser, main
from longsong.wav import write_wav

PAGE = (Path(__file__).parents[2] / "docs" / "from-fuel.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(python|sh)\n(.*?)```", PAGE, flags=re.DOTALL)
ROWS = [row.split(" | ") for row in re.findall(r"^\| (?!in Fuel|with Web)(.*) \|$", PAGE, flags=re.MULTILINE)]
SECONDS = 80


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with a song, and with a tar of it that something else wrote."""
    monkeypatch.chdir(tmp_path)
    samples = small_song.tune(SECONDS * small_song.SAMPLE_RATE)
    write_wav(tmp_path / "song.wav", samples)
    theirs = tmp_path / "shards" / "theirs"
    theirs.mkdir(parents=True)
    with tarfile.open(theirs / "part-0.tar", "w") as tar:
        for number, block in enumerate(np.array_split(samples, 3)):
            write_wav(tmp_path / f"{number:03d}.wav", block)
            tar.add(tmp_path / f"{number:03d}.wav", f"{number:03d}.wav")
    return tmp_path


def run(command: str) -> int:
    """Run a command of the page; where it needs another machine, look only that it is understood."""
    program, *words = shlex.split(command)
    assert program == "longsong"
    if "https://" in command:
        return 0 if _parser().parse_args(words) else 1
    return main(words)


# webdataset leaves the closing of the shard to the garbage collector
@pytest.mark.filterwarnings("ignore:unclosed file .*song-000000.tar:ResourceWarning")
def test_the_code_of_the_page_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"__name__": "from_fuel"}
    for language, code in BLOCKS:
        if language == "sh":
            assert [run(line) for line in code.splitlines()] == [0] * len(code.splitlines())
        else:
            exec(compile(code, "docs/from-fuel.md", "exec"), names)
    assert len(names["song"]) == SECONDS * small_song.SAMPLE_RATE
    assert (folder / "shards/theirs/index.json").exists()
    assert len(names["windows"]) > 4  # so that there is more than one mini-batch


def test_code_that_is_wrong_is_noticed(folder: Path) -> None:
    with pytest.raises(SystemExit):
        run("longsong shard song.wav --out shards/demo --no-such-option")
    with pytest.raises(SystemExit):
        run("longsong train https://example.org/shards/demo --frame 1000 --seq 100 --cachebytes 20GiB")


def test_each_row_says_what_is_done_there_and_here() -> None:
    assert len(ROWS) > 50
    assert all(len(row) == 2 and all(row) for row in ROWS)


def test_each_class_that_it_names_as_ours_is_there() -> None:
    places = (streams, streams.transformers, longsong.training.feed)
    named = {name for _, here in ROWS for name in re.findall(r"`([A-Z]\w+[a-z])\b", here)} - {"DataLoader"}
    assert {"DataStream", "Windows", "Cast", "ShardCache", "StreamDataset"} <= named
    assert not {name for name in named if not any(hasattr(place, name) for place in places)}


def attributes(of: str) -> Callable[[str], set[str]]:
    return lambda text: set(re.findall(rf"`{of}\.(\w+)", text))


@pytest.mark.parametrize(("of", "kind"), [("stream", streams.DataStream), ("windows", streams.Windows)])
def test_each_method_that_it_names_as_ours_is_there(of: str, kind: type) -> None:
    named = set().union(*(attributes(of)(here) for _, here in ROWS))
    assert named
    assert not {name for name in named if not hasattr(kind, name)}


def test_each_command_that_it_names_as_ours_is_there() -> None:
    text = " ".join(here for _, here in ROWS)
    for command in set(re.findall(r"`longsong (\w+)", text)):
        with pytest.raises(SystemExit) as asked:
            main([command, "--help"])
        assert asked.value.code == 0
