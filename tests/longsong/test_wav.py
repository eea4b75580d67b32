"""Wav files are written whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from longsong import wav
from longsong.errors import AudioError, RunError, SpaceError
from longsong.wav import WavWriter, wav_header, write_wav, write_wav_blocks


@settings(max_examples=30, deadline=None)
@given(samples=arrays(np.int16, st.integers(0, 400)), rate=st.integers(1, 192_000))
def test_what_is_written_is_read_back(tmp_path_factory, samples, rate):
    path = tmp_path_factory.mktemp("wav") / "a.wav"
    write_wav(path, samples, rate)
    info = soundfile.info(path)
    assert (info.format, info.subtype, info.channels, info.samplerate) == ("WAV", "PCM_16", 1, rate)
    np.testing.assert_array_equal(soundfile.read(path, dtype="int16")[0], samples)


def test_a_song_too_large_for_a_wav_is_written_as_rf64(tmp_path, monkeypatch):
    monkeypatch.setattr(wav, "_LARGEST_WAV", 1000)
    samples = np.arange(-3000, 3000, dtype=np.int16)
    write_wav(tmp_path / "a.wav", samples)
    assert soundfile.info(tmp_path / "a.wav").format == "RF64"
    np.testing.assert_array_equal(soundfile.read(tmp_path / "a.wav", dtype="int16")[0], samples)


def test_a_header_says_more_than_4_gib(tmp_path):
    samples = 3 * 2**30
    path = tmp_path / "a.wav"
    with path.open("wb") as file:
        file.write(wav_header(samples, 16_000))
        file.truncate(file.tell() + 2 * samples)  # takes no room: holes are not stored
    assert soundfile.info(path).frames == samples


def test_what_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.wav"
    write_wav(path, np.arange(100, dtype=np.int16))
    before = path.read_bytes()

    def interrupted():
        yield np.zeros(50, np.int16)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_wav_blocks(path, interrupted(), 100)
    with pytest.raises(AudioError, match="was to have 100 samples and got 60"):
        write_wav_blocks(path, [np.zeros(60, np.int16)], 100)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.wav"]


def test_while_it_is_written_it_can_be_played(tmp_path):
    path, samples = tmp_path / "a.wav", np.arange(-500, 500, dtype=np.int16)
    writer = WavWriter(path, 1000)
    for first in range(0, 1000, 250):
        (beside,) = tmp_path.glob("a.*.partial.wav")
        np.testing.assert_array_equal(soundfile.read(beside, dtype="int16")[0], samples[:first])
        writer.write(samples[first : first + 250])
    assert not path.exists()
    writer.close()
    np.testing.assert_array_equal(soundfile.read(path, dtype="int16")[0], samples)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.wav"]


def test_what_ends_early_is_as_long_as_it_was(tmp_path, monkeypatch):
    for largest, kind in ((2**32, "WAV"), (1000, "RF64")):
        monkeypatch.setattr(wav, "_LARGEST_WAV", largest)
        writer = WavWriter(tmp_path / "a.wav", 10_000)
        writer.write(np.ones(7, np.int16))
        writer.close()
        info = soundfile.info(tmp_path / "a.wav")
        assert (info.frames, info.format) == (7, kind)


def test_where_nothing_can_be_written_is_named(tmp_path):
    with pytest.raises(RunError, match="there is no folder"):
        write_wav(tmp_path / "nowhere" / "a.wav", np.zeros(1, np.int16))


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path):
    """The system refuses to let files grow beyond 10,000 bytes, as a full disk would."""
    program = (
        "import resource, signal, sys, numpy, pathlib\n"
        "from longsong.errors import SpaceError\n"
        "from longsong.wav import write_wav\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "try:\n"
        "    write_wav(pathlib.Path(sys.argv[1]), numpy.zeros(99_999, numpy.int16))\n"
        "except SpaceError as error:\n"
        "    print(error)\n"
    )
    source = str(Path(wav.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a.wav")],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": source},
        check=True,
    )
    assert f"no room left on the disk for {tmp_path / 'a.wav'}" in done.stdout
    assert not list(tmp_path.iterdir())


def test_a_folder_without_permission_is_named(tmp_path, monkeypatch):
    def refused(self, *_arguments, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)  # root, who may run the tests, is refused nothing
    with pytest.raises(SpaceError, match=r"no permission to write .*a\.wav"):
        write_wav(tmp_path / "a.wav", np.zeros(1, np.int16))
