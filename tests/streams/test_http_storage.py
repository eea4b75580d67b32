"""Shards on a web server: what it may do, and what it is told."""

import base64
import os
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import urlsplit

import pytest
from shard_server import ShardServer, breaks_after, ignores_the_range, says, says_another_range, sends, serving, slow

from streams.errors import StorageError
from streams.http_storage import HttpStorage, _redirected
from streams.retries import Retries, RetryableError

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


def test_a_file_and_a_range_are_read(server, storage):
    assert storage.read("index.json", 100) == server.files["/song/index.json"]
    with storage.stream("a.tar", 1000) as incoming:
        assert (incoming.start, incoming.total, b"".join(incoming)) == (1000, len(DATA), DATA[1000:])
    assert server.ranges("/song/index.json") == [None]
    assert server.ranges("/song/a.tar") == ["bytes=1000-"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 402])
def test_what_will_not_pass_is_asked_once(server, storage, status):
    server.always["/song/a.tar"] = says(status)
    with pytest.raises(StorageError, match=str(status)):
        storage.read("a.tar", len(DATA))
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_asked_again(server, storage, status):
    server.faults["/song/a.tar"].extend([says(status)] * (QUICK.attempts - 1))
    assert storage.read("a.tar", len(DATA)) == DATA
    server.always["/song/a.tar"] = says(status)
    server.asked.clear()
    with pytest.raises(StorageError, match=f"{status}; given up after {QUICK.attempts} attempts"):
        storage.read("a.tar", len(DATA))
    assert len(server.asked) == QUICK.attempts


@pytest.mark.parametrize(
    ("after", "seconds"),
    [
        ("7", 7.0),
        ("1000000", 20.0),
        ("soon", 0.0),
        (format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True), 20.0),
        (format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True), 0.0),
    ],
    ids=["few", "many", "no time", "tomorrow", "yesterday"],  # not by the date: workers collect at different seconds
)
def test_the_time_that_a_server_asks_for_is_kept_up_to_a_bound(monkeypatch, server, after, seconds):
    slept = []
    monkeypatch.setattr("streams.retries.time.sleep", slept.append)
    server.faults["/song/a.tar"].append(says(503, Retry_After=after))
    storage = HttpStorage(f"{server.url}/song", retries=Retries(attempts=2, pause=0.001, longest_pause=20.0))
    assert storage.read("a.tar", len(DATA)) == DATA
    assert slept == [pytest.approx(seconds, abs=0.001)]


def test_pauses_grow_up_to_a_bound(monkeypatch):
    slept = []
    monkeypatch.setattr("streams.retries.time.sleep", slept.append)
    retries = Retries(attempts=2000, pause=1.0, longest_pause=30.0)
    for failures in range(1, 1200):
        retries.wait(failures, RetryableError("no answer"))
    assert all(0.5 <= pause / 2**n <= 1.0 for n, pause in enumerate(slept[:5]))
    assert set(slept[6:]) == {30.0}
    with pytest.raises(StorageError, match="no answer; given up after 2000 attempts"):
        retries.wait(2000, RetryableError("no answer"))


@pytest.mark.parametrize(
    "changes", [{"attempts": 0}, {"attempts": 1.5}, {"pause": -1}, {"longest_pause": float("nan")}]
)
def test_retries_that_cannot_be_are_refused(changes):
    with pytest.raises(StorageError, match=next(iter(changes))):
        Retries(**changes)


@pytest.mark.parametrize("fault", [breaks_after(100), breaks_after(100, stalled=True), breaks_after(0), slow(1, 0.05)])
def test_broken_and_slow_connections_are_given_up_and_tried_again(server, fault):
    storage = HttpStorage(f"{server.url}/song", retries=QUICK, timeout=1.0)
    server.faults["/song/a.tar"].append(fault)
    assert storage.read("a.tar", len(DATA)) == DATA
    assert len(server.asked) == 2


def test_a_server_that_is_not_there_is_named(server):
    with serving({}) as other:
        gone = other.url
    with pytest.raises(StorageError, match=r"127.0.0.1:\d+/song/a.tar: the connection failed .* after 3 attempts"):
        HttpStorage(f"{gone}/song", retries=QUICK).read("a.tar", 10)


def test_a_server_without_ranges_sends_all(server, storage):
    server.always["/song/a.tar"] = ignores_the_range
    with storage.stream("a.tar", 1000) as incoming:
        assert (incoming.start, incoming.total, b"".join(incoming)) == (0, len(DATA), DATA)


def test_a_range_that_is_another_one_is_not_used(server, storage):
    server.always["/song/a.tar"] = says_another_range
    with storage.stream("a.tar", 1000) as incoming:
        assert (incoming.start, b"".join(incoming)) == (0, DATA)
    assert server.ranges("/song/a.tar") == ["bytes=1000-", None]


def test_a_range_behind_the_end_gives_the_whole_file(server, storage):
    with storage.stream("a.tar", len(DATA)) as incoming:
        assert (incoming.start, incoming.total, b"".join(incoming)) == (0, len(DATA), DATA)


