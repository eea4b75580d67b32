"""Files of runs, damaged in any way: an error of ours that names the file, or right work; nothing else."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mutations import broken_json, damaged, nested, says
from planned_grids import planned_grid, planned_run
from training_runs import config

import longsong
from longsong.config import ModelConfig
from longsong.errors import CheckpointError, LongsongError, RunError
from longsong.files import read_json, rest_sha256, sha256_of, write_json
from longsong.generated import is_generated, read_generated
from longsong.grid_file import read_grid, write_grid
from longsong.integrity import damages
from longsong.metrics import metric_lines
from longsong.model import Network
from longsong.training.checkpoint import load_latest, load_parameters
from longsong.training.record import read_record, read_summary
from streams.errors import StreamsError

NETWORK = Network(ModelConfig(hidden=8), 20)
STATE = "checkpoints/update-00000012/state.json"
PARAMETERS = "checkpoints/update-00000012/parameters.safetensors"
some = settings(max_examples=60)


def seal(found: dict[str, Any]) -> None:
    """Vouch for what was altered."""
    for name in ("rest_sha256", "state_sha256"):
        if name in found:
            left = ("format", "version", name) if name == "state_sha256" else (name,)
            found[name] = rest_sha256({key: value for key, value in found.items() if key not in left})


@pytest.fixture(scope="module")
def run(complete_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy; each example writes one file of it anew, and puts it back."""
    return shutil.copytree(complete_run, tmp_path_factory.mktemp("fuzz") / "run")


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grid")
    write_grid(folder, planned_grid(planned_run(), sharing={"slots": 1}))
    return folder


class Altered:
    """A file with other content, while a block lasts."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path, self.content, self.before = path, content, path.read_bytes()

    def __enter__(self) -> bytes:
        self.path.write_bytes(self.content)
        return self.before

    def __exit__(self, *error: object) -> None:
        self.path.write_bytes(self.before)


def same(read: Callable[[], Any], path: Path, content: bytes) -> None:
    """Read what was damaged: it is an error, or what it was.

    A file whose seal has another name is one of before there were seals, and nothing vouches for it.
    """
    assume(
        all(name in content or name not in path.read_bytes() for name in (b'"rest_sha256": "', b'"state_sha256": "'))
    )
    expected = read()
    with Altered(path, content):
        try:
            found = read()
        except LongsongError as error:
            says(error, "")
            return
        assert repr(found) == repr(expected)


def readers(run: Path, grid: Path) -> dict[str, tuple[Path, Callable[[], Any]]]:
    wav = run / "generated-0.2s.wav"
    return {
        "config": (run / "config.json", lambda: read_record(run)),
        "summary": (run / "summary.json", lambda: read_summary(run)),
        "generated": (wav.with_suffix(".json"), lambda: read_json(wav.with_suffix(".json"), "longsong.generated", 1)),
        "grid": (grid / "grid.json", lambda: read_grid(grid)),
        "state": (run / STATE, lambda: vars(load_latest(run / "checkpoints", NETWORK))),
        "parameters": (run / PARAMETERS, lambda: load_latest(run / "checkpoints", NETWORK).parameters.tolist()),
    }


NAMES = ["config", "summary", "generated", "grid", "state", "parameters"]


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@some
def test_damaged_bytes_are_never_read_as_something_else(
    run: Path, grid: Path, bounded: Any, name: str, data: Any
) -> None:
    path, read = readers(run, grid)[name]
    with bounded():
        same(read, path, data.draw(damaged(path.read_bytes())))


@pytest.mark.parametrize("name", NAMES[:-1])
@given(data=st.data())
@some
def test_what_was_altered_with_its_seal_kept_is_refused(
    run: Path, grid: Path, bounded: Any, name: str, data: Any
) -> None:
    path, read = readers(run, grid)[name]
    with bounded():
        same(read, path, data.draw(broken_json(path.read_bytes())))


@pytest.mark.parametrize("name", NAMES[:-1])
@given(data=st.data())
@some
def test_what_was_altered_and_sealed_anew_is_an_error_of_ours_or_can_be_used(
    run: Path, grid: Path, bounded: Any, name: str, data: Any
) -> None:
    path, read = readers(run, grid)[name]
    with Altered(path, data.draw(broken_json(path.read_bytes(), seal))), bounded():
        for use in (
            read,
            lambda: longsong.load_run(run),
            lambda: is_generated(run, 1),
            lambda: read_generated(run / "generated-0.2s.wav", {"mode": "post"}),
            lambda: damages(run),
        ):
            try:
                use()
            except LongsongError as error:
                says(error, "")


@given(data=st.data())
@settings(max_examples=150)
def test_metrics(run: Path, bounded: Any, data: Any) -> None:
    path = run / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    if data.draw(st.booleans()):
        content = data.draw(damaged(b"".join(lines)))
    else:
        at = data.draw(st.integers(0, len(lines) - 1))
        content = b"".join([*lines[:at], data.draw(broken_json(lines[at])), b"\n", *lines[at + 1 :]])
    with Altered(path, content), bounded():
        try:
            costs = [line["train_cost"] for line in metric_lines(path) if line["kind"] == "update"]
            assert all(isinstance(cost, (int, float)) for cost in costs)
        except RunError as error:
            says(error, "metrics.jsonl")
        if content != b"".join(lines):
            assert [damage.part for damage in damages(run)] == ["metrics"]


@given(data=st.data())
@settings(max_examples=150)
def test_parameters_that_nothing_vouches_for(run: Path, tmp_path_factory: Any, bounded: Any, data: Any) -> None:
    """Such as those that another run is to begin with: whatever they are, shapes and type are the network's."""
    path = tmp_path_factory.mktemp("parameters") / "p.safetensors"
    path.write_bytes(data.draw(damaged((run / PARAMETERS).read_bytes())))
    with bounded():
        try:
            flat = load_parameters(path, NETWORK)
        except CheckpointError as error:
            says(error, str(path))
        else:
            assert flat.shape == (NETWORK.size,)
            assert flat.dtype in (torch.float32, torch.float64)


