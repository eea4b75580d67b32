"""Where shards live: what is opened and what is refused."""

import importlib
import sys
import traceback
from pathlib import Path

import pytest
from shard_server import ShardServer, serving

from streams.errors import StorageError
from streams.fsspec_storage import FsspecStorage
from streams.http_storage import HttpStorage
from streams.retries import Retries
from streams.storage import FolderStorage, is_remote, local_folder, open_storage, without_secrets

QUICK = Retries(attempts=3, pause=0.001, longest_pause=0.01)
DATA = bytes(range(256)) * 40
SECRET = "geheim-4711"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving({"/song/index.json": b'{"format": 1}', "/song/a.tar": DATA}) as served:
        yield served


@pytest.fixture
def storage(server: ShardServer) -> HttpStorage:
    return HttpStorage(f"{server.url}/song", retries=QUICK)


# What is opened and what is refused.


@pytest.mark.parametrize(
    "where",
    [
        "pipe:curl http://host/x",
        "PIPE:cat x",
        "exec:ls",
        "pipe://ls",
        "exec://ls",
        "simplecache::s3://bucket/song",
        "zip://x::file:///y",
        "s3://bucket/x::http://host",
        "zip::/folder",
        "file+tar:///x",
        "git+ssh://host/x",
        "git://host/x",
        "zip:///x",
        "tar:///x",
        "reference:///x",
        "local:///x",
        "dir:///x",
        "data://x",
        "dask://x",
        "dvc://x",
        "hdfs://host/x",
        "python://x",
        "javascript://x",
        "http://",
        "http:///song",
        "http://host:port/song",
        "http://host:99999/song",
        "http://[::1/song",
        "http://host/so\nng",
        "s3://bucket/so\x00ng",
        "s3://bucket/song?versionId=3",
        "file://elsewhere/song",
    ],
)
def test_what_runs_programs_or_is_not_known_is_refused(where):
    with pytest.raises(StorageError):
        open_storage(where)


@pytest.mark.parametrize(
    ("where", "remote"),
    [
        ("shards/song", False),
        ("/shards/so:ng", False),
        ("C:song", False),
        ("", False),
        (Path("pipe:ls"), False),
        (Path("http://host/song"), False),
        ("file:///shards/song", False),
        ("FILE:///shards/song", False),
        ("http://host/song", True),
        ("HTTPS://host/song", True),
        ("s3://bucket/song", True),
        ("pipe:ls", True),
        ("zip::/folder", True),
        ("nothing://that.is/known", True),
    ],
)
def test_an_address_is_told_from_a_folder(where, remote):
    assert is_remote(where) is remote


@pytest.mark.parametrize("prefix", ["", "file://", "file://localhost", "FILE://"])
def test_a_folder_may_be_given_as_a_url(tmp_path, prefix):
    (tmp_path / "a song").mkdir()
    (tmp_path / "a song/index.json").write_bytes(b"here")
    where = f"{prefix}{tmp_path}/a song".replace(" ", "%20" if prefix else " ")
    assert local_folder(where) == tmp_path / "a song"
    storage = open_storage(where)
    assert isinstance(storage, FolderStorage)
    assert storage.read("index.json", 4) == b"here"
    with storage.stream("index.json", 2) as incoming:
        assert (incoming.start, incoming.total, b"".join(incoming)) == (2, 4, b"re")


@pytest.mark.parametrize("name", ["../index.json", "a/b", "", ".hidden", "a\\b", "a?x", "a b", "%2e%2e"])
def test_names_stay_in_their_place(tmp_path, storage, server, name):
    for place in (storage, FolderStorage(tmp_path), FsspecStorage("memory://song")):
        with pytest.raises(StorageError, match="no name of a file"):
            place.read(name, 10)
    assert server.asked == []


