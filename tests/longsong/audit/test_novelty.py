"""New sound (P22) where the music's own likeness to itself cannot be measured: a dev split of less than a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from run_folders import RATE, SAMPLES, Spec, write_run, write_sound

from longsong.audit.checks_novelty import new_sound
from longsong.audit.evidence import Evidence
from longsong.version import __version__
from streams import ShardWriter

SECONDS = 11
SPEC = Spec(40, 50)


def tones(samples: int) -> np.ndarray:
    t = np.arange(samples) / RATE
    return 4000 * np.sin(2 * np.pi * 220 * t) + 2500 * np.sin(2 * np.pi * 331 * t + 1)


@pytest.fixture(scope="module")
def noisy_tones(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, Path]:
    """Two tones with noise, whose dev split has 0.9 s; and a folder of one run on them."""
    folder = tmp_path_factory.mktemp("tones")
    noise = 1200 * np.random.default_rng(5).standard_normal(SECONDS * RATE)
    samples = np.rint(tones(SECONDS * RATE) + noise).astype(np.int16)
    made_by = {"longsong": __version__}
    with ShardWriter(folder / "song", sample_rate=RATE, source=[{"name": "tones"}], made_by=made_by) as writer:
        writer.write(samples)
    write_run(folder / "runs", folder / "song", SPEC)
    return samples, folder / "runs"


def judged(runs: Path, sound: np.ndarray):
    write_sound(runs / SPEC.name, np.resize(np.rint(sound), SAMPLES).astype(np.int16))
    return new_sound(Evidence.load(runs))


def test_a_network_that_learnt_the_tones_is_not_called_a_copyist(noisy_tones: tuple[np.ndarray, Path]) -> None:
    """It is more like the song than the song's noise lets two of its own seconds be."""
    _, runs = noisy_tones
    found = judged(runs, 0.8 * tones(SAMPLES))
    assert found.verdict == "no evidence yet"
    assert f"{SPEC.name}: a second of it has the correlation" in found.text
    assert "and the dev split of 0.90 s has no second of sound" in found.text
    assert found.numbers["sounds_that_cannot_be_told_from_copies"] == 1


def test_what_is_not_like_the_song_is_new_all_the_same(noisy_tones: tuple[np.ndarray, Path]) -> None:
    _, runs = noisy_tones
    noise = 3000 * np.random.default_rng(6).standard_normal(SAMPLES)
    found = judged(runs, noise)
    assert found.verdict == "reproduced"
    assert found.numbers["sounds_that_cannot_be_told_from_copies"] == 0
    assert found.numbers["largest_correlation"] < 0.8


def test_what_is_the_song_bit_for_bit_is_a_copy_all_the_same(noisy_tones: tuple[np.ndarray, Path]) -> None:
    samples, runs = noisy_tones
    found = judged(runs, samples[RATE : 4 * RATE])
    assert found.verdict == "differs"
    assert "are the song's own from 1.00 s on" in found.text


def test_one_that_cannot_be_told_keeps_the_others_from_standing_for_all(
    noisy_tones: tuple[np.ndarray, Path],
) -> None:
    _, runs = noisy_tones
    other = Spec(50, 50)
    write_run(runs, runs.parent / "song", other)
    write_sound(runs / other.name, (3000 * np.random.default_rng(6).standard_normal(SAMPLES)).astype(np.int16))
    found = judged(runs, tones(SAMPLES))
    assert found.verdict == "no evidence yet"
    assert "1 of 1 sounds were looked for" in found.text
    assert f"1 cannot be told from copies ({SPEC.name}: a second" in found.text
