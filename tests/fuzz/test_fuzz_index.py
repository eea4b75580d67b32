"""A damaged index and damaged shards: an error of the data layer, or the very samples of the song."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import broken_json, damaged, says
from small_song import tune

import streams
from streams.errors import StreamsError
from streams.index import parse_index

ZEROS = b"0" * 64


def seal(content: bytes) -> bytes:
    """Have an index hold the digest of itself, whatever it says; nothing where it holds none at all."""
    start = content.rfind(b'"index_digest": "')
    if start < 0:
        return content
    start += len(b'"index_digest": "')
    content = content[:start] + ZEROS + content[start + 64 :]
    return content[:start] + hashlib.sha256(content).hexdigest().encode() + content[start + 64 :]


@pytest.fixture(scope="module")
def copied(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(shards, tmp_path_factory.mktemp("copied") / "song")


@pytest.fixture(scope="module")
def index(shards: Path) -> bytes:
    return (shards / "index.json").read_bytes()


@given(data=st.data())
@settings(max_examples=150)
def test_a_damaged_index_is_refused(index: bytes, bounded: Callable[[], Any], data: Any) -> None:
    content = data.draw(damaged(index) | broken_json(index))
    with bounded():
        try:
            found = parse_index(content, "index.json")
        except StreamsError as error:
            says(error, "index.json")
        else:
            assert found.to_bytes() == parse_index(index, "index.json").to_bytes()


@given(data=st.data())
@settings(max_examples=150)
def test_an_index_that_lies_gives_no_sample_that_is_not_there(
    copied: Path, index: bytes, bounded: Callable[[], Any], data: Any
) -> None:
    """Numbers, names and digests of its own choice: nothing beyond the folder is opened, all that is read is held."""
    (copied / "index.json").write_bytes(seal(data.draw(broken_json(index))))
    whole = tune(31_600)
    with bounded():
        try:
            song = streams.Song.open(copied)
            found = np.array(song[: len(song)])
        except StreamsError as error:
            says(error, "")
        else:
            assert np.array_equal(found, whole[: len(found)])
    (copied / "index.json").write_bytes(index)


@given(data=st.data())
@settings(max_examples=60)
def test_damaged_shards(copied: Path, bounded: Callable[[], Any], data: Any) -> None:
    (shard, *_) = sorted(copied.glob("*.tar"))
    before = shard.read_bytes()
    content = data.draw(damaged(before))
    shard.write_bytes(content)
    try:
        with bounded():
            song = streams.Song.open(copied)
            assert np.array_equal(np.array(song[: len(song)]), tune(31_600))
            song.verify()
            assert content == before
    except StreamsError as error:
        says(error, "")
    finally:
        shard.write_bytes(before)


@pytest.mark.parametrize(
    "name", ["../outside.tar", "/etc/passwd", "..", "a/b.tar", "", "con\x00.tar", ".hidden", "a\\b"]
)
def test_a_shard_is_a_file_of_its_folder(index: bytes, name: str) -> None:
    found = json.loads(index)
    found["shards"][0]["name"] = name
    with pytest.raises(StreamsError, match="name"):
        parse_index(seal(json.dumps(found).encode()), "index.json")
