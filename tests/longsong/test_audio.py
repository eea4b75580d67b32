"""Audio files to int16: every kind, every rate, and everything that can be wrong with one."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from longsong.audio import probe, read_blocks, read_mono
from longsong.errors import AudioError, ConfigError

LOSSLESS = [
    ("wav", "WAV", "PCM_16"),
    ("wav", "WAV", "PCM_24"),
    ("wav", "WAV", "PCM_32"),
    ("wav", "WAV", "FLOAT"),
    ("wav", "WAV", "DOUBLE"),
    ("wav", "RF64", "PCM_16"),
    ("aiff", "AIFF", "PCM_16"),
    ("aiff", "AIFF", "PCM_24"),
    ("flac", "FLAC", "PCM_16"),
    ("flac", "FLAC", "PCM_24"),
]
LOSSY = [
    ("wav", "WAV", "PCM_U8"),
    ("aiff", "AIFF", "PCM_S8"),
    ("ogg", "OGG", "VORBIS"),
    ("opus", "OGG", "OPUS"),
    ("mp3", "MP3", "MPEG_LAYER_III"),
]


def chord(seconds: float, rate: int, *, channels: int = 1) -> np.ndarray:
    """Three tones below 2 kHz, a little different in each channel, shape (samples, channels), full scale 1."""
    time = np.arange(round(seconds * rate))[:, np.newaxis] / rate
    tones = [(220.0, 0.2), (554.4, 0.15), (1318.5, 0.1)]
    phases = np.arange(channels) * 0.5
    return sum(amplitude * np.sin(2 * np.pi * hertz * time + phases) for hertz, amplitude in tones)


def store(path: Path, samples: np.ndarray, rate: int, kind: str, subtype: str) -> Path:
    soundfile.write(path, samples, rate, format=kind, subtype=subtype)
    return path


def int16(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-32768, 32768, samples, dtype=np.int16)


@pytest.mark.parametrize(("suffix", "kind", "subtype"), LOSSLESS)
def test_mono_at_16_khz_passes_bit_for_bit(tmp_path, suffix, kind, subtype):
    samples = int16(50_001)
    stored = samples / 32768 if subtype in ("FLOAT", "DOUBLE") else samples
    path = store(tmp_path / f"a.{suffix}", stored, 16_000, kind, subtype)
    read = np.concatenate(list(read_blocks(path, block=4096)))
    assert read.dtype == np.int16
    np.testing.assert_array_equal(read, samples)


@pytest.mark.parametrize(("suffix", "kind", "subtype"), LOSSLESS + LOSSY)
@pytest.mark.parametrize(("rate", "channels"), [(48_000, 2), (16_000, 1), (24_000, 1)])
def test_every_kind_comes_out_as_the_same_sound(tmp_path, suffix, kind, subtype, rate, channels):
    path = store(tmp_path / f"a.{suffix}", chord(2, rate, channels=channels), rate, kind, subtype)
    info = probe(path)
    assert (info.sample_rate, info.channels, info.format) == (rate, channels, f"{kind}/{subtype}")
    assert info.bytes == path.stat().st_size
    assert info.seconds == pytest.approx(2, abs=1e-9)
    read = read_mono(path) / 32768
    assert len(read) == 32_000
    expected = chord(2, 16_000, channels=channels).mean(axis=1)
    inside = slice(400, -400)  # a resampler rings at the ends
    error = np.sqrt(np.mean((read - expected)[inside] ** 2) / np.mean(expected[inside] ** 2))
    assert error < (0.1 if (suffix, kind, subtype) in LOSSY else 1e-3)


def test_channels_are_averaged_and_rounded_to_the_nearest(tmp_path):
    samples = np.stack([int16(9999, 1), int16(9999, 2), int16(9999, 3)], axis=1)
    path = store(tmp_path / "a.wav", samples, 16_000, "WAV", "PCM_16")
    total = samples.sum(axis=1, dtype=np.int64)
    nearest = np.floor_divide(2 * total + 3, 6)  # thirds have no ties
    np.testing.assert_array_equal(read_mono(path), nearest)


def test_what_is_beyond_full_scale_is_clipped(tmp_path):
    samples = np.array([0.0, 1.5, -1.5, 1.0, -1.0, 0.5])
    path = store(tmp_path / "a.wav", samples, 16_000, "WAV", "FLOAT")
    np.testing.assert_array_equal(read_mono(path), [0, 32767, -32768, 32767, -32768, 16384])


def test_tones_above_half_the_rate_are_not_folded_down(tmp_path):
    time = np.arange(96_000) / 48_000
    path = store(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 11_000 * time), 48_000, "WAV", "FLOAT")
    assert np.abs(read_mono(path)[400:-400]).max() <= 1


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from([8000, 11_025, 12_000, 15_999, 16_000, 22_050, 44_100, 48_000, 96_000]),
    frames=st.integers(2, 30_000),
    block=st.integers(100, 40_000),
)
def test_length_follows_from_the_rate_and_blocks_do_not_show(tmp_path_factory, rate, frames, block):
    assume(frames * 16_000 > rate)  # less than one sample is refused
    path = store(tmp_path_factory.mktemp("a") / "a.wav", int16(frames), rate, "WAV", "PCM_16")
    pieces = list(read_blocks(path, block=block))
    assert all(len(piece) for piece in pieces)
    # Beside blocks there is what the resampler held back until the end.
    assert max(map(len, pieces)) <= 4 * block + 4000
    read = np.concatenate(pieces)
    assert abs(len(read) - frames * 16_000 / rate) < 1
    np.testing.assert_array_equal(read, read_mono(path))


@pytest.mark.parametrize(("suffix", "kind", "subtype"), LOSSY[2:])
def test_blocks_do_not_show_in_what_a_decoder_with_memory_gives(tmp_path, suffix, kind, subtype):
    """Seeking between blocks, as soundfile does by itself, is heard in an mp3."""
    noise = 0.1 * np.random.default_rng(0).standard_normal((150_000, 2))
    path = store(tmp_path / f"a.{suffix}", noise, 48_000, kind, subtype)
    np.testing.assert_array_equal(np.concatenate(list(read_blocks(path, block=777))), read_mono(path))
    with soundfile.SoundFile(path) as file:
        at_once = file.read(dtype="float64").mean(axis=1)
    path = store(tmp_path / "b.wav", at_once, 48_000, "WAV", "DOUBLE")
    np.testing.assert_array_equal(read_mono(path), read_mono(tmp_path / f"a.{suffix}"))


def test_the_first_seconds_are_the_beginning_of_the_whole(tmp_path):
    path = store(tmp_path / "a.flac", chord(9, 44_100), 44_100, "FLAC", "PCM_16")
    np.testing.assert_array_equal(read_mono(path, seconds=2.5), read_mono(path)[:40_000])


def test_memory_does_not_grow_with_the_length(tmp_path):
    def peak(seconds: int) -> int:
        path = store(tmp_path / f"{seconds}.wav", chord(seconds, 44_100, channels=2), 44_100, "WAV", "PCM_16")
        tracemalloc.start()
        try:
            for _ in read_blocks(path):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(2)  # what is imported at the first use is not counted
    assert peak(60) < 1.2 * peak(10)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.wav", b"", "is empty (0 bytes)"),
        ("a.wav", b"no sound at all, only words " * 99, "is not audio"),
        ("a.mp3", b"no sound at all, only words " * 99, "is not audio"),
        ("a.raw", bytes(10_000), "is not audio"),
        ("a.flac", b"fLaC", "is not audio"),
        ("a.wav", b"RIFF\x04\0\0\0WAVE", "ends before its samples begin"),
    ],
)
def test_what_is_not_audio_is_refused_by_name(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AudioError) as caught:
        probe(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_missing_files_and_folders_are_refused_by_name(tmp_path):
    with pytest.raises(AudioError, match=r"there is no file .*nowhere"):
        probe(tmp_path / "nowhere.wav")
    with pytest.raises(AudioError, match="is not a file"):
        probe(tmp_path)


@pytest.mark.parametrize("kind", ["WAV", "AIFF"])
def test_a_file_without_samples_is_refused(tmp_path, kind):
    path = store(tmp_path / "a", np.zeros(0), 16_000, kind, "PCM_16")
    with pytest.raises(AudioError, match="holds no samples"):
        probe(path)


@pytest.mark.parametrize(("suffix", "kind", "subtype"), LOSSLESS + LOSSY)
@pytest.mark.parametrize("keep", [0.3, 0.6, 0.97])
def test_a_file_that_is_cut_short_is_refused(tmp_path, suffix, kind, subtype, keep):
    path = store(tmp_path / f"a.{suffix}", chord(4, 48_000, channels=2), 48_000, kind, subtype)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(AudioError, match=r"cut short|is damaged"):
        read_mono(path)


@pytest.mark.parametrize(("suffix", "kind", "subtype"), LOSSLESS[8:] + LOSSY[2:])
def test_a_file_that_is_damaged_within_is_refused(tmp_path, suffix, kind, subtype):
    path = store(tmp_path / f"a.{suffix}", chord(4, 48_000, channels=2), 48_000, kind, subtype)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = bytes(3000)
    path.write_bytes(content)
    with pytest.raises(AudioError, match="damaged"):
        read_mono(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_a_sample_that_is_not_finite_is_named_with_its_time(tmp_path, value, subtype):
    samples = chord(3, 48_000, channels=2)
    samples[120_000, 1] = value
    path = store(tmp_path / "a.wav", samples, 48_000, "WAV", subtype)
    with pytest.raises(AudioError, match=rf"is {value} at 2\.500 s"):
        read_mono(path)


@pytest.mark.parametrize(("arguments", "says"), [({"sample_rate": 0}, "0"), ({"block": -5}, "-5")])
def test_numbers_that_cannot_be_are_refused(tmp_path, arguments, says):
    path = store(tmp_path / "a.wav", chord(1, 16_000), 16_000, "WAV", "PCM_16")
    with pytest.raises(ConfigError, match=says):
        list(read_blocks(path, **arguments))


def test_a_file_shorter_than_a_sample_is_refused(tmp_path):
    path = store(tmp_path / "a.wav", np.zeros(1), 192_000, "WAV", "PCM_16")
    with pytest.raises(AudioError, match="shorter than one sample"):
        read_mono(path, 1000)


def test_an_opus_file_that_gives_a_few_samples_less_than_its_last_page_says_is_read(tmp_path):
    """Found in real music (10 samples of 18,803,218): its pages are whole, so nothing is lost."""
    from longsong.containers.ogg import _checksum

    path = tmp_path / "trimmed.opus"
    soundfile.write(path, 0.3 * np.sin(np.arange(48_000) / 20), 48_000, format="OGG", subtype="OPUS")
    content = bytearray(path.read_bytes())
    last = content.rindex(b"OggS")
    granule = int.from_bytes(content[last + 6 : last + 14], "little")
    content[last + 6 : last + 14] = (granule + 900).to_bytes(8, "little")
    content[last + 22 : last + 26] = bytes(4)
    content[last + 22 : last + 26] = _checksum(bytes(content[last:])).to_bytes(4, "little")
    path.write_bytes(content)
    with soundfile.SoundFile(path) as file:
        promised, decoded = file.frames, len(file.read())
    samples = np.concatenate(list(read_blocks(path, 48_000)))
    assert len(samples) == decoded < promised


def test_a_rate_that_no_sound_has_is_refused(tmp_path: Path) -> None:
    """A few kilobytes at 1 Hz would be hours."""
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(4000, np.int16), 99)
    with pytest.raises(AudioError, match="99 Hz"):
        probe(path)
    soundfile.write(path, np.zeros(400, np.int16), 100)
    assert len(read_mono(path)) == 64_000


def test_many_channels_take_no_more_memory_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.wav"
    samples = np.random.default_rng(0).integers(-9999, 9999, (3000, 64)).astype(np.int16)
    soundfile.write(path, samples, 16_000)
    asked = []
    real = soundfile.SoundFile.read

    def read(self: soundfile.SoundFile, frames: int = -1, **how: object) -> object:
        asked.append(frames * self.channels)
        return real(self, frames, **how)

    monkeypatch.setattr(soundfile.SoundFile, "read", read)
    found = np.concatenate(list(read_blocks(path, block=6400)))
    assert max(asked) <= 6400
    assert np.abs(found - samples.mean(axis=1)).max() <= 1
