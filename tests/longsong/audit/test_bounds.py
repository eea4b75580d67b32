"""Folders of runs whose files say what cannot be: each is named, and hides no other, in seconds and bounded memory."""

from __future__ import annotations

import hashlib
import json
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audit_lies import NAME
from run_folders import dump, edit, read, write_sound

from longsong.audit import audit
from longsong.audit.bounds import load_evidence
from longsong.audit.evidence import Evidence
from longsong.cli import main
from longsong.places import find_shards

OTHER = "50x50-gru-256-s1"


def config(**changes: Any) -> Callable[[Path], None]:
    return lambda run: edit(run / "config.json", **changes)


def written(name: str, content: bytes) -> Callable[[Path], None]:
    def write(run: Path) -> None:
        (run / name).unlink()
        (run / name).write_bytes(content)

    return write


def folder_for_summary(run: Path) -> None:
    (run / "summary.json").unlink()
    (run / "summary.json").mkdir()


LEFT_OUT: dict[str, tuple[Callable[[Path], None], str]] = {
    "learning rate 0": (config(training__learning_rate=0), "training.learning_rate = 0"),
    "learning rate of 400 digits": (config(training__learning_rate=10**400), "training.learning_rate = 1"),
    "decay without end": (config(training__lr_decay=1e308), "training.lr_decay = 1e+308"),
    "decay that grows": (config(training__lr_decay=1e6), "lr-decay is 1000000.0, which takes the learning rate beyond"),
    "seq of 400 digits": (config(data__seq=10**400), "data.seq = 100000000000000000...000000"),
    "frame of 10^12": (config(data__frame=10**12), "frame must be at most"),
    "batch of 10^12": (config(data__batch=10**12), "batch must be at most"),
    "cell that is none": (config(model__cell="foo"), "cell must be one of gru, lstm, rnn, not 'foo'"),
    "recurrence that is none": (config(model__recurrence="foo"), "recurrence must be one of time, batch"),
    "seed of 2^40": (config(training__seed=2**40), "training.seed = 1099511627776"),
    "width below 0": (config(model__init_width=-0.04), "init-width must be greater than 0"),
    "width beyond float32": (config(model__init_width=1e200), "init-width must be at most 1e+30"),
    "step clip 0": (config(training__step_clip=0), "step-clip must be greater than 0"),
    "shift that is a word": (config(data__example_shift="x"), "example-shift must be a whole number"),
    "shards of 5,000 letters": (config(song__shards="a" * 5000), "song.shards = 'aaaaaaaaaaaa"),
    "scale of 1e300": (config(song__scale=1e300), "song.scale = 1e+300"),
    "scale of next to nothing": (config(song__scale=1e-320), "song.scale = 1e-320"),
    "sample beyond int16": (config(song__maximum=10**6), "song.maximum = 1000000"),
    "song of one sample": (config(song__samples=1), "an example of 2,000 samples is longer than its song of 1"),
    "train split beyond the song": (config(data__train_samples=10**9), "train split of 1,000,000,000 samples"),
    "10^15 examples": (config(data__train_examples=10**15), "000,000,000,013 examples, and its song 320,000 samples"),
    "10^7 epochs": (config(training__epochs=10**7), "10,000,000 epochs of up to"),
    "a million units": (config(model__hidden=10**6), "parameters, more than an audit draws again"),
    "25 times the units": (config(model__hidden=5000), "parameters, and its file has"),
    "best epoch of 10^7": (lambda run: edit(run / "summary.json", best__epoch=10**7), "best epoch is 10,000,000 of 30"),
    "200,000 brackets": (written("config.json", b"[" * 200_000), "config.json is cut short or not JSON"),
    "a number that is none": (written("config.json", b'{"format": NaN}'), "config.json is of format"),
    "no text": (written("config.json", b"\xff\xfe{"), "config.json is cut short or not JSON"),
    "a list": (written("config.json", b"[1]"), "config.json is of format None"),
    "a section that is a list": (config(execution=[1]), "config.json has no execution.device"),
    "a folder for a summary": (folder_for_summary, "summary.json is no file, and cannot be read"),
    "a cost of 1e300": (lambda run: edit(run / "summary.json", cost_of_mean=1e300), "cost_of_mean = 1e+300"),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_run_that_cannot_be_is_left_out_by_name_and_hides_no_other(runs: Path, name: str) -> None:
    alter, says = LEFT_OUT[name]
    alter(runs / NAME)
    found = audit(runs)
    (problem,) = found.problems
    assert NAME in problem
    assert says in problem
    assert len(problem) < 500
    assert found.complete == 1
    assert found.row("P07").verdict == "reproduced"  # by the other one
    json.dumps(found.to_json(), allow_nan=False)


def test_a_folder_of_such_runs_alone_is_audited_to_its_end(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (NAME, OTHER):
        edit(runs / name / "config.json", training__learning_rate=0)
    assert main(["audit", str(runs)]) == 0
    out = capsys.readouterr().out
    assert out.count("Not read:") == 2
    assert "(0 complete runs)" in out


def test_what_is_left_out_was_in_the_evidence(runs: Path) -> None:
    edit(runs / NAME / "config.json", model__cell="foo")
    assert {run.name for run in Evidence.load(runs).runs} == {NAME, OTHER}
    assert {run.name for run in load_evidence(runs).runs} == {OTHER}


def test_sizes_that_a_lie_is_about_are_looked_at(runs: Path) -> None:
    """What is no more than wrong is for the checks to say, and not left out."""
    edit(runs / NAME / "config.json", training__epochs=29, model__hidden=256, data__train_examples=145)
    assert load_evidence(runs).problems == ()


def empty_wav(run: Path) -> None:
    path = run / "generated.wav"
    path.unlink()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
    edit(run / "generated.json", sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def wav_without_a_rate(run: Path) -> None:
    path = run / "generated.wav"
    held = bytearray(path.read_bytes())
    held[24:28] = bytes(4)
    path.unlink()
    path.write_bytes(bytes(held))
    edit(run / "generated.json", sha256=hashlib.sha256(bytes(held)).hexdigest())


@pytest.mark.parametrize(
    ("alter", "says"),
    [(empty_wav, "generated.wav holds no sample"), (wav_without_a_rate, "it has 0 samples a second")],
)
def test_a_wav_that_is_none_is_named_by_its_rows(
    runs: Path, alter: Callable[[Path], None], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    alter(runs / NAME)
    assert main(["audit", str(runs)]) == 0  # with its page
    capsys.readouterr()
    found = audit(runs)
    for id in ("P12", "P13", "P14", "P15"):
        assert (found.row(id).verdict, says in found.row(id).text) == ("differs", True)


@pytest.mark.parametrize("value", [float("nan"), 1e300, float("inf"), -1e308, 10**400])
def test_numbers_that_nobody_reads_first_leave_the_audit_writable(runs: Path, value: float) -> None:
    edit(runs / NAME / "generated.json", sound={"copying": {"highest": {"correlation": value}}})
    grid = read(runs / "grid.json")
    for entry in grid["runs"]:
        entry["estimated_seconds"] = value
    dump(runs / "grid.json", grid)
    assert main(["audit", str(runs), "--json"]) == 0
    json.loads((runs / "audit.json").read_text(), parse_constant=lambda word: pytest.fail(word))


def test_a_plan_that_is_nonsense_does_not_stop_the_audit(runs: Path) -> None:
    grid = read(runs / "grid.json")
    grid["song"] = {"samples": 10**400, "sample_rate": 16_000}
    for run in (NAME, OTHER):
        (runs / run / "summary.json").unlink()
    dump(runs / "grid.json", grid)
    found = audit(runs)
    assert found.complete == 0
    json.dumps(found.to_json(), allow_nan=False)


def test_shards_with_a_name_that_no_folder_has_are_not_there(tmp_path: Path) -> None:
    for name in ("a" * 5000, "a/" * 3000, "a\0b"):
        assert find_shards(name, tmp_path) is None


def test_a_sound_from_a_seed_that_cannot_be_is_named(runs: Path) -> None:
    record = read(runs / NAME / "generated.json")
    for place in ({"start": "x", "stop": None}, {"start": -5, "stop": 1995}, {"start": 0, "stop": 10**400}):
        edit(runs / NAME / "generated.json", seed=record["seed"] | place)
        row = audit(runs).row("P12")
        assert row.verdict == "differs"
        assert "its seed is at samples" in row.by


def test_a_sound_of_digital_silence_is_no_copy(runs: Path) -> None:
    write_sound(runs / NAME, np.zeros(480_000, np.int16))
    row = audit(runs).row("P22")
    assert (row.verdict, row.numbers["sounds_correlated"]) == ("reproduced", 1)
