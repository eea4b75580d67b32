"""Files appear whole or not at all, and are read with their kind checked."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longsong.errors import RunError, SpaceError
from longsong.files import read_json, says_format, sha256_of, write_bytes, write_json, write_text

HEAD = {"format": "longsong.test", "version": 1}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=8
)


def names(folder: Path) -> list[str]:
    """Whatever lies in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, HEAD | {"name": "Łódź", "values": [1, None, 0.1]})
    assert read_json(path, "longsong.test", 1) == HEAD | {"name": "Łódź", "values": [1, None, 0.1]}
    assert path.read_text(encoding="utf-8").endswith("}\n")
    assert names(tmp_path) == ["a.json"]


def test_mode_is_that_of_any_new_file(tmp_path: Path) -> None:
    write_text(tmp_path / "ours", "x")
    (tmp_path / "theirs").write_text("x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "theirs").stat().st_mode


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EIO])
def test_failure_leaves_what_was_there(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    write_text(path, "before")

    def fail(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RunError if number == errno.EIO else SpaceError, match=r"a\.json"):
        write_text(path, "after")
    assert path.read_text() == "before"
    assert names(tmp_path) == ["a.json"]


def test_no_folder_to_write_into(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no folder"):
        write_bytes(tmp_path / "none" / "a", b"x")


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="null"):
        write_json(tmp_path / "a.json", {"cost": float("nan")})
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b'{"format": "longsong.test", "ver', "cut short"),
        (b"\xff\xfe", "cut short"),
        (b"[1, 2]", "format None"),
        (b'{"format": "other", "version": 1}', "'other'"),
        (b'{"format": "longsong.test"}', "version None"),
        (b'{"format": "longsong.test", "version": true}', "version True"),
        (b'{"format": "longsong.test", "version": 0}', "version 0"),
        (b'{"format": "longsong.test", "version": 2}', "newer version"),
    ],
)
def test_files_that_are_refused(content: bytes, match: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(RunError, match=match):
        read_json(path, "longsong.test", 1)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for read in (sha256_of, lambda path: read_json(path, "longsong.test", 1)):
        with pytest.raises(RunError, match="there is no"):
            read(tmp_path / "none")
        with pytest.raises(RunError, match="cannot be read"):
            read(tmp_path)


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v, max_size=3), max_leaves=8)
)
def test_any_values_come_back(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "value.json"
    write_json(path, HEAD | {"value": value})
    assert read_json(path, "longsong.test", 1)["value"] == value


def test_digest(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc").startswith("ba7816bf8f01cfea")


@given(st.dictionaries(st.text(), VALUES | st.floats(allow_nan=False, allow_infinity=False), max_size=4))
def test_what_is_sealed_is_read_and_no_other(tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("sealed") / "a.json"
    values = {key: value for key, value in values.items() if key not in (*HEAD, "rest_sha256")}
    write_json(path, HEAD | values, sealed=True)
    assert read_json(path, "longsong.test", 1) == HEAD | values
    found = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(dict(reversed(found.items()))), encoding="utf-8")
    assert read_json(path, "longsong.test", 1) == HEAD | values  # whatever the order and the spaces
    path.write_text(json.dumps(found | {"more": 1}), encoding="utf-8")
    with pytest.raises(RunError, match="altered"):
        read_json(path, "longsong.test", 1)


def test_a_seal_is_of_what_will_be_read(tmp_path: Path) -> None:
    """Keys that are numbers are text in JSON, and sort otherwise; a seal that was read is written anew."""
    path = tmp_path / "a.json"
    write_json(path, HEAD | {"by": {10: 1, 9: 2}}, sealed=True)
    assert read_json(path, "longsong.test", 1)["by"] == {"10": 1, "9": 2}
    write_json(path, json.loads(path.read_text()) | {"more": 1}, sealed=True)
    assert read_json(path, "longsong.test", 1)["more"] == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"format": "a.kind", "version": 1, "rest_sha256": "not its own"}', True),
        ('{"format": "a.kind", "version": 3}', False),
        ('{"format": "a.kind", "version": "1"}', False),
        ('{"format": "another", "version": 1}', False),
        ('["a.kind"]', False),
        ('{"format": "a.ki', False),
        ("[" * 100_000, False),
    ],
)
def test_what_a_file_calls_itself(tmp_path, text, says):
    (tmp_path / "file.json").write_text(text)
    assert says_format(tmp_path / "file.json", "a.kind", 2) is says
    assert not says_format(tmp_path / "none.json", "a.kind", 2)
