import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import FormatVersionError, IndexFileError, ShardError, Song
from streams.checksum import checksum
from streams.index import Index, parse_index, read_index
from streams.shard import Shard, column
from streams.statistics import Statistics

VERSION_1 = Path(__file__).parent / "data" / "version-1"


@pytest.fixture
def short(shards: Path) -> dict[str, Any]:
    """Give what the writer wrote."""
    return json.loads((shards / "index.json").read_bytes())


@pytest.fixture
def document(shards: Path, short) -> dict[str, Any]:
    """Give the same, with the offset of every member spelled out."""
    for shard, columns in zip(short["shards"], read_index(shards).shards, strict=True):
        del shard["offset"], shard["stride"]
        shard["offsets"] = columns.offsets.tolist()
    return short


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


def test_members_are_what_the_columns_say(shards: Path, document) -> None:
    index = read_index(shards)
    members = [member for shard in index.shards for member in shard.members]

    assert members == [shard.member(i) for shard in index.shards for i in range(len(shard))]
    assert [member.name for member in members] == [f"{number:09d}.npy" for number in range(20)]
    assert [member.start for member in members] == list(range(0, 1000, 50)) == index.starts[:-1].tolist()
    assert index.starts[-1] == members[-1].stop == index.shards[-1].stop == 1000
    assert [member.offset for member in members] == [
        offset for shard in document["shards"] for offset in shard["offsets"]
    ]
    assert {(member.samples, member.bytes) for member in members} == {(50, 100)}
    for i in -1, 3:
        with pytest.raises(IndexError, match="which has 3"):
            index.shards[0].member(i)


def test_columns_cannot_be_changed(shards: Path) -> None:
    index = read_index(shards)

    for numbers in index.starts, index.shards[0].offsets, index.shards[0].lengths, index.shards[0].sizes:
        assert numbers.dtype == np.int64
        with pytest.raises(ValueError, match="read-only"):
            numbers[0] = 1


def test_what_follows_from_the_rest_is_not_written(short) -> None:
    for shard in short["shards"]:
        assert set(shard) == {"name", "bytes", "sha256", "start", "samples", "offset", "stride", "crc32"}


def test_offsets_may_be_spelled_out(shards, document, seal) -> None:
    assert parse_index(seal(document), "index.json") == read_index(shards)


@pytest.mark.parametrize("key", ["offset", "stride"])
@pytest.mark.parametrize("value", [..., None, -2, 0, 1, 3, 101, 8000, 2**62, 2**63, 2048.0, True, "2048", [2048]])
def test_places_that_cannot_be_are_refused_by_name(short, seal, key, value) -> None:
    if (key, value) == ("offset", 0):
        value = 1023  # 0 itself is a place
    with pytest.raises(IndexFileError, match=r"index\.json"):
        parse_index(seal(change(short, f"shards.1.{key}", value)), "index.json")


def test_an_index_of_the_first_version_is_read(seal) -> None:
    numbers = np.arange(90)
    expected = (numbers * 2654435761 % 65536 - 32768).astype(np.int16)

    song = Song.open(VERSION_1)
    song.verify()

    assert np.array_equal(song[:], expected)
    assert [len(shard) for shard in song.index.shards] == [3, 2]
    assert [shard.names for shard in song.index.shards] == [None, None]
    assert [member.name for member in song.index.shards[1].members] == ["000000003.npy", "000000004.npy"]
    written = song.index.to_bytes()
    assert json.loads(written)["version"] == 2
    assert parse_index(written, "index.json") == song.index


def test_zeros_in_the_source_stay(shards: Path) -> None:
    index = read_index(shards)
    index.source[0]["sha256"] = "0" * 64
    data = index.to_bytes()

    assert json.loads(data)["source"][0]["sha256"] == "0" * 64
    assert parse_index(data, "index.json").source == index.source


def test_the_seal_of_the_docs_is_ours(shards, document, seal) -> None:
    (shards / "index.json").write_bytes(seal(document))

    assert read_index(shards).digest == document["digest"]


def test_unknown_keys_are_ignored(shards, document, seal) -> None:
    changed = change(change(document, "later", [1]), "shards.0.later", {})

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


