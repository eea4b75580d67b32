"""Audio files with damaged heads and bodies: an error that names the file, or sound of a length that it may have."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import damaged, says

from longsong.audio import probe, read_blocks
from longsong.errors import AudioError
from streams import flac
from streams.errors import StreamsError

RATE = 16_000
KINDS = {
    "wav": ("WAV", "PCM_16"),
    "float.wav": ("WAV", "FLOAT"),
    "ima.wav": ("WAV", "IMA_ADPCM"),
    "w64": ("W64", "PCM_16"),
    "aiff": ("AIFF", "PCM_24"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
MOST_SECONDS = 5.0
MOST_SAMPLES = 1 << 22
"""Of a file of some kilobytes: a low rate makes many samples out of few, and more than these are not waited for."""


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("sounds")
    sine = 0.4 * np.sin(np.arange(RATE // 4) / 7.0) + 0.1 * np.random.default_rng(1).standard_normal(RATE // 4)
    found = {}
    for name, (container, subtype) in KINDS.items():
        path = folder / f"a.{name}"
        soundfile.write(path, sine, RATE, format=container, subtype=subtype)
        found[name] = path.read_bytes()
    return found


@pytest.mark.parametrize("name", KINDS)
@given(data=st.data())
@settings(max_examples=40)
def test_a_damaged_sound(
    sounds: dict[str, bytes], tmp_path_factory: Any, bounded: Callable[[], Any], name: str, data: Any
) -> None:
    path: Path = tmp_path_factory.mktemp("damaged") / f"a.{name}"
    whole = sounds[name]
    # Half of the time it is the head that is damaged: the first bytes say how long all is.
    content = data.draw(damaged(whole) | damaged(whole[:80]).map(lambda head: head + whole[80:]))
    path.write_bytes(content)
    began, samples = time.monotonic(), 0
    with bounded():
        try:
            said = probe(path)
            assert said.sample_rate > 0
            for block in read_blocks(path, RATE):
                assert block.dtype == np.int16
                samples += len(block)
                if samples > MOST_SAMPLES:
                    break
        except AudioError as error:
            says(error, str(path))
    assert time.monotonic() - began < MOST_SECONDS


@given(data=st.data())
@settings(max_examples=100)
def test_a_damaged_block_of_a_shard(sounds: dict[str, bytes], bounded: Callable[[], Any], data: Any) -> None:
    """As it is decoded after its checksum was compared: of somebody who means it."""
    content = data.draw(damaged(sounds["flac"]))
    with bounded():
        try:
            found = flac.decode(content, RATE // 4, "shard: member")
        except StreamsError as error:
            says(error, "shard: member")
        else:
            assert (found.shape, found.dtype) == ((RATE // 4,), np.int16)
