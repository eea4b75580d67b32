import io
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import DamagedShardError, WriteError
from streams.flac import StreamInfo, check_sample_rate, decode, encode, stream_info


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_is_packed_is_unpacked(data) -> None:
    count = data.draw(st.integers(1, 300) | st.sampled_from([4095, 4096, 4097, 10_000]))
    seed = data.draw(st.integers(0, 99))
    low, high = sorted(data.draw(st.tuples(st.integers(-32768, 32767), st.integers(-32768, 32767))))
    samples = np.random.default_rng(seed).integers(low, high + 1, count).astype(np.int16)

    packed = encode(samples, 16_000)

    assert packed == encode(samples, 16_000)
    assert np.array_equal(decode(packed, count, "x"), samples)
    assert np.array_equal(decode(memoryview(packed), count, "x"), samples)
    assert stream_info(packed, "x") == StreamInfo(16_000, 1, 16, count)


@pytest.mark.parametrize(
    "rate", [1, 7, 999, 16_000, 44_100, 65_535, 65_536, 65_540, 100_001, 192_000, 655_350, 655_360]
)
def test_the_rates_are_those_of_the_library(rate) -> None:
    samples = np.arange(100, dtype=np.int16)
    file = io.BytesIO()
    try:
        soundfile.write(file, samples, rate, format="FLAC", subtype="PCM_16")
    except soundfile.SoundFileError:
        with pytest.raises(WriteError, match=f"sample_rate is {rate}"):
            encode(samples, rate)
    else:
        check_sample_rate(rate)
        packed = encode(samples, rate)
        assert stream_info(packed, "x").sample_rate == rate
        assert np.array_equal(decode(packed, 100, "x"), samples)


def packed_as(samples: np.ndarray, **changes: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, **{"format": "FLAC", "subtype": "PCM_16", **changes})
    return file.getvalue()


SAMPLES = np.random.default_rng(3).integers(-3000, 3000, 5000).astype(np.int16)
PACKED = encode(SAMPLES, 16_000)


@pytest.mark.parametrize(
    ("data", "samples"),
    [
        (PACKED, 4999),
        (PACKED, 5001),
        (PACKED, 0),
        (packed_as(np.stack([SAMPLES, SAMPLES], axis=1)), 5000),
        (packed_as(SAMPLES, subtype="PCM_24"), 5000),
        (packed_as(SAMPLES, subtype="PCM_S8"), 5000),
        (packed_as(SAMPLES, format="WAV"), 5000),
        (packed_as(SAMPLES, format="OGG", subtype="VORBIS"), 5000),
        (b"", 5000),
        (b"fLaC", 5000),
        (PACKED[:41], 5000),
        (PACKED[:42], 5000),
        (PACKED[:-1], 5000),
        (PACKED[: len(PACKED) // 2], 5000),
        (b"ID3\x04" + PACKED, 5000),
    ],
)
def test_what_is_not_these_samples_is_refused_by_name(data, samples) -> None:
    with pytest.raises(DamagedShardError, match=r"song\.tar: member 3"):
        decode(data, samples, "song.tar: member 3")


def test_a_head_that_lies_is_refused() -> None:
    def claiming(samples: int) -> bytes:
        packed = (15_999 + 1) << 44 | 15 << 36 | samples
        return PACKED[:18] + struct.pack(">Q", packed) + PACKED[26:]

    assert claiming(5000) == PACKED
    for samples in 5001, 9000:
        with pytest.raises(DamagedShardError, match="FLAC"):
            decode(claiming(samples), samples, "x")
    # 128 GiB of samples, for which no room is made.
    with pytest.raises(DamagedShardError, match=f"bytes of FLAC do not hold {2**36 - 1} samples"):
        decode(claiming(2**36 - 1), 2**36 - 1, "x")


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0, len(PACKED) - 1), bit=st.integers(0, 7))
def test_damage_never_gives_another_count_or_another_error(place, bit) -> None:
    data = bytearray(PACKED)
    data[place] ^= 1 << bit
    try:
        found = decode(bytes(data), 5000, "x")
    except DamagedShardError:
        return
    # What is left: bytes that say nothing of the samples, such as the name of the encoder.
    assert (found.shape, found.dtype) == ((5000,), np.int16)
