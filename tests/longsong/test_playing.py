"""Sounds into an open file or a pipe, whole and stopped."""

from __future__ import annotations

import io
import os
import threading
import wave

import numpy as np
import pytest
from training_runs import train_to_be_heard

import longsong
from longsong.audio import read_mono
from longsong.generated import generate_into
from longsong.generating import Generating, Sounds
from longsong.playing import stream_out

FRAME, SEQ = 20, 5
SECOND = Generating(1.0)


@pytest.fixture(scope="module")
def run(shards, tmp_path_factory):
    return longsong.load_run(train_to_be_heard(shards, tmp_path_factory.mktemp("runs") / "run"))


def interrupted_after(pieces: int, monkeypatch):
    given = Sounds.__iter__

    def interrupted(self):
        for number, piece in enumerate(given(self)):
            if number == pieces:
                raise KeyboardInterrupt
            yield piece

    monkeypatch.setattr(Sounds, "__iter__", interrupted)


def through_a_pipe(run, how, format="wav") -> bytes:
    """Give what a program at the other end of a pipe reads."""
    reading, writing = os.pipe()
    got = []

    def read():
        with os.fdopen(reading, "rb") as file:
            got.append(file.read())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with os.fdopen(writing, "wb") as file:
            stream_out(run, file, how=how, format=format)
    except KeyboardInterrupt:
        pass
    reader.join()
    return got[0]


@pytest.mark.parametrize("how", [SECOND, Generating(1.0, "carry"), Generating(1.0, join="crossfade")])
def test_a_file_and_a_pipe_get_the_same_samples(run, tmp_path, how):
    wav, generated = generate_into(run, tmp_path / "a.wav", how=how, quiet=True)
    file = io.BytesIO()
    assert stream_out(run, file, how=how) == generated.record["notes"]
    assert file.getvalue() == wav.read_bytes()
    assert through_a_pipe(run, how, "raw") == generated.samples.astype("<i2").tobytes()
    assert through_a_pipe(run, how)[44:] == generated.samples.astype("<i2").tobytes()


def test_what_comes_out_of_a_pipe_can_be_opened(run, tmp_path):
    """Its header says that nobody knows its length: ours and other readers take what is there."""
    import soundfile

    path = tmp_path / "piped.wav"
    path.write_bytes(through_a_pipe(run, SECOND))
    expected = run.generate(1.0).samples
    np.testing.assert_array_equal(read_mono(path), expected)
    found, rate = soundfile.read(path, dtype="int16")
    np.testing.assert_array_equal(found, expected)
    assert rate == 16_000


def test_stopped_a_file_says_what_is_in_it(run, tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    interrupted_after(3, monkeypatch)
    with path.open("wb") as file, pytest.raises(KeyboardInterrupt, match=r"stopped; 0\.24 s were written"):
        stream_out(run, file, how=SECOND)
    with wave.open(str(path)) as file:
        assert file.getnframes() == 3 * 64 * FRAME
    monkeypatch.undo()
    np.testing.assert_array_equal(read_mono(path), run.generate(1.0).samples[: 3 * 64 * FRAME])


def test_stopped_a_pipe_has_given_a_file_that_can_be_opened(run, tmp_path, monkeypatch):
    interrupted_after(2, monkeypatch)
    path = tmp_path / "piped.wav"
    path.write_bytes(through_a_pipe(run, SECOND))
    assert len(read_mono(path)) == 2 * 64 * FRAME


def test_samples_are_there_as_soon_as_they_are_generated(run):
    """A player does not wait for a buffer to be full."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    out = io.BufferedWriter(io.FileIO(writing, "wb"), buffer_size=1 << 24)
    heard: list[int] = []
    given = Sounds.__iter__

    def watched(self):
        for piece in given(self):
            yield piece
            heard.append(len(os.read(reading, 1 << 20)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sounds, "__iter__", watched)
        stream_out(run, out, how=SECOND, format="raw")
    out.close()
    os.close(reading)
    assert heard[0] == 2 * 64 * FRAME
    assert sum(heard) == 32_000