def test_a_missing_or_large_file_is_named(tmp_path, storage):
    (tmp_path / "a.tar").write_bytes(DATA)
    for place in (storage, FolderStorage(tmp_path)):
        with pytest.raises(StorageError, match=r"no\.tar: .*there"):
            place.read("no.tar", 10)
        with pytest.raises(StorageError, match=r"a\.tar: over 10239 bytes"):
            place.read("a.tar", len(DATA) - 1)
        assert place.read("a.tar", len(DATA)) == DATA


@pytest.mark.parametrize(("scheme", "extra"), [("s3", "s3"), ("gs", "gcs"), ("az", "azure")])
def test_a_missing_package_is_named_with_its_extra(monkeypatch, scheme, extra):
    for package in ("s3fs", "gcsfs", "adlfs"):
        monkeypatch.setitem(sys.modules, package, None)
    # Where a test before this one has used it, fsspec knows it without looking for the package.
    monkeypatch.delitem(importlib.import_module("fsspec.registry")._registry, scheme, raising=False)
    with pytest.raises(StorageError, match=rf"pip install 'longsong\[{extra}\]'"):
        open_storage(f"{scheme}://bucket/song")


# fsspec.


def test_fsspec_reads_ranges():
    import fsspec

    files = fsspec.filesystem("memory")
    files.pipe("/test-storage/song/a.tar", DATA)
    try:
        storage = open_storage("memory://test-storage/song/")
        assert storage.read("a.tar", len(DATA)) == DATA
        with storage.stream("a.tar", 1000) as incoming:
            assert (incoming.start, incoming.total, b"".join(incoming)) == (1000, len(DATA), DATA[1000:])
        with storage.stream("a.tar", len(DATA) + 1) as incoming:  # a shorter file than was begun
            assert (incoming.start, b"".join(incoming)) == (0, DATA)
        with pytest.raises(StorageError, match=r"memory://test-storage/song/no\.tar: not there"):
            storage.read("no.tar", 10)
    finally:
        files.rm("/test-storage", recursive=True)


@pytest.mark.parametrize(
    ("error", "retried"),
    [
        (PermissionError("secret"), False),
        (ValueError("secret"), False),
        (type("NoCredentialsError", (Exception,), {})("secret"), False),
        (TimeoutError("secret"), True),
        (OSError("secret"), True),
        (type("ServiceRequestError", (Exception,), {})("secret"), True),
    ],
)
def test_what_fsspec_raises_is_sorted(monkeypatch, error, retried):
    calls = []

    def info(self, path):
        calls.append(path)
        raise error

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.info", info)
    with pytest.raises(StorageError) as caught:
        FsspecStorage("memory://song", retries=QUICK).read("a.tar", 10)
    assert len(calls) == (QUICK.attempts if retried else 1)
    assert type(error).__name__ in str(caught.value) or isinstance(error, PermissionError)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


# Credentials.


@pytest.mark.parametrize(
    "url",
    [
        f"http://u:{SECRET}@:80/x?{SECRET}",
        f"http://u:{SECRET}@host:port/x#{SECRET}",
        f"zip://u:{SECRET}@h/x?{SECRET}",
        f"s3://u:{SECRET}@bucket/song?{SECRET}",
        f"file://u:{SECRET}@h/song",
        f"https://host?{SECRET}::",
        f"pipe:curl -u {SECRET} http://host",
        f"pipe://{SECRET}",
        f"s3://u:{SECRET}@b/x::http://y",
        f"s3://b/x::http://u:{SECRET}@host/y",
        f"simplecache::http://u:{SECRET}@host/x?{SECRET}",
    ],
)
def test_credentials_of_refused_urls_are_never_shown(url):
    try:
        shown = open_storage(url).name
    except StorageError as error:
        shown = "".join(traceback.format_exception(error))
    assert SECRET not in shown


def test_a_url_is_shown_without_what_is_secret():
    assert without_secrets("https://u:p@ss@host:8080/a/b@c?x=/y#z") == "https://host:8080/a/b@c"
