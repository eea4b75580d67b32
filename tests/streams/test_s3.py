"""Shards on an S3 server on loopback, through s3fs."""

import hashlib
import os
import random
import traceback

import pytest
from shard_server import ServedShard

from streams.cache import ShardCache
from streams.errors import DamagedShardError, StorageError
from streams.fsspec_storage import FsspecStorage
from streams.retries import Retries
from streams.storage import open_storage

pytest.importorskip("s3fs", reason="the extra 's3' is not installed")
moto_server = pytest.importorskip("moto.server", reason="moto, of the extra 'dev', is not installed")

SECRET = "geheim-4711"
DATA = random.Random(1).randbytes(10 << 20)
SHARD = ServedShard.of("song-000000.tar", DATA)


@pytest.fixture(scope="module")
def endpoint():
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint, monkeypatch):
    """Give a bucket with a song in it, and the client that put it there."""
    import boto3
    import s3fs

    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "reader",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    name = f"songs-{random.SystemRandom().randrange(1 << 40)}"
    client.create_bucket(Bucket=name)
    client.put_object(Bucket=name, Key="a/song/index.json", Body=b"{}")
    client.put_object(Bucket=name, Key=f"a/song/{SHARD.name}", Body=DATA)
    s3fs.S3FileSystem.clear_instance_cache()
    yield name, client
    client.close()
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def storage(bucket):
    name, _ = bucket
    return open_storage(f"s3://{name}/a/song", retries=Retries(attempts=2, pause=0.001))


def test_small_files_and_ranges_are_read(storage):
    assert isinstance(storage, FsspecStorage)
    assert storage.read("index.json", 2) == b"{}"
    with storage.stream(SHARD.name, 5_000_001) as incoming:
        assert (incoming.start, incoming.total) == (5_000_001, len(DATA))
        assert b"".join(incoming) == DATA[5_000_001:]


def test_a_shard_goes_through_the_cache(tmp_path, storage):
    told = []
    cache = ShardCache(tmp_path, len(DATA), on_progress=lambda *news: told.append(news))
    with cache.acquire(storage, SHARD) as cached:
        assert hashlib.sha256(os.pread(cached.fileno(), len(DATA), 0)).hexdigest() == SHARD.sha256
    assert len(told) > 1
    assert told[-1] == (SHARD.name, len(DATA), len(DATA))


def test_a_begun_shard_is_gone_on_from(tmp_path, storage):
    (tmp_path / f"{SHARD.sha256}.{SHARD.bytes}.part").write_bytes(DATA[:7_000_000])
    told = []
    cache = ShardCache(tmp_path, len(DATA), on_progress=lambda name, done, total: told.append(done))
    cache.acquire(storage, SHARD).close()
    assert told == [len(DATA)]


def test_an_altered_object_is_reported(tmp_path, storage, bucket):
    name, client = bucket
    client.put_object(Bucket=name, Key=f"a/song/{SHARD.name}", Body=DATA[:-1] + b"!")
    with pytest.raises(DamagedShardError, match=f"s3://{name}/a/song/{SHARD.name}: not the shard"):
        ShardCache(tmp_path, len(DATA)).acquire(storage, SHARD)


def test_what_is_missing_or_not_allowed_is_named_without_secrets(storage, bucket, monkeypatch):
    name, _ = bucket
    for place, file in ((storage, "no.tar"), (open_storage(f"s3://no-{name}/song"), "index.json")):
        with pytest.raises(StorageError, match=rf"{file}: not there") as caught:
            place.read(file, 10)
        assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_server_that_is_not_there_is_given_up(monkeypatch, bucket):
    import s3fs

    name, _ = bucket
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    s3fs.S3FileSystem.clear_instance_cache()
    place = open_storage(f"s3://{name}/song", retries=Retries(attempts=2, pause=0.001))
    with pytest.raises(StorageError, match=r"index\.json: no whole answer \(.*\); given up after 2 attempts"):
        place.read("index.json", 10)
