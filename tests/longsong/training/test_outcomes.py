"""What a run's TensorBoard is given beside its updates: read back, it is what was given."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from small_song import SAMPLE_RATE, tune
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from longsong.errors import RunError
from longsong.spectrogram import spectrogram_png
from longsong.training.outcomes import log_figures, log_sound
from longsong.wav import wav_header


def read_back(run: Path) -> EventAccumulator:
    events = EventAccumulator(str(run))
    events.Reload()
    return events


def tell(run: Path, name: str, samples: np.ndarray, epoch: int) -> bytes:
    """Log a sound; gives the picture."""
    picture = spectrogram_png(samples, SAMPLE_RATE)
    wav = wav_header(len(samples), SAMPLE_RATE) + samples.tobytes()
    log_sound(run, name, epoch, wav=wav, samples=len(samples), sample_rate=SAMPLE_RATE, spectrogram=picture)
    return picture


@pytest.mark.parametrize("count", [1, 2, 8000])
def test_a_sound_and_its_spectrogram_are_read_back(tmp_path: Path, count: int) -> None:
    samples = tune(8000)[:count]
    picture = tell(tmp_path, "generated", samples, 7)
    events = read_back(tmp_path)
    (audio,) = events.Audio("generated")
    assert (audio.step, audio.sample_rate, audio.length_frames, audio.content_type) == (
        7,
        SAMPLE_RATE,
        count,
        "audio/wav",
    )
    heard, rate = soundfile.read(io.BytesIO(audio.encoded_audio_string), dtype="int16")
    np.testing.assert_array_equal(heard, samples)
    assert rate == SAMPLE_RATE
    (image,) = events.Images("generated/spectrogram")
    assert (image.step, image.encoded_image_string) == (7, picture)
    with Image.open(io.BytesIO(image.encoded_image_string)) as seen:
        assert seen.size == (image.width, image.height)


def test_each_sound_has_a_spectrogram_of_its_own(tmp_path: Path) -> None:
    pictures = {name: tell(tmp_path, name, tune(8000, seed), 1) for seed, name in enumerate(("a", "b"))}
    events = read_back(tmp_path)
    assert events.Tags()["images"] == [f"{name}/spectrogram" for name in pictures]
    assert [events.Images(f"{name}/spectrogram")[0].encoded_image_string for name in pictures] == [*pictures.values()]
    assert pictures["a"] != pictures["b"]


def test_numbers_are_read_back_by_name_and_lists_as_curves(tmp_path: Path) -> None:
    figures = {"version": 2, "levels": {"dc": 0.5, "note": "quiet", "whole": True}, "horizon": [1.0, None, 3.0]}
    log_figures(tmp_path, "sound", figures, 4)
    events = read_back(tmp_path)
    found = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert found == {"sound/levels/dc": [(4, 0.5)], "sound/horizon": [(1, 1.0), (3, 3.0)]}


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="gone"):
        tell(tmp_path / "gone", "generated", tune(100), 1)
