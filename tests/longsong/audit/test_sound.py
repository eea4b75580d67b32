"""All figures of a sound at once."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_sounds import RATE, music, sine, white

from longsong.audit.song_statistics import SongStatistics, compute_song_statistics
from longsong.audit.sound import FORMAT, VERSION, sound_figures
from longsong.errors import ConfigError, RunError
from streams import ArraySong

SONG = ArraySong(music(60, seed=11), RATE)
TRAIN = 50 * RATE


@pytest.fixture(scope="module")
def statistics() -> SongStatistics:
    return compute_song_statistics(SONG, TRAIN)


def test_a_copy_of_the_song_is_told_as_one(statistics: SongStatistics) -> None:
    found = sound_figures(SONG[8 * RATE : 14 * RATE], RATE, 40, statistics, SONG)
    assert (found["format"], found["version"]) == (FORMAT, VERSION)
    assert (found["samples"], found["seconds"], found["frame"]) == (6 * RATE, 6.0, 40)
    assert found["copying"]["copied_share"] == 1
    assert found["copying"]["longest_seconds"] == 6
    assert found["collapse"] is None
    assert found["spectrum"]["frechet_log_mel"] < found["spectrum"]["frechet_references"]["white_noise"]
    assert found["borders"]["step_ratio"] == pytest.approx(1, abs=0.1)


def test_noise_tone_and_silence_are_told_apart(statistics: SongStatistics) -> None:
    noise, tone, silence = (
        sound_figures(samples, RATE, 100, statistics, SONG)
        for samples in (white(3000, 4), sine(300, 5000, 4), np.zeros(4 * RATE, np.int16))
    )
    assert noise["spectrum"]["flatness"] > 0.5 > tone["spectrum"]["flatness"]
    references = noise["spectrum"]["frechet_references"]
    assert silence["spectrum"]["frechet_log_mel"] == pytest.approx(references["silence"], rel=1e-3)
    assert references["floor"] < references["white_noise"] < references["silence"]
    assert tone["repetition"]["period"]["strength"] > 0.99
    assert noise["repetition"]["period"]["strength"] < 0.1
    assert silence["collapse"] == {"second": 0.0, "kind": "silent"}
    assert silence["repetition"]["period"] is None
    assert tone["repetition"]["self_similarity"]["mean"] > 0.95


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(-32768, 32767), min_size=1, max_size=4),
    st.integers(1, 20_000),
    st.sampled_from([1, 40, 999, 40_000]),
)
def test_whatever_the_sound_the_figures_are_json(
    statistics: SongStatistics, levels: list[int], length: int, frame: int
) -> None:
    samples = np.resize(np.array(levels, np.int16), length)
    text = json.dumps(sound_figures(samples, RATE, frame, statistics, SONG), allow_nan=False)
    assert json.loads(text)["samples"] == length


def test_without_the_song_nothing_is_compared_with_it(statistics: SongStatistics) -> None:
    alone = sound_figures(white(3000, 2), RATE, 40)
    assert alone["spectrum"] is alone["copying"] is alone["repetition"]["self_similarity"] is None
    assert alone["levels"]["rms_dbfs"] is not None
    assert alone["repetition"]["period"] is not None
    without = sound_figures(white(3000, 2), RATE, 40, statistics)
    assert without["copying"] is None
    assert without["spectrum"] is not None


def test_what_does_not_go_together_is_refused(statistics: SongStatistics) -> None:
    sound = white(3000, 1)
    with pytest.raises(ConfigError, match="8000 Hz"):
        sound_figures(sound, 8000, 40, statistics, SONG)
    with pytest.raises(RunError, match="another song"):
        sound_figures(sound, RATE, 40, statistics, ArraySong(music(60, seed=12), RATE))
    with pytest.raises(ConfigError, match="int16"):
        sound_figures(sound.astype(np.float32), RATE, 40)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="frame"):
        sound_figures(sound, RATE, 0)


def test_neither_torch_nor_what_plays_audio_is_needed() -> None:
    """And scipy only when something is computed."""
    code = """
import sys
import longsong.audit.sound, longsong.audit.baselines, longsong.audit.horizon
assert "scipy" not in sys.modules
import numpy
longsong.audit.sound.sound_figures(numpy.arange(5000, dtype=numpy.int16), 16000, 40)
assert "scipy.fft" in sys.modules
assert not {"torch", "soundfile", "soxr", "matplotlib"} & set(sys.modules), sorted(sys.modules)
"""
    subprocess.run([sys.executable, "-c", f"import sys; sys.path[:0] = ['src', '.']\n{code}"], check=True)
