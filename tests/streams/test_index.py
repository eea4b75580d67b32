import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import FormatVersionError, IndexFileError, ShardError, Song
from streams.index import parse_index, read_index


@pytest.fixture
def document(shards: Path) -> dict[str, Any]:
    return json.loads((shards / "index.json").read_bytes())


def change(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Give a copy in which the field at ``a.0.b`` is `value`, or is not there where it is Ellipsis."""
    changed = at = copy.deepcopy(document)
    *parents, last = (int(step) if step.isdigit() else step for step in path.split("."))
    for step in parents:
        at = at[step]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return changed


def test_what_is_written_is_read(shards: Path) -> None:
    index = read_index(shards)

    assert index.to_bytes() == (shards / "index.json").read_bytes()
    assert index.source[0]["name"] == "Gesang, größer.wav"
    assert [shard.samples for shard in index.shards] == [150] * 6 + [100]


def test_the_seal_of_the_docs_is_ours(shards, document, seal) -> None:
    (shards / "index.json").write_bytes(seal(document))

    assert read_index(shards).digest == document["digest"]


def test_unknown_keys_are_ignored(shards, document, seal) -> None:
    changed = change(change(document, "later", [1]), "shards.0.members.0.later", {})

    assert parse_index(seal(changed), "index.json") == read_index(shards)


@settings(max_examples=300, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_bit_of_an_index_shows(index_bytes, place, bit) -> None:
    data = bytearray(index_bytes)
    data[int(place * len(data))] ^= 1 << bit

    with pytest.raises(ShardError, match=r"index\.json"):
        parse_index(bytes(data), "index.json")


@settings(max_examples=100, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True))
def test_an_index_cut_short_is_refused(index_bytes, place) -> None:
    with pytest.raises(IndexFileError, match=r"index\.json"):
        parse_index(index_bytes[: int(place * len(index_bytes))], "index.json")


@pytest.fixture(scope="module")
def index_bytes(new_folder, write_shards, make_samples) -> bytes:
    return (write_shards(new_folder(), make_samples(450)) / "index.json").read_bytes()


HOSTILE = [
    ("format", "streams.state"),
    ("format", ...),
    ("version", 0),
    ("version", "1"),
    ("version", True),
    ("sample_rate", 0),
    ("sample_rate", 16000.0),
    ("sample_rate", None),
    ("samples", 999),
    ("samples", 0),
    ("samples", -1000),
    ("samples", 2**63),
    ("samples", 10**4000),
    ("samples", True),
    ("digest", "AB" * 32),
    ("digest", "ab" * 31),
    ("digest", 5),
    ("statistics", []),
    ("statistics.count", 999),
    ("statistics.sum", 1e300),
    ("statistics.sum", 1000 * 32767 + 1),
    ("statistics.sum_of_squares", 0),
    ("statistics.sum_of_squares", 1000 * 2**30 + 1),
    ("statistics.minimum", -32769),
    ("statistics.maximum", 32768),
    ("statistics.maximum", -32768),
    ("block_samples", 49),
    ("block_samples", 0),
    ("encoding", 1),
    ("source", {}),
    ("source", ["song.wav"]),
    ("made_by", None),
    ("shards", []),
    ("shards", {}),
    ("shards", [None]),
    ("shards.0.name", "../song-000000.tar"),
    ("shards.0.name", "/etc/passwd"),
    ("shards.0.name", "a\\b"),
    ("shards.0.name", "."),
    ("shards.0.name", ".."),
    ("shards.0.name", ""),
    ("shards.0.name", "pipe:cat song-000000.tar"),
    ("shards.0.name", "song-000000.tar\n"),
    ("shards.0.name", "song-000001.tar"),
    ("shards.0.name", "x" * 300),
    ("shards.0.bytes", 10),
    ("shards.0.bytes", -1),
    ("shards.0.sha256", ""),
    ("shards.1.start", 151),
    ("shards.1.start", -150),
    ("shards.1.samples", 149),
    ("shards.1.members", []),
    ("shards.1.members.0.name", "a/b.npy"),
    ("shards.1.members.0.name", "000000000.npy"),
    ("shards.1.members.1.start", 199),
    ("shards.1.members.1.start", 201),
    ("shards.1.members.1.samples", 0),
    ("shards.1.members.1.samples", 51),
    ("shards.1.members.1.offset", -2),
    ("shards.1.members.1.offset", 0),
    ("shards.1.members.1.offset", 2**62),
    ("shards.1.members.1.offset", 1664.0),
    ("shards.1.members.1.sha256", None),
]


@pytest.mark.parametrize(("path", "value"), HOSTILE, ids=[f"{path}={str(value)[:20]}" for path, value in HOSTILE])
def test_what_cannot_be_is_refused_by_name(shards, document, seal, path, value) -> None:
    (shards / "index.json").write_bytes(seal(change(document, path, value)))

    with pytest.raises(IndexFileError, match=r"index\.json") as caught:
        Song.open(shards)
    assert len(str(caught.value)) < 400 + len(str(shards))


@pytest.mark.parametrize(("path", "value"), [("version", 2), ("version", 10**6), ("encoding", "flac")])
def test_what_is_newer_is_refused_by_name(shards, document, seal, path, value) -> None:
    (shards / "index.json").write_bytes(seal(change(document, path, value)))

    with pytest.raises(FormatVersionError, match=str(value)):
        Song.open(shards)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"format": "streams.index", "version": NaN}',
        '{"format": "streams.index", "version": -Infinity}',
        '{"format": "streams.index", "version": 1e999}',
        '{"format": "streams.index", "format": "streams.index", "version": 1}',
        '{"format": "streams.index", "version": 1' + "0" * 5000 + "}",
        "[" * 100_000,
        "\ufeff{}",
        "\x00",
    ],
    ids=lambda text: text[:60],
)
def test_what_is_no_index_is_refused(shards: Path, text: str) -> None:
    (shards / "index.json").write_text(text)

    with pytest.raises(IndexFileError, match=r"index\.json"):
        Song.open(shards)


def test_what_is_no_text_is_refused(shards: Path) -> None:
    (shards / "index.json").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(IndexFileError, match="cut short or altered"):
        Song.open(shards)


def test_an_index_without_end_is_not_read(shards: Path, monkeypatch) -> None:
    monkeypatch.setattr("streams.index._LARGEST_INDEX", 1000)

    with pytest.raises(IndexFileError, match="over 1000 bytes"):
        Song.open(shards)


def test_folders_that_are_none_are_named(shards: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(IndexFileError, match="nowhere: no such folder"):
        Song.open(tmp_path / "nowhere")
    with pytest.raises(IndexFileError, match=r"empty: no index\.json in it"):
        Song.open(tmp_path / "empty")
    with pytest.raises(IndexFileError, match="not a folder"):
        Song.open(shards / "song-000000.tar")
    (tmp_path / "empty" / "index.json").mkdir()
    with pytest.raises(IndexFileError, match="cannot be read"):
        Song.open(tmp_path / "empty")