def test_a_part_of_a_file_that_was_asked_for_whole_is_refused(server, storage):
    server.always["/song/a.tar"] = says(206, Content_Range="bytes 0-9/10")
    with pytest.raises(StorageError, match="206"):
        storage.read("a.tar", len(DATA))


@pytest.mark.parametrize("heeded", [True, False])
def test_a_changed_file_is_not_mixed_with_its_beginning(server, storage, heeded):
    with storage.stream("a.tar") as incoming:
        assert next(incoming.chunks)
    server.files["/song/a.tar"] = other = DATA[::-1]
    if not heeded:  # a server that does not know If-Range shows the change by its ETag

        def range_all_the_same(answer):
            answer.status, answer.body = 206, other[1000:]
            answer.headers["Content-Range"] = f"bytes 1000-{len(other) - 1}/{len(other)}"

        server.faults["/song/a.tar"].append(range_all_the_same)
    with storage.stream("a.tar", 1000) as incoming:
        assert (incoming.start, b"".join(incoming)) == (0, other)
    assert server.asked[1][1]["If-Range"].startswith('"')


def test_packed_bytes_are_refused(server, storage):
    server.always["/song/a.tar"] = sends(b"packed", Content_Encoding="gzip")
    with pytest.raises(StorageError, match="packed as 'gzip'"):
        storage.read("a.tar", 100)
    assert {headers["Accept-Encoding"] for _, headers in server.asked} == {"identity"}


# Redirects.


def test_redirects_are_followed_up_to_a_bound(server, storage):
    server.files["/elsewhere/a"] = b"there"
    server.faults["/song/a.tar"].append(says(302, Location="/song/index.json"))
    server.faults["/song/index.json"].append(says(307, Location=f"{server.url}/elsewhere/a"))
    assert storage.read("a.tar", 100) == b"there"
    server.always["/song/a.tar"] = says(301, Location="a.tar")
    server.asked.clear()
    with pytest.raises(StorageError, match="over 5 redirects"):
        storage.read("a.tar", 100)
    assert len(server.asked) == 6


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://host/a", "pipe:ls", "", "gopher:x"])
def test_other_redirects_are_refused(server, storage, location):
    server.always["/song/a.tar"] = says(302, Location=location)
    with pytest.raises(StorageError):
        storage.read("a.tar", 100)
    assert len(server.asked) == 1


def test_a_redirect_from_https_to_http_is_refused():
    secure = urlsplit("https://host/song/a.tar")
    assert _redirected(secure, "https://other/b", "a.tar").hostname == "other"
    with pytest.raises(StorageError, match="refused"):
        _redirected(secure, "http://host/song/a.tar", "a.tar")


# Credentials.


def test_the_query_is_kept_and_the_name_goes_before_it(server):
    storage = HttpStorage(f"{server.url}/song/?X-Amz-Signature={SECRET}&b=1#there")
    assert storage.read("index.json", 100) == server.files["/song/index.json"]
    assert [path for path, _ in server.asked] == [f"/song/index.json?X-Amz-Signature={SECRET}&b=1"]


def test_a_password_is_sent_to_its_server_alone(server, monkeypatch):
    with serving({"/a.tar": b"there"}) as other:
        server.faults["/song/a.tar"].append(says(302, Location=f"{other.url}/a.tar"))
        host = server.url.removeprefix("http://")
        storage = HttpStorage(f"http://us%40er:{SECRET}@{host}/song")
        assert storage.read("a.tar", 100) == b"there"
        assert storage.read("index.json", 100)
    expected = "Basic " + base64.b64encode(f"us@er:{SECRET}".encode()).decode()
    assert [headers.get("Authorization") for _, headers in server.asked] == [expected, expected]
    assert [headers.get("Authorization") for _, headers in other.asked] == [None]


@pytest.mark.parametrize("fault", [says(403), says(500), breaks_after(3), says(302, Location=f"ftp://h/?t={SECRET}")])
def test_credentials_are_never_shown(server, fault):
    host = server.url.removeprefix("http://")
    storage = HttpStorage(f"http://user:{SECRET}@{host}/song?token={SECRET}", retries=QUICK)
    server.always["/song/a.tar"] = fault
    with pytest.raises(StorageError) as caught:
        storage.read("a.tar", 100)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in repr(storage) + storage.name + storage.where("a.tar")
    assert storage.name == f"http://{host}/song"


# Surroundings.


def test_the_proxy_of_the_environment_is_used(server, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "localhost")
    monkeypatch.setenv("http_proxy", server.url.replace("http://", f"http://me:{SECRET}@"))
    assert HttpStorage("http://songs.invalid/song").read("index.json", 100) == server.files["/song/index.json"]
    [(path, headers)] = server.asked
    assert path == "http://songs.invalid/song/index.json"
    assert headers["Proxy-Authorization"] == "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()


def test_a_forked_process_has_connections_of_its_own(server, storage):
    assert storage.read("index.json", 100)
    before = dict(storage._pools)
    child = os.fork()
    if child == 0:
        right = storage.read("a.tar", len(DATA)) == DATA and before.keys() == storage._pools.keys()
        own = all(storage._pools[key] is not pool for key, pool in before.items())
        os._exit(0 if right and own else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert storage.read("a.tar", len(DATA)) == DATA