BAD_NAMES = ["", "/a", "../a", "a/../b", "a/./b", "a//b", "a/", "..", "a\nb", "a\x1b[2J", "\udc80", "a\\b", "x" * 201]

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
    ("shards.1.offsets", []),
    ("shards.1.offsets", ...),
    ("shards.1.offsets", 1664),
    ("shards.1.offsets", [1664]),
    ("shards.1.offsets.0", -2),
    ("shards.1.offsets.1", 0),
    ("shards.1.offsets.1", 3713),
    ("shards.1.offsets.2", 10240),
    ("shards.1.offsets.2", 2**62),
    ("shards.1.offsets.2", 2**63 - 2),
    ("shards.1.offsets.2", 2**64),
    ("shards.1.offsets.2", -(2**70)),
    ("shards.1.offsets.2", 10**4000),
    ("shards.1.offsets.1", 3712.0),
    ("shards.1.offsets.1", True),
    ("shards.1.offsets.1", None),
    ("shards.1.offsets.1", "3712"),
    ("shards.1.offsets.1", [3712]),
    ("shards.1.lengths", []),
    ("shards.1.lengths", [50, 50]),
    ("shards.1.lengths", [50, 50, 51]),
    ("shards.1.lengths", [50, 49, 50]),
    ("shards.1.lengths", [50, 100, 0]),
    ("shards.1.lengths", [50, 100, -1]),
    ("shards.1.lengths", [50.0, 50.0, 50.0]),
    ("shards.1.lengths", [2**62, 2**62, 2**63 + 150]),
    ("shards.1.sizes", [100, 100, 100]),
    ("shards.1.crc32", "ab" * 4),
    ("shards.1.crc32", "AB" * 12),
    ("shards.1.crc32", "\u0661" * 24),
    ("shards.1.crc32", ["ab" * 4] * 3),
    ("shards.1.crc32", ...),
    ("shards.1.names", []),
    ("shards.1.names", "abc"),
    ("shards.1.names", ["a.npy", "b.npy"]),
    ("shards.1.names", ["a.npy", "b.npy", "a.npy"]),
    ("shards.1.names", ["a.npy", "b.npy", 5]),
    *(("shards.1.names", ["a.npy", "b.npy", name]) for name in BAD_NAMES),
]


@pytest.mark.parametrize(("path", "value"), HOSTILE, ids=[f"{path}={str(value)[:20]}" for path, value in HOSTILE])
def test_what_cannot_be_is_refused_by_name(shards, document, seal, path, value) -> None:
    (shards / "index.json").write_bytes(seal(change(document, path, value)))

    with pytest.raises(IndexFileError, match=r"index\.json") as caught:
        Song.open(shards)
    assert len(str(caught.value)) < 400 + len(str(shards))


HOSTILE_1 = [
    ("encoding", "flac"),
    ("samples", 91),
    ("block_samples", 19),
    ("shards.0.name", "song-000001.tar"),
    ("shards.0.start", 1),
    ("shards.1.samples", 31),
    ("shards.1.members", []),
    ("shards.1.members", {}),
    ("shards.1.members.0.name", "a/b.npy"),
    ("shards.1.members.0.name", "000000000.npy"),
    ("shards.1.members.0.name", "song-000000.tar"),
    ("shards.1.members.1.start", 79),
    ("shards.1.members.1.start", 81),
    ("shards.1.members.1.samples", 0),
    ("shards.1.members.1.samples", 21),
    ("shards.1.members.1.samples", 2**63),
    ("shards.1.members.1.offset", -2),
    ("shards.1.members.1.offset", 0),
    ("shards.1.members.1.offset", 2**62),
    ("shards.1.members.1.offset", 1664.0),
    ("shards.1.members.1.sha256", None),
    ("shards.1.members.1", None),
]


@pytest.mark.parametrize(("path", "value"), HOSTILE_1, ids=[f"{p}={str(value)[:20]}" for p, value in HOSTILE_1])
def test_what_cannot_be_in_the_first_version_is_refused_by_name(seal, path, value) -> None:
    document = json.loads((VERSION_1 / "index.json").read_bytes())
    assert parse_index(seal(document), "index.json") == read_index(VERSION_1)

    with pytest.raises(ShardError, match=r"index\.json"):
        parse_index(seal(change(document, path, value)), "index.json")


def test_members_that_differ_stand_in_the_index() -> None:
    shards = (
        make_shard("a.tar", 0, 0, "wav", [3, 7, 2], names=("x/1.wav", "größe.wav", "z.wav")),
        make_shard("b.tar", 12, 3, "wav", [7, 7, 1]),
    )
    index = make_index("wav", 7, shards)
    document = json.loads(index.to_bytes())
    found = parse_index(index.to_bytes(), "index.json")

    assert found == index
    assert ["lengths" in shard for shard in document["shards"]] == [True, False]
    assert [shard.names for shard in found.shards] == [("x/1.wav", "größe.wav", "z.wav"), None]
    assert found.shards[1].member(0).name == "000000003.wav"
    assert found.starts.tolist() == [0, 3, 10, 12, 19, 26, 27]


