"""Files that vouch for themselves: every bit that is turned is found, wherever it is."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c as reference

from longsong.integrity.container_damage import archive_damage, events_damage, picture_damage
from longsong.integrity.crc32c import masked_crc32c
from longsong.training.events import EventFile


@given(st.binary(max_size=3000) | st.builds(bytes.__mul__, st.binary(min_size=1, max_size=9), st.integers(400, 5000)))
@settings(max_examples=60)
def test_the_checksum_is_tensorboards(data):
    assert masked_crc32c(data) == reference(data)


def test_the_checksum_of_the_standard():
    """RFC 3720, B.4: 32 bytes of zeros, of ones, counting up and counting down."""
    masked = {0x8A9136AA, 0x62A8AB43, 0x46DD794E, 0x113FDB5C}
    texts = (bytes(32), b"\xff" * 32, bytes(range(32)), bytes(range(31, -1, -1)))
    turned = {(value >> 15 | value << 17) + 0xA282EAD8 & 0xFFFFFFFF for value in masked}
    assert {masked_crc32c(text) for text in texts} == turned


@pytest.fixture
def events(tmp_path):
    with EventFile(tmp_path, None) as file:
        for step in range(3):
            file.scalars(step, 1.0, {"cost": 0.5 / (step + 1)})
    (path,) = tmp_path.iterdir()
    return path


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.arange(600, dtype=np.uint8).reshape(20, 30)).save(path)
    return path


@pytest.fixture
def archive(tmp_path):
    file = io.BytesIO()
    np.savez(file, a=np.arange(20.0), b=np.arange(5))
    path = tmp_path / "a.npz"
    path.write_bytes(file.getvalue())
    return path


def test_what_is_whole_is_no_damage(events, picture, archive):
    assert (events_damage(events), picture_damage(picture), archive_damage(archive)) == (None, None, None)


def test_every_bit_of_an_event_counts(events):
    content = events.read_bytes()
    for at in range(len(content)):
        events.write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :])
        damage = events_damage(events)
        assert damage is not None, at
        assert "record" in str(damage)


def test_events_that_end_in_the_middle_were_left_by_a_process_that_was_killed(events):
    content = events.read_bytes()
    for length in range(len(content)):
        events.write_bytes(content[:length])
        assert events_damage(events) is None


def test_every_bit_of_a_picture_counts(picture):
    content = picture.read_bytes()
    for at in range(len(content)):
        picture.write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :])
        assert picture_damage(picture) is not None, at
    for length in range(len(content)):
        picture.write_bytes(content[:length])
        assert picture_damage(picture) is not None, length


def test_a_bit_of_an_array_counts(archive):
    content = bytearray(archive.read_bytes())
    at = bytes(content).index(np.arange(20.0).tobytes()[8:])
    content[at] ^= 1
    archive.write_bytes(content)
    assert "a.npy" in str(archive_damage(archive))
    archive.write_bytes(content[:100])
    assert "cut short" in str(archive_damage(archive))


def test_a_length_without_end_is_not_believed(tmp_path):
    """Of a record that says it has an exabyte, nothing is made."""
    head = (1 << 60).to_bytes(8, "little")
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(head + masked_crc32c(head).to_bytes(4, "little") + b"x")
    assert events_damage(path) is None  # cut short
    chunk = b"IHDR"
    png = b"\x89PNG\r\n\x1a\n" + b"\xff\xff\xff\xff" + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    path.write_bytes(png)
    assert picture_damage(path) is not None
