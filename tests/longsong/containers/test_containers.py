"""What a container says of itself, held against its bytes."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from longsong.audio import probe, read_mono
from longsong.containers import check_whole, mpeg, ogg, promised_frames, riff
from longsong.errors import AudioError


def encoded(kind: str, subtype: str, *, seconds: float = 3, rate: int = 48_000, seed: int = 0, **options) -> bytes:
    noise = 0.1 * np.random.default_rng(seed).standard_normal((round(seconds * rate), 2))
    buffer = io.BytesIO()
    soundfile.write(buffer, noise, rate, format=kind, subtype=subtype, **options)
    return buffer.getvalue()


VORBIS = encoded("OGG", "VORBIS", seconds=1)
OPUS = encoded("OGG", "OPUS", seconds=1)


@pytest.mark.parametrize("whole", [VORBIS, OPUS], ids=["vorbis", "opus"])
def test_a_whole_ogg_passes_with_what_programs_append_to_it(whole):
    assert ogg.trouble(io.BytesIO(whole)) is None
    assert ogg.trouble(io.BytesIO(whole + b"TAG" + bytes(125))) is None


# The place is a share of the file: what is encoded, and so its length, is another in each process.
PLACES = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize("whole", [VORBIS, OPUS], ids=["vorbis", "opus"])
@given(place=PLACES)
def test_an_ogg_cut_anywhere_is_found_out(whole, place):
    at = 4 + int(place * (len(whole) - 4))
    assert "is cut short" in (ogg.trouble(io.BytesIO(whole[:at])) or "")


@pytest.mark.parametrize("whole", [VORBIS, OPUS], ids=["vorbis", "opus"])
def test_an_ogg_cut_at_the_first_bytes_of_a_page_is_cut_short_and_not_damaged(whole):
    starts = [at for at in range(1, len(whole)) if whole.startswith(b"OggS", at)]
    assert len(starts) > 2
    for at in starts:
        for more in range(5):
            assert "is cut short" in (ogg.trouble(io.BytesIO(whole[: at + more])) or ""), (at, more)


@pytest.mark.parametrize("whole", [VORBIS, OPUS], ids=["vorbis", "opus"])
@given(place=PLACES)
def test_an_ogg_with_one_bit_changed_is_found_out(whole, place):
    bit = int(place * 8 * len(whole))
    changed = bytearray(whole)
    changed[bit // 8] ^= 1 << bit % 8
    assert ogg.trouble(io.BytesIO(changed)) is not None


def test_an_ogg_that_lacks_a_page_or_its_last_page_is_found_out():
    starts = [at for at in range(len(OPUS)) if OPUS.startswith(b"OggS", at)]
    lacking = OPUS[: starts[-2]] + OPUS[starts[-1] :]
    assert "a page is missing" in (ogg.trouble(io.BytesIO(lacking)) or "").replace("an Ogg page", "a page")
    assert "end-of-stream" in (ogg.trouble(io.BytesIO(OPUS[: starts[-1]])) or "")


def test_a_second_stream_behind_the_first_is_named_since_it_would_not_be_read(tmp_path):
    path = tmp_path / "a.ogg"
    path.write_bytes(VORBIS + OPUS)
    with pytest.raises(AudioError, match="several streams"):
        check_whole(path)


@pytest.mark.parametrize("kind", ["WAV", "RF64", "AIFF"])
def test_a_chunk_of_samples_that_ends_behind_the_file_is_found_out(kind):
    whole = encoded(kind, "PCM_16", seconds=0.1)
    assert riff.trouble(io.BytesIO(whole), len(whole)) is None
    cut = whole[:-1]
    assert "promises" in (riff.trouble(io.BytesIO(cut), len(cut)) or "")


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF024])
def test_a_wav_from_a_pipe_promises_nothing_and_is_read_to_its_end(tmp_path, size):
    samples = np.arange(5000, dtype=np.int16)
    path = tmp_path / "a.wav"
    soundfile.write(path, samples, 16_000)
    content = bytearray(path.read_bytes())
    at = content.index(b"data")
    content[at + 4 : at + 8] = struct.pack("<I", size)
    path.write_bytes(content)
    np.testing.assert_array_equal(read_mono(path), samples)


def test_a_chunk_behind_the_samples_may_be_anything(tmp_path):
    samples = np.arange(5000, dtype=np.int16)
    path = tmp_path / "a.wav"
    soundfile.write(path, samples, 16_000)
    path.write_bytes(path.read_bytes() + b"LIST" + struct.pack("<I", 1000) + b"cut short")
    np.testing.assert_array_equal(read_mono(path), samples)


@pytest.mark.parametrize("rate", [11_025, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_the_frames_of_an_mp3_are_counted(rate, mode):
    whole = encoded("MP3", "MPEG_LAYER_III", rate=rate, bitrate_mode=mode, compression_level=0.6)
    scan = mpeg.scan(io.BytesIO(whole), len(whole))
    assert scan is not None
    assert not scan.cut
    assert scan.declared in (None, scan.count)
    # An encoder adds less than three frames of silence.
    assert 0 <= scan.count * scan.samples_per_frame - 3 * rate < 3 * scan.samples_per_frame
    cut = mpeg.scan(io.BytesIO(whole[:-1]), len(whole) - 1)
    assert cut is not None
    assert cut.cut


def test_tags_before_and_behind_the_frames_of_an_mp3_are_passed_over():
    whole = encoded("MP3", "MPEG_LAYER_III")
    tagged = b"ID3\x04\0\0\0\0\x02\x01" + bytes(257) + whole + b"TAG" + bytes(125)
    assert mpeg.scan(io.BytesIO(tagged), len(tagged)) == mpeg.scan(io.BytesIO(whole), len(whole))


def test_nothing_is_claimed_of_an_mp3_with_junk_within():
    whole = encoded("MP3", "MPEG_LAYER_III")
    junk = whole[: len(whole) // 2] + b"junk" * 50 + whole[len(whole) // 2 :]
    assert mpeg.scan(io.BytesIO(junk), len(junk)) is None


def test_an_mp3_that_lost_frames_at_its_end_is_refused(tmp_path):
    whole = encoded("MP3", "MPEG_LAYER_III", bitrate_mode="CONSTANT", compression_level=0.5)
    end = _first_frames(whole, 40)
    path = tmp_path / "a.mp3"
    path.write_bytes(whole[:end])
    with pytest.raises(AudioError, match=r"promises \d+ MPEG frames, there are 39"):
        promised_frames(path)


def test_an_mp3_of_which_libsndfile_would_read_a_part_is_refused(tmp_path):
    whole = encoded("MP3", "MPEG_LAYER_III", seconds=5)
    path = tmp_path / "a.mp3"
    path.write_bytes(whole + whole)
    with pytest.raises(AudioError, match=r"has 10\.1 s of sound, of which libsndfile would read 5\.0 s"):
        probe(path)


def _first_frames(whole: bytes, frames: int) -> int:
    """Give the byte behind so many frames, the one with the Xing header included."""
    at = 0
    for _ in range(frames):
        parsed = mpeg._parse(whole[at : at + 4])
        assert parsed is not None
        at += parsed[0]
    return at