def test_flac_members_have_sizes(seal) -> None:
    index = make_index("flac", 7, (make_shard("a.tar", 0, 0, "flac", [7, 7, 2], sizes=[100, 5, 90]),))
    document = json.loads(index.to_bytes())

    assert parse_index(index.to_bytes(), "index.json") == index
    assert [member.bytes for member in index.shards[0].members] == document["shards"][0]["sizes"] == [100, 5, 90]
    for path, value in [
        ("shards.0.sizes", ...),
        ("shards.0.sizes", [100, 5]),
        ("shards.0.sizes.1", 0),
        ("shards.0.sizes.1", 5.0),
        ("shards.0.sizes.1", 700),
        ("shards.0.sizes.1", 2**63 - 1),
        ("block_samples", 2**30 + 1),
    ]:
        with pytest.raises(IndexFileError, match=r"index\.json"):
            parse_index(seal(change(document, path, value)), "index.json")


@st.composite
def indices(draw: st.DrawFn) -> Index:
    """Give an index of a few shards, of any encoding."""
    encoding = draw(st.sampled_from(["npy", "wav", "flac"]))
    cuts = draw(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=5), min_size=1, max_size=4))
    shards: list[Shard] = []
    start = first = 0
    for number, lengths in enumerate(cuts):
        sizes = draw(st.lists(st.integers(1, 99), min_size=len(lengths), max_size=len(lengths)))
        name = st.text(
            st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="./\\"), min_size=1
        )
        names = st.lists(name, min_size=len(lengths), max_size=len(lengths), unique=True)
        given_names = draw(st.none() | names.map(tuple))
        sizes_of = sizes if encoding == "flac" else None
        shards.append(make_shard(f"{number}.tar", start, first, encoding, lengths, names=given_names, sizes=sizes_of))
        start, first = start + sum(lengths), first + len(lengths)
    longest = max(max(lengths) for lengths in cuts)
    return make_index(encoding, draw(st.integers(longest, 2 * longest)), tuple(shards))


def make_shard(name, start, first, encoding, lengths, names=None, sizes=None) -> Shard:
    sizes = [2 * length for length in lengths] if sizes is None else sizes
    offsets = [512 * i + sum(sizes[:i]) // 2 * 2 + 2 * i for i in range(len(sizes))]
    checks = "".join(checksum(bytes([start % 256, i])) for i in range(len(sizes)))
    bytes_of_all = offsets[-1] + sizes[-1] + 10
    columns = column(offsets), column(lengths), column(sizes)
    return Shard(name, bytes_of_all, "ab" * 32, start, sum(lengths), *columns, checks, names, first, encoding)


def make_index(encoding: str, block_samples: int, shards: tuple[Shard, ...]) -> Index:
    samples = sum(shard.samples for shard in shards)
    statistics = Statistics(samples, 0, samples, -5, 5)
    return Index(16000, samples, "cd" * 32, statistics, block_samples, encoding, shards, [], {})


@given(index=indices())
def test_any_index_is_read_as_it_was_written(index) -> None:
    data = index.to_bytes()
    found = parse_index(data, "index.json")

    assert found.to_bytes() == data
    for one, other in zip(found.shards, index.shards, strict=True):
        assert one.members == other.members


ANYTHING = st.one_of(
    st.integers(),
    st.integers(-(2**65), 2**65),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.text(max_size=70),
    st.lists(st.integers(-3, 2**63), max_size=5),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@settings(max_examples=400)
@given(data=st.data(), index=indices(), value=ANYTHING)
def test_whatever_stands_in_a_field_is_taken_or_refused_by_name(data, index, value, seal) -> None:
    document = json.loads(index.to_bytes())
    at: Any = document
    while isinstance(at, dict | list) and at:
        parent, key = at, data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        at = parent[key]
    parent[key] = value

    try:
        found = parse_index(seal(document), "index.json")
    except ShardError as error:
        assert "index.json" in str(error)  # noqa: PT017
        return
    # What is taken holds together, whatever it is.
    assert found.starts[-1] == found.samples
    for shard in found.shards:
        ends = (shard.offsets + shard.sizes).tolist()
        assert all(begin >= 0 for begin in shard.offsets.tolist())
        assert all(end <= begin for end, begin in zip(ends, shard.offsets.tolist()[1:], strict=False))
        assert ends[-1] <= shard.bytes
        assert min(shard.lengths) >= 1


@pytest.mark.parametrize(("path", "value"), [("version", 3), ("version", 10**6), ("encoding", "mp3")])
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
    monkeypatch.setattr("streams.index.LARGEST_INDEX", 1000)

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