@given(data=st.data())
@settings(max_examples=100)
def test_the_head_of_parameters(run: Path, tmp_path_factory: Any, bounded: Any, data: Any) -> None:
    """Names, types, shapes and places of tensors, in a head that says how long it is."""
    content = (run / PARAMETERS).read_bytes()
    length = int.from_bytes(content[:8], "little")
    head = data.draw(broken_json(content[8 : 8 + length].rstrip()))
    path = tmp_path_factory.mktemp("parameters") / "p.safetensors"
    path.write_bytes(len(head).to_bytes(8, "little") + head + content[8 + length :])
    with bounded():
        try:
            assert load_parameters(path, NETWORK).shape == (NETWORK.size,)
        except CheckpointError as error:
            says(error, str(path))


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\x00" * 4096, b"\xff\xfe[]", b"[]", b"null", b"NaN", b'"a"', b"{", nested(100_000).encode(),
        nested(100_000, '{"a":', "}").encode(), b'{"format": ' + nested(990).encode() + b"}",
        b'{"format": "longsong.run", "version": 1e999}', b'{"format": "longsong.run", "version": ' + b"9" * 5000 + b"}",
        b'{"format": "longsong.run", "version": true}', b"1" * 100_000,
        b'{"format": "longsong.run", "version": 1, "rest_sha256": ' + nested(900).encode() + b"}",
    ],
)  # fmt: skip
def test_what_is_no_such_file_at_all(run: Path, grid: Path, bounded: Any, content: bytes) -> None:
    for path, read in readers(run, grid).values():
        with Altered(path, content), bounded(), pytest.raises(LongsongError):
            read()


def test_a_file_without_end_is_not_read_to_it(tmp_path: Path, bounded: Any) -> None:
    """It has as many bytes as a disk has not, and takes none of them; and a device has no end at all."""
    path = tmp_path / "config.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(RunError, match="more than"):
        read_json(path, "longsong.run", 1)
    metrics = tmp_path / "metrics.jsonl"
    with metrics.open("wb") as file:
        file.truncate(1 << 40)
    with bounded(), pytest.raises(RunError, match=r"metrics\.jsonl"):
        list(metric_lines(metrics))
    (tmp_path / "zero").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "zero", tmp_path / "pipe"):
        with pytest.raises(RunError, match="no file"):
            read_json(place, "longsong.run", 1)


ODD_STATES = {
    "epoch": -1, "update": 10**30, "metrics_bytes": 10**14, "train_stream": {"epoch": "x"}, "learning_rate": None,
    "best": {"epoch": 1}, "starts": 0.5, "more": 1, "sha256": {}, "metrics_sha256": 5, "song_digest": "another",
}  # fmt: skip


@pytest.mark.parametrize("name", ODD_STATES)
def test_a_run_does_not_go_on_from_what_cannot_be(stopped_run: Path, shards: Path, tmp_path: Path, name: str) -> None:
    """A checkpoint whose numbers are vouched for, and no run's."""
    run = shutil.copytree(stopped_run, tmp_path / "run")
    (path,) = run.glob("checkpoints/update-*/state.json")
    found = {**json.loads(path.read_text()), name: ODD_STATES[name]}
    seal(found)
    write_json(path, found)
    before = sha256_of(run / "metrics.jsonl")
    with pytest.raises((LongsongError, StreamsError)):
        longsong.train(config(shards, run), quiet=True)
    assert sha256_of(run / "metrics.jsonl") == before
