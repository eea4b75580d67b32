"""CVE-2026-37555: IMA ADPCM whose frames libsndfile 1.2.2 counts beyond 32 bits is refused before it is asked."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from longsong.audio import probe, read_mono
from longsong.errors import AudioError


@pytest.fixture(params=["WAV", "W64"])
def adpcm(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"a.{request.param.lower()}"
    sine = 0.5 * np.sin(np.arange(16_000) / 9)
    soundfile.write(path, sine, 16_000, format=request.param, subtype="IMA_ADPCM")
    return path


def test_an_honest_one_is_read(adpcm: Path) -> None:
    assert probe(adpcm).format.endswith("/IMA_ADPCM")
    assert 16_000 <= len(read_mono(adpcm)) < 18_000


def test_one_that_overflows_is_refused_by_name(adpcm: Path) -> None:
    content = bytearray(adpcm.read_bytes())
    at = content.index(b"fmt ") + (8 if adpcm.suffix == ".wav" else 24)
    assert struct.unpack("<H", content[at : at + 2]) == (0x11,)
    struct.pack_into("<H", content, at + 12, 1)  # bytes of a block
    struct.pack_into("<H", content, at + 18, 65_535)  # samples of a block
    content += bytes(40_000)
    adpcm.write_bytes(content)
    with pytest.raises(AudioError, match="more in all than there can be"):
        probe(adpcm)
