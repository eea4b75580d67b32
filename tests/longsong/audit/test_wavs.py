"""Wav files read from their headers, and the seed looked for in them."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longsong.audit.wavs import Wav, seed_left_in, similarity
from longsong.errors import RunError


@given(st.integers(0, 40), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_seed_is_found_to_the_frame(frames: int, lag: int, number: int) -> None:
    random = np.random.default_rng(number)
    seed = random.integers(-3000, 3000, 60 * 8).astype(np.int16)
    made = random.integers(-3000, 3000, 900).astype(np.int16)
    wav = np.concatenate([seed[lag : lag + frames * 8], made])
    assert seed_left_in(wav, seed, 8) == frames * 8


def test_silence_is_no_seed_left_in() -> None:
    silence = np.zeros(400, np.int16)
    assert seed_left_in(silence, silence, 40) == 0
    begins_silent = np.concatenate([np.zeros(40, np.int16), np.arange(400, dtype=np.int16)])
    assert seed_left_in(begins_silent, begins_silent, 40) == 440


def test_frame_found_across_two_samples_is_none() -> None:
    """The bytes of a frame may stand in the seed at an odd address: that is no sample of it."""
    wav = np.array([0x0100, 0x0302], np.int16)
    seed = np.frombuffer(b"\xff\x00\x01\x02\x03\xff", "<i2").astype(np.int16)
    assert seed_left_in(wav, seed, 2) == 0


def test_similarity_does_not_depend_on_the_level() -> None:
    seed = np.random.default_rng(1).integers(-3000, 3000, 500).astype(np.int16)
    assert similarity((seed // 2).astype(np.int16), seed) > 0.99
    assert similarity(-seed, seed) < -0.99
    assert similarity(np.full(500, 7, np.int16), seed) == 0.0


def test_wav_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="longsong generate"):
        Wav.open(tmp_path / "none.wav")
    (tmp_path / "a.wav").write_bytes(b"RIFFnothing")
    with pytest.raises(RunError, match="no wav"):
        Wav.open(tmp_path / "a.wav")
    with wave.open(str(tmp_path / "stereo.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(8))
    with pytest.raises(RunError, match="2 channels"):
        _ = Wav.open(tmp_path / "stereo.wav").data
