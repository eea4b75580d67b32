"""TensorBoard on a folder of runs: what it serves, whom, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from training_runs import train

import longsong
from longsong.cli import main
from longsong.generated import generate_into
from longsong.generating import Generating
from longsong.training.hyperparameters import COST_OVER_MEAN
from longsong.training.record import read_summary

_PATIENCE = 60.0  # seconds; what is awaited takes three or so


@pytest.fixture(scope="module")
def runs(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two runs, one of which has a sound."""
    folder = tmp_path_factory.mktemp("board") / "runs"
    for width in (8, 9):
        made = train(
            shards,
            folder / f"wide-{width}",
            model=longsong.ModelConfig(hidden=width),
            training=longsong.TrainingConfig(epochs=1),
        )
    generate_into(longsong.load_run(made), how=Generating(0.5), quiet=True)
    return folder


@pytest.fixture(scope="module")
def served(runs: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A board on a free port, and its address."""
    words = [sys.executable, "-m", "longsong", "board", str(runs), "--port", "0"]
    board = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs these tests in the background has them ignore it, and all that they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    try:
        assert board.stdout is not None
        line = board.stdout.readline()
        assert line, board.communicate()
        yield board, line.split()[3].rstrip(";")
    finally:
        board.kill()
        board.communicate()


def ask(address: str, data: str, **query: str) -> Any:
    words = f"{address}data/{data}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(words, timeout=_PATIENCE) as answer:
        return json.load(answer)


def awaited(said: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    """Ask until TensorBoard has read what is wanted; gives its last answer."""
    end = time.monotonic() + _PATIENCE
    while not wanted(found := said()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def test_it_listens_on_loopback_and_shows_every_run(served: tuple[subprocess.Popen[str], str]) -> None:
    _, address = served
    assert urllib.parse.urlsplit(address).hostname == "127.0.0.1"
    found = awaited(lambda: ask(address, "runs"), lambda names: len(names) == 2)
    assert sorted(found) == ["wide-8", "wide-9"]


def test_runs_are_compared_by_their_cost(served: tuple[subprocess.Popen[str], str], runs: Path) -> None:
    _, address = served
    request = {"startIndex": 0, "sliceSize": 10, "allowedStatuses": ["STATUS_SUCCESS"]}
    found = awaited(
        lambda: ask(address, "plugin/hparams/session_groups", request=json.dumps(request)),
        lambda answer: sum(len(group.get("metricValues", [])) for group in answer.get("sessionGroups", [])) == 2,
    )
    shown = {
        group["sessions"][0]["name"]: (group["hparams"]["hidden"], group["metricValues"])
        for group in found["sessionGroups"]
    }
    assert sorted(shown) == ["wide-8", "wide-9"]
    for name, (hidden, (cost,)) in shown.items():
        summary = read_summary(runs / name)
        assert name == f"wide-{hidden:.0f}"
        assert cost["name"]["tag"] == COST_OVER_MEAN
        assert cost["value"] == pytest.approx(summary["best"]["dev_cost"] / summary["cost_of_mean"], rel=1e-6)
    columns = ask(address, "plugin/hparams/experiment", request="{}")
    first = {column["name"] for column in columns["hparamInfos"][:5]}  # what is shown unasked
    assert first == {"frame", "seq", "hidden", "cell", "seed"}


def test_a_sound_is_there_to_hear_and_to_see(served: tuple[subprocess.Popen[str], str]) -> None:
    _, address = served
    for kind, tag in (("audio", "generated-0.5s"), ("images", "generated-0.5s/spectrogram")):
        found = awaited(lambda kind=kind: ask(address, f"plugin/{kind}/tags"), lambda tags: bool(tags.get("wide-9")))
        assert list(found["wide-9"]) == [tag]
        assert not found.get("wide-8")


def test_a_port_that_is_taken_is_refused(
    served: tuple[subprocess.Popen[str], str], runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as silent:  # bound, and not listening
        silent.bind(("127.0.0.1", 0))
        for port in (urllib.parse.urlsplit(served[1]).port, silent.getsockname()[1]):
            assert main(["board", str(runs), "--port", str(port)]) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert line.startswith(f"longsong: port is {port}, ")
            assert "give another --port" in line


def test_ctrl_c_ends_it_quietly(served: tuple[subprocess.Popen[str], str]) -> None:
    board, address = served
    board.send_signal(signal.SIGINT)
    said, complaints = board.communicate(timeout=_PATIENCE)
    assert (board.returncode, said, complaints) == (0, "", "")
    with pytest.raises(OSError, match="refused"):
        ask(address, "runs")


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_that_cannot_be_is_refused(runs: Path, port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["board", str(runs), f"--port={port}"]) == 2
    assert f"not {port}" in capsys.readouterr().err


def test_a_folder_without_runs_is_refused(shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder, word in ((tmp_path / "none", "no folder"), (tmp_path, "holds no run"), (shards, "holds no run")):
        assert main(["board", str(folder)]) == 2
        said = capsys.readouterr().err
        assert word in said
        assert str(folder) in said
        assert said.count("\n") == 1


def test_a_tensorboard_that_is_missing_is_said(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.program", None)
    assert main(["board", str(runs)]) == 2
    assert "pip install --upgrade tensorboard" in capsys.readouterr().err
