"""Runs in storage: whole for whoever reads them, whatever is written, killed or late meanwhile."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from longsong.errors import RunError
from longsong.scheduling import run_storage
from longsong.scheduling.collected_runs import CollectedRuns
from longsong.scheduling.run_storage import RunFiles, RunKeeper, StoredRun, extent_of, files_of
from longsong.scheduling.storage_writing import WritableFolder, WritableObjects, WritableStorage, open_writable
from longsong.training.record import LOG
from streams.errors import StorageError
from streams.retries import Retries, RetryableError

QUICK = Retries(attempts=3, pause=0.001)


@pytest.fixture(scope="module")
def s3_url():
    """Give a bucket of an S3 server on loopback."""
    pytest.importorskip("s3fs", reason="the extra 's3' is not installed")
    moto_server = pytest.importorskip("moto.server", reason="moto, of the extra 'dev', is not installed")
    import boto3
    import s3fs

    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "writer",
            "AWS_SECRET_ACCESS_KEY": "geheim",
            "AWS_DEFAULT_REGION": "us-east-1",
            "NO_PROXY": "127.0.0.1",
        }.items():
            patch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        client = boto3.client("s3")
        client.create_bucket(Bucket="runs")
        yield "s3://runs"
        client.close()
        s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.fixture(params=["folder", "memory", "s3"])
def storage(request, tmp_path) -> WritableStorage:
    if request.param == "folder":
        return open_writable((tmp_path / "storage").as_uri())
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    url = "memory:/" if request.param == "memory" else request.getfixturevalue("s3_url")
    return open_writable(f"{url}/{random.SystemRandom().randrange(1 << 40)}/storage")


def write(folder: Path, update: int, *, complete: bool = False) -> Path:
    """Write what looks like a run after so many updates, in place of what there is."""
    shutil.rmtree(folder, ignore_errors=True)
    checkpoint = folder / f"checkpoints/update-{update:08d}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "state.json").write_text(json.dumps({"update": update}))
    (checkpoint / "parameters.safetensors").write_bytes(random.Random(update).randbytes(5000))
    (folder / "checkpoints/best.safetensors").write_bytes(b"the same best ones")
    (folder / "metrics.jsonl").write_text("".join(f'{{"update": {n}}}\n' for n in range(update)))
    if complete:
        (folder / "summary.json").write_text("{}")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def fetched(storage: WritableStorage, folder: Path) -> dict[str, bytes]:
    shutil.rmtree(folder, ignore_errors=True)
    assert StoredRun(storage, "run").fetch(folder)
    return contents(folder)


def test_a_run_comes_back_as_it_was_kept_last_and_nothing_older_stays(storage, tmp_path):
    run, keeper = tmp_path / "run", RunKeeper(storage, "run", 5)
    assert not StoredRun(storage, "run").fetch(tmp_path / "back")
    told = []
    for update in (0, 3, 6):
        keeper.keep(write(run, update), lambda done, of: told.append((done, of)))
        assert fetched(storage, tmp_path / "back") == contents(run)
    assert told[-1] == (4, 4)
    place = storage.within("run")
    assert len(place.names()) == 5  # of the newest state alone, and its list
    assert storage.names(folders=True) == ["run"]
    assert StoredRun(storage, "run").newest().extent == (False, 6, 4)


def test_a_later_keeper_s_state_counts_though_an_earlier_one_goes_on(storage, tmp_path):
    run = tmp_path / "run"
    lost, other = RunKeeper(storage, "run", 5), RunKeeper(storage, "run", 6)
    lost.keep(write(run, 3))
    other.keep(write(run, 3))
    lost.keep(write(tmp_path / "stale", 9))
    assert fetched(storage, tmp_path / "back") == contents(run)
    other.keep(write(run, 6))
    lost.keep(write(tmp_path / "stale", 12))
    assert fetched(storage, tmp_path / "back") == contents(run)


def test_what_a_keeper_killed_at_any_moment_leaves_is_a_whole_state(tmp_path, monkeypatch):
    before, after = write(tmp_path / "before", 3), write(tmp_path / "after", 6)
    steps = 0

    class KilledError(Exception):
        pass

    def killed_at(step: int):
        count = 0

        def counted(really):
            def act(self, name, *more):
                nonlocal count
                count += 1
                if count > step:
                    raise KilledError
                really(self, name, *more)

            return act

        return counted

    seen = set()
    while True:
        storage = open_writable(tmp_path / f"storage-{steps}")
        RunKeeper(storage, "run", 1).keep(before)
        with monkeypatch.context() as patch:
            counted = killed_at(steps)
            for method in ("write", "write_file", "remove"):
                patch.setattr(WritableFolder, method, counted(getattr(WritableFolder, method)))
            try:
                RunKeeper(storage, "run", 2).keep(after)
                ended = True
            except KilledError:
                ended = False
        found = fetched(storage, tmp_path / "back")
        assert found in (contents(before), contents(after))
        seen.add(found == contents(after))
        if ended:
            break
        steps += 1
    assert steps > 8
    assert seen == {False, True}


def test_a_reader_whose_files_are_removed_meanwhile_takes_the_newer_state(storage, tmp_path, monkeypatch):
    run, keeper = tmp_path / "run", RunKeeper(storage, "run", 1)
    keeper.keep(write(run, 3))
    stored = StoredRun(storage, "run")
    really, asked = StoredRun._fetch_file, []

    def meanwhile(self, name, path, size, sha256):
        asked.append(path.name)
        if len(asked) == 2:
            keeper.keep(write(run, 6))
        really(self, name, path, size, sha256)

    monkeypatch.setattr(StoredRun, "_fetch_file", meanwhile)
    assert stored.fetch(tmp_path / "back")
    assert contents(tmp_path / "back") == contents(run)
    assert not (tmp_path / "back/checkpoints/update-00000003").exists()


@pytest.mark.parametrize(
    "files",
    [
        {"../../etc/passwd": [1, "0" * 64]},
        {"/etc/passwd": [1, "0" * 64]},
        {"a//b": [1, "0" * 64]},
        {"a": [-1, "0" * 64]},
        {"a": [1, "zz"]},
        {"a": [1, "../" * 22]},
        {"a": 1},
        [],
        None,
    ],
)
def test_a_list_that_names_what_cannot_be_is_refused(files):
    content = json.dumps({"format": "longsong.run-files", "version": 1, "files": files}).encode()
    with pytest.raises(StorageError, match="is no list of a run's files"):
        RunFiles.from_bytes(1, 1, content, "here")


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"{", b'{"format": "longsong.run"}', b"[" * 100_000])
def test_what_is_no_list_is_refused(content):
    with pytest.raises(StorageError, match="is no list of a run's files"):
        RunFiles.from_bytes(1, 1, content, "here")


def test_a_file_that_was_altered_is_found_and_half_a_list_is_passed_over(tmp_path):
    storage = open_writable(tmp_path / "storage")
    RunKeeper(storage, "run", 5).keep(write(tmp_path / "run", 3))
    place = tmp_path / "storage/run"
    newer = place / f"{9:020d}-{0:08d}-{'0' * 16}.json"
    newer.write_text('{"format": "longsong.run-fi')
    assert StoredRun(storage, "run").newest().keeper == 5
    (largest,) = [path for path in place.iterdir() if path.stat().st_size == 5000]
    largest.write_bytes(random.Random(0).randbytes(5000))
    with pytest.raises(StorageError, match="is not as it was written"):
        StoredRun(storage, "run").fetch(tmp_path / "back")


def test_what_is_not_a_run_s_is_not_kept(tmp_path):
    run = write(tmp_path / "run", 3)
    there = set(files_of(run))
    (run / LOG).write_text("Traceback")
    (run / ".metrics.jsonl.12-ab.part").write_text("half")
    (run / "checkpoints/.update-00000006.partial").mkdir()
    (run / "checkpoints/.update-00000006.partial/state.json").write_text("{}")
    (run / "linked").symlink_to("/etc/passwd")
    assert set(files_of(run)) == there
    assert run_storage._LOG == LOG


def test_how_far_a_run_is_grows_with_what_is_done_of_it(tmp_path):
    extents = [extent_of(files_of(write(tmp_path / "run", update))) for update in (0, 3, 12)]
    extents.append(extent_of(files_of(write(tmp_path / "run", 12, complete=True))))
    (tmp_path / "run/sound.wav").write_bytes(b"RIFF")
    extents.append(extent_of(files_of(tmp_path / "run")))
    assert extents == sorted(set(extents))
    assert extent_of([]) < extents[0]


def test_runs_are_collected_where_they_are_further_and_offered_where_they_are_not_there(storage, tmp_path):
    out = tmp_path / "runs"
    runs = CollectedRuns(storage, out)
    RunKeeper(storage, "far", 1).keep(write(tmp_path / "far", 9))
    RunKeeper(storage, "near", 1).keep(write(tmp_path / "near", 3))
    write(out / "near", 6)
    write(out / "far", 3)
    (out / "far" / LOG).write_text("of an earlier attempt")
    assert runs.collect_further() == ["far"]
    assert contents(out / "far") == contents(tmp_path / "far")
    assert runs.collect_further() == []
    runs.offer("near")
    runs.offer("far")
    runs.offer("not-begun")
    assert StoredRun(storage, "near").newest().keeper > 1
    assert StoredRun(storage, "far").newest().keeper == 1
    assert StoredRun(storage, "near").fetch(tmp_path / "back")
    assert contents(tmp_path / "back") == contents(out / "near")
    assert sorted(path.name for path in out.iterdir()) == ["far", "near"]


def test_a_driver_whose_clock_is_behind_keeps_runs_by_a_higher_number_all_the_same(storage, tmp_path):
    ahead = 9 * 10**18
    RunKeeper(storage, "run", ahead).keep(write(tmp_path / "before", 3))
    out = tmp_path / "runs"
    write(out / "run", 6)
    number = CollectedRuns(storage, out).offer("run")
    assert StoredRun(storage, "run").newest().keeper == ahead + 1
    assert number == ahead + 2
    RunKeeper(storage, "run", number).keep(write(tmp_path / "after", 9))
    assert CollectedRuns(storage, out).collect_further() == ["run"]
    assert contents(out / "run") == contents(tmp_path / "after")


def test_a_run_here_stays_whole_where_it_cannot_be_collected(storage, tmp_path, monkeypatch):
    out = tmp_path / "runs"
    RunKeeper(storage, "run", 1).keep(write(tmp_path / "run", 9))
    here = contents(write(out / "run", 3))

    def fails(self, name, path, size, sha256):
        raise RunError("no room left")

    monkeypatch.setattr(StoredRun, "_fetch_file", fails)
    with pytest.raises(RunError):
        CollectedRuns(storage, out).collect("run")
    assert contents(out / "run") == here


def test_objects_are_written_with_retries_and_errors_are_named(monkeypatch):
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    place = WritableObjects("memory://retried/storage", retries=QUICK)
    really, answers = WritableObjects._call, []

    def call(self, files, method, *arguments, **keywords):
        if answers and (error := answers.pop(0)):
            raise error
        return really(self, files, method, *arguments, **keywords)

    monkeypatch.setattr(WritableObjects, "_call", call)
    answers[:] = [TimeoutError("secret"), ConnectionError("secret")]
    place.write("a", b"one")
    assert place.read("a", 10) == b"one"
    for error, says in [
        (PermissionError("secret"), "not allowed"),
        (ValueError("secret"), r"cannot be written \(ValueError\)"),
        (FileNotFoundError("secret"), "not there; make it"),
    ]:
        answers[:] = [error]
        with pytest.raises(StorageError, match=says) as caught:
            place.write("a", b"two")
        assert "secret" not in str(caught.value)
        assert caught.value.__cause__ is None
    answers[:] = [TimeoutError("secret")] * QUICK.attempts
    with pytest.raises(StorageError, match="given up after 3 attempts") as caught:
        place.write("a", b"two")
    assert not isinstance(caught.value, RetryableError)
    place.remove("a")
    place.remove("a")
    assert place.names() == []


def test_places_that_cannot_be_written_to_are_refused(tmp_path):
    with pytest.raises(StorageError, match="a web server is not written to"):
        open_writable("https://example.org/runs")
    with pytest.raises(StorageError, match="refused"):
        open_writable("pipe:cat")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        open_writable(tmp_path / "file").write("a", b"")
    with pytest.raises(StorageError, match="is no name of a file"):
        open_writable(tmp_path).write("../a", b"")
    with pytest.raises(StorageError, match="is no name of a file"):
        open_writable(tmp_path).within("..")
