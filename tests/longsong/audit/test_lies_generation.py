"""Each lie about a generated sound turns the rows that it concerns, and no other."""

from __future__ import annotations

import hashlib
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_folders import SAMPLES, edit, predictions, read, to_int16, write_sound

import longsong
from longsong.audit import audit
from streams import Song

Turned = Callable[[Path], dict[str, str]]
NAME = "40x50-gru-199-s1"
LENGTH = 40 * 50


@pytest.fixture
def run(runs: Path) -> Path:
    return runs / NAME


@pytest.fixture
def seed(run: Path, song: Path) -> np.ndarray:
    start = read(run / "config.json")["data"]["train_samples"]
    return np.array(Song.open(song)[start : start + LENGTH])


def wav_of(run: Path) -> np.ndarray:
    with wave.open(str(run / "generated.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_seed_left_in(run: Path, runs: Path, seed: np.ndarray, turned: Turned) -> None:
    write_sound(run, np.concatenate([seed, wav_of(run)])[:SAMPLES])
    assert turned(runs) == {"P13": "differs"}
    assert "first 2,000 samples" in audit(runs).row("P13").text


def test_three_frames_of_the_seed_dropped_and_the_rest_left_in(
    run: Path, runs: Path, seed: np.ndarray, turned: Turned
) -> None:
    write_sound(run, np.concatenate([seed[120:], wav_of(run)])[:SAMPLES])
    assert turned(runs) == {"P13": "differs"}


def test_seed_left_in_at_another_level(run: Path, runs: Path, seed: np.ndarray, turned: Turned) -> None:
    write_sound(run, np.concatenate([to_int16(seed * 0.5), wav_of(run)])[:SAMPLES])
    assert turned(runs) == {"P13": "differs", "P14": "differs", "D02": "reproduced"}


def test_seed_said_to_be_in_it(run: Path, runs: Path, turned: Turned) -> None:
    edit(run / "generated.json", seed_in_output=True)
    assert turned(runs) == {"P13": "differs"}


@pytest.mark.parametrize("samples", [SAMPLES - 1600, SAMPLES + 1])
def test_another_length(samples: int, run: Path, runs: Path, turned: Turned) -> None:
    write_sound(run, np.resize(wav_of(run), samples))
    assert turned(runs) == {"P15": "differs"}


def test_another_rate(run: Path, runs: Path, turned: Turned) -> None:
    write_sound(run, wav_of(run), rate=22_050)
    assert turned(runs) == {"P15": "differs"}


def test_length_that_the_record_denies(run: Path, runs: Path, turned: Turned) -> None:
    write_sound(run, wav_of(run)[: SAMPLES - 1600])
    edit(run / "generated.json", samples=SAMPLES, seconds=30.0, iterations=12_000)
    assert turned(runs) == {"P15": "differs"}


def test_whole_sequences_in_the_file(run: Path, runs: Path, seed: np.ndarray, turned: Turned) -> None:
    write_sound(run, np.resize(np.concatenate([to_int16(y.reshape(-1)) for y in predictions(run, seed)]), SAMPLES))
    assert turned(runs) == {"P14": "differs", "D03": "reproduced"}


def test_more_samples_than_predictions_give(run: Path, runs: Path, turned: Turned) -> None:
    edit(run / "generated.json", iterations=240)
    assert turned(runs) == {"P12": "differs", "D03": "reproduced"}


def test_stretched_to_a_range(run: Path, runs: Path, turned: Turned) -> None:
    wav = wav_of(run).astype(np.float64)
    low, high = wav.min(), wav.max()
    write_sound(run, to_int16((wav - low) / (high - low) * 6000 - 3000))
    assert turned(runs) == {"D13": "reproduced"}


def test_stretched_to_a_range_of_no_script(run: Path, runs: Path, turned: Turned) -> None:
    write_sound(run, to_int16(wav_of(run) * 1.5))
    assert turned(runs) == {"D13": "reproduced"}


def test_predictions_turned_upside_down(run: Path, runs: Path, seed: np.ndarray, turned: Turned) -> None:
    def over(y: np.ndarray, ys: list[np.ndarray]) -> np.ndarray:
        highest, lowest = max(p.max() for p in ys), min(p.min() for p in ys)
        return highest - (highest - lowest) * (y - y.min()) / (y.max() - y.min())

    frames = [to_int16(y[-1]) for y in predictions(run, seed, turn=over)]
    write_sound(run, np.resize(np.concatenate(frames), SAMPLES))
    assert turned(runs) == {"P12": "differs", "D04": "reproduced"}


def test_prediction_that_does_not_follow(run: Path, runs: Path, turned: Turned) -> None:
    wav = wav_of(run).copy()
    wav[40:80] += 300
    write_sound(run, wav)
    assert turned(runs) == {"P12": "differs"}


def test_sound_of_a_fresh_network(run: Path, runs: Path, seed: np.ndarray, turned: Turned) -> None:
    random = np.random.default_rng(9)
    noise = [to_int16(300 * random.standard_normal(40)) for _ in range(3)]
    write_sound(run, np.resize(np.concatenate(noise), SAMPLES))
    assert turned(runs) == {"P14": "differs", "D02": "reproduced"}


def test_predictions_made_to_be_dropped(run: Path, runs: Path, turned: Turned) -> None:
    edit(run / "generated.json", iterations=12_000 + 50)
    assert turned(runs) == {"P12": "differs", "D14": "reproduced"}


def test_seed_of_the_train_split(run: Path, runs: Path, song: Path, turned: Turned) -> None:
    seed = np.array(Song.open(song)[40 * LENGTH : 41 * LENGTH])
    frames = [to_int16(y[-1]) for y in predictions(run, seed)]
    place = {"source": "train", "example": 40, "start": 40 * LENGTH, "stop": 41 * LENGTH, "file": None}
    write_sound(run, np.resize(np.concatenate(frames), SAMPLES), seed=place)
    assert turned(runs) == {"D15": "reproduced"}


def test_seed_said_to_be_of_dev_that_lies_in_train(run: Path, runs: Path, song: Path, turned: Turned) -> None:
    seed = np.array(Song.open(song)[40 * LENGTH : 41 * LENGTH])
    frames = [to_int16(y[-1]) for y in predictions(run, seed)]
    place = {"source": "dev", "example": 0, "start": 40 * LENGTH, "stop": 41 * LENGTH, "file": None}
    write_sound(run, np.resize(np.concatenate(frames), SAMPLES), seed=place)
    assert turned(runs) == {"D15": "reproduced"}


def test_wav_altered_on_disk(run: Path, runs: Path, turned: Turned) -> None:
    held = bytearray((run / "generated.wav").read_bytes())
    held[-1] ^= 1
    (run / "generated.wav").unlink()
    (run / "generated.wav").write_bytes(bytes(held))
    assert turned(runs) == dict.fromkeys(("P12", "P13", "P14", "P15"), "differs")
    assert "generated.wav was altered" in audit(runs).row("P15").text


def test_wav_cut_short(run: Path, runs: Path, turned: Turned) -> None:
    held = (run / "generated.wav").read_bytes()
    (run / "generated.wav").unlink()
    (run / "generated.wav").write_bytes(held[:20])
    edit(run / "generated.json", sha256=hashlib.sha256(held[:20]).hexdigest())
    assert turned(runs) == dict.fromkeys(("P12", "P13", "P14", "P15"), "differs")


def test_carried_state_is_not_the_posts_way(runs: Path, song: Path) -> None:
    for record in runs.glob("*/generated.json"):
        edit(record, mode="carry")
    found = audit(runs)
    assert {found.row(id).verdict.value for id in ("P12", "P14")} == {"no evidence yet"}
    assert found.row("P15").verdict == "reproduced"


def test_seeds_of_wavs_are_stated_by_no_one(runs: Path) -> None:
    for record in runs.glob("*/generated.json"):
        edit(record, seed={"source": "wav", "example": None, "start": 0, "stop": 1, "file": "mine.wav"})
    found = audit(runs)
    assert found.row("D15").verdict == "not stated"
    assert found.row("P13").verdict == "no evidence yet"


def test_code_without_a_licence(runs: Path, turned: Turned, monkeypatch: Any, tmp_path: Path) -> None:
    package = tmp_path / "checkout" / "src" / "longsong"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (tmp_path / "checkout" / "pyproject.toml").touch()
    monkeypatch.setattr(longsong, "__file__", str(package / "__init__.py"))
    assert turned(runs) == {"P16": "differs"}
    (tmp_path / "checkout" / "LICENSE").write_text("MIT")
    assert turned(runs) == {}


def test_runs_of_other_normalisation_are_not_stated(runs: Path) -> None:
    for config in runs.glob("*/config.json"):
        edit(config, data__normalise="none")
    assert audit(runs).row("D12").verdict == "not stated"
