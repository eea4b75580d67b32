import errno
import hashlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import tarfile
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streams import Song, WriteError
from streams.shard_file import OpenShard


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


WEBDATASET_ALONE = """
import json, sys
import webdataset
for block in webdataset.WebDataset(sys.argv[1], shardshuffle=False).decode():
    samples = block["npy"]
    print(json.dumps([block["__key__"], block["json"], samples.dtype.str, samples.tolist()]))
"""


def test_webdataset_alone_reads_the_samples(shards: Path, samples: np.ndarray, tmp_path: Path) -> None:
    # In a process of its own: nothing of ours can help, and the library leaves its files open.
    pattern = f"{shards}/song-{{000000..000006}}.tar"
    command = [sys.executable, "-c", WEBDATASET_ALONE, pattern]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    blocks = [json.loads(line) for line in done.stdout.splitlines()]

    assert len(list(shards.glob("*.tar"))) == 7
    assert [block[:3] for block in blocks] == [
        [f"{number:09d}", {"start": 50 * number, "samples": 50, "sample_rate": 16000}, "<i2"] for number in range(20)
    ]
    assert [sample for block in blocks for sample in block[3]] == samples.tolist()


FLAC_IN_WEBDATASET = """
import io, json, sys
import soundfile, webdataset
def flac(key, data):
    if key.endswith("flac"):
        return soundfile.read(io.BytesIO(data), dtype="int16")[0]
def read(*decoders):
    return [block["flac"] for block in webdataset.WebDataset(sys.argv[1], shardshuffle=False).decode(*decoders)]
kinds = {type(block).__name__ for block in read()}
print(json.dumps([sorted(kinds), [sample for block in read(flac) for sample in block.tolist()]]))
"""


def test_webdataset_reads_flac_as_the_docs_say(write_shards, samples, tmp_path) -> None:
    write_shards(tmp_path / "song", samples, encoding="flac")
    command = [sys.executable, "-c", FLAC_IN_WEBDATASET, f"{tmp_path}/song/song-{{000000..000006}}.tar"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == [["bytes"], samples.tolist()]


def test_a_shard_is_to_the_byte_what_the_docs_say(shards: Path, samples: np.ndarray) -> None:
    tar_bytes = io.BytesIO()
    with tarfile.open(fileobj=tar_bytes, mode="w") as tar:
        for number in range(3):
            block = io.BytesIO()
            np.save(block, samples[50 * number : 50 * (number + 1)].astype("<i2"))
            place = f'{{"start": {50 * number}, "samples": 50, "sample_rate": 16000}}'.encode()
            for suffix, data in ("json", place), ("npy", block.getvalue()):
                entry = tarfile.TarInfo(f"{number:09d}.{suffix}")
                entry.size, entry.mode, entry.mtime = len(data), 0o444, 0
                entry.uname = entry.gname = "streams"
                tar.addfile(entry, io.BytesIO(data))

    assert (shards / "song-000000.tar").read_bytes() == tar_bytes.getvalue()


def test_the_index_says_what_lies_where(shards: Path, samples: np.ndarray) -> None:
    document = json.loads((shards / "index.json").read_bytes())

    assert document["samples"] == 1000
    assert document["digest"] == hashlib.sha256(samples.astype("<i2").tobytes()).hexdigest()
    assert document["statistics"] == {
        "count": 1000,
        "sum": sum(samples.tolist()),
        "sum_of_squares": sum(x * x for x in samples.tolist()),
        "minimum": min(samples.tolist()),
        "maximum": max(samples.tolist()),
    }
    for shard in Song.open(shards).index.shards:
        data = (shards / shard.name).read_bytes()
        assert (shard.bytes, shard.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        for member in shard.members:
            raw = data[member.offset : member.offset + member.bytes]
            assert np.array_equal(np.frombuffer(raw, "<i2"), samples[member.start : member.stop])
            assert member.check == f"{zlib.crc32(raw):08x}"


def test_flac_is_without_loss_and_takes_less(write_shards, tmp_path) -> None:
    seconds = np.arange(40_000) / 16_000
    samples = (9000 * np.sin(2 * np.pi * 220 * seconds) + 200 * np.sin(seconds**2 * 9000)).astype(np.int16)
    sizes = {}
    for encoding in "npy", "flac":
        folder = write_shards(tmp_path / encoding, samples, encoding=encoding, block_samples=9000)
        sizes[encoding] = sum(path.stat().st_size for path in folder.glob("*.tar"))
        song = Song.open(folder)
        assert song.index.encoding == encoding
        assert np.array_equal(song[:], samples)
        assert np.array_equal(song[8999:18_001], samples[8999:18_001])

    assert sizes["flac"] < 0.7 * sizes["npy"]
    assert Song.open(tmp_path / "flac").digest == Song.open(tmp_path / "npy").digest
    assert contents(write_shards(tmp_path / "again", samples, encoding="flac", block_samples=9000)) == contents(
        tmp_path / "flac"
    )


def test_a_flac_member_is_a_file_that_others_read(write_shards, samples, tmp_path) -> None:
    folder = write_shards(tmp_path / "song", samples, encoding="flac", sample_rate=22_050)
    found = []
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            for entry in tar:
                content = tar.extractfile(entry).read()
                if entry.name.endswith(".flac"):
                    block, rate = soundfile.read(io.BytesIO(content), dtype="int16")
                    found.append(block)
                    assert rate == 22_050
                else:
                    assert json.loads(content)["start"] == sum(map(len, found[:-1]))

    assert np.array_equal(np.concatenate(found), samples)


@pytest.mark.parametrize("rate", [65_536, 100_001, 655_351, 2**40])
def test_a_rate_that_flac_does_not_have_is_refused(make_writer, tmp_path, rate) -> None:
    with pytest.raises(WriteError, match=f"sample_rate is {rate}: flac"):
        make_writer(tmp_path / "song", encoding="flac", sample_rate=rate)


@pytest.mark.parametrize("encoding", ["wav", "FLAC", "", None, 1])
def test_an_encoding_that_is_not_written_is_refused(make_writer, tmp_path, encoding) -> None:
    with pytest.raises(WriteError, match=f"encoding is {encoding!r}"):
        make_writer(tmp_path / "song", encoding=encoding)


def test_an_index_that_no_reader_reads_is_not_written(write_shards, samples, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("streams.writer.LARGEST_INDEX", 2000)
    with pytest.raises(WriteError, match="longer blocks than 50 samples"):
        write_shards(tmp_path / "song", samples)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut", [1, 49, 50, 51, 333, 1000])
def test_same_song_same_bytes_however_it_arrives(shards, samples, make_writer, tmp_path, cut) -> None:
    with make_writer(tmp_path / "again") as writer:
        for at in range(0, len(samples), cut):
            writer.write(samples[at : at + cut])
            writer.write(samples[:0])

    assert contents(tmp_path / "again") == contents(shards)


def test_the_clock_is_not_in_the_bytes(shards, samples, write_shards, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 2e9)

    assert contents(write_shards(tmp_path / "later", samples)) == contents(shards)


def test_source_and_made_by_may_be_set_until_the_end(make_writer, samples, tmp_path) -> None:
    with make_writer(tmp_path / "song", source=[], made_by={}) as writer:
        writer.write(samples)
        writer.source = [{"sha256": "ab"}]
        writer.made_by = {"command": ["x"]}

    index = Song.open(tmp_path / "song").index
    assert (index.source, index.made_by) == ([{"sha256": "ab"}], {"command": ["x"]})


def test_foreign_byte_order_is_written_as_little_endian(write_shards, samples, shards, tmp_path) -> None:
    assert contents(write_shards(tmp_path / "big", samples.astype(">i2"))) == contents(shards)


@pytest.mark.parametrize("encoding", ["npy", "flac"])
def test_memory_does_not_grow_with_the_song(make_writer, make_samples, tmp_path, encoding) -> None:
    block = make_samples(1 << 16)
    settings = {"block_samples": len(block), "blocks_per_shard": 4, "encoding": encoding}

    def peak(blocks: int) -> int:
        tracemalloc.start()
        with make_writer(tmp_path / f"{blocks}", **settings) as writer:
            for _ in range(blocks):
                writer.write(block)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(2)  # imports
    assert peak(80) < peak(8) + block.nbytes


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("written", [0, 20, 170])
def test_an_interrupted_writer_leaves_nothing(make_writer, samples, tmp_path, error, written) -> None:
    def interrupted() -> None:
        with make_writer(tmp_path / "song") as writer:
            writer.write(samples[:written])
            raise error

    with pytest.raises(error):
        interrupted()

    assert list(tmp_path.iterdir()) == []


def test_an_empty_song_is_refused_and_leaves_nothing(write_shards, samples, tmp_path) -> None:
    with pytest.raises(WriteError, match="no samples"):
        write_shards(tmp_path / "song", samples[:0])

    assert list(tmp_path.iterdir()) == []


def test_what_is_no_json_is_refused_and_leaves_nothing(write_shards, samples, tmp_path) -> None:
    for value in object(), float("nan"):
        with pytest.raises(WriteError, match="plain JSON"):
            write_shards(tmp_path / "song", samples, made_by={"version": value})

    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_refused_and_left_alone(shards, samples, make_writer, tmp_path) -> None:
    before = contents(shards)
    with pytest.raises(WriteError, match=r"song: exists and is not empty"):
        make_writer(shards)
    (tmp_path / "file").write_text("a file")
    with pytest.raises(WriteError, match="file: exists"):
        make_writer(tmp_path / "file")

    assert contents(shards) == before


def test_an_empty_folder_is_filled(write_shards, samples, shards, tmp_path) -> None:
    (tmp_path / "empty").mkdir()

    assert contents(write_shards(tmp_path / "empty", samples)) == contents(shards)


def test_the_second_of_two_writers_is_refused(make_writer, samples, tmp_path) -> None:
    with make_writer(tmp_path / "song") as first:
        with pytest.raises(WriteError, match="is being written"), make_writer(tmp_path / "song"):
            pass
        first.write(samples)

    assert np.array_equal(Song.open(tmp_path / "song")[:], samples)


def test_a_folder_filled_meanwhile_is_left_alone(make_writer, samples, tmp_path) -> None:
    def late() -> None:
        with make_writer(tmp_path / "song") as writer:
            writer.write(samples)
            (tmp_path / "song").mkdir()
            (tmp_path / "song" / "other").write_text("kept")

    with pytest.raises(WriteError, match="cannot be written"):
        late()

    assert contents(tmp_path / "song") == {"other": b"kept"}
    assert [path.name for path in tmp_path.iterdir()] == ["song"]


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from streams import ShardWriter
with ShardWriter(Path(sys.argv[1]), sample_rate=16000, source=[], made_by={}, block_samples=10) as writer:
    writer.write(np.arange(1005, dtype=np.int16))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_is_removed_by_the_next(write_shards, samples, tmp_path) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "song"], cwd=root, check=False)
    assert done.returncode == -signal.SIGKILL
    left = [path.name for path in tmp_path.iterdir()]
    assert len(left) == 1
    assert left[0].startswith(".song.partial-")

    write_shards(tmp_path / "song", samples)
    assert [path.name for path in tmp_path.iterdir()] == ["song"]


def test_only_what_the_dead_left_of_this_song_is_removed(write_shards, samples, tmp_path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    kept = {f".song.partial-{os.getppid()}", f".other.partial-{dead.pid}", ".song.partial-x"}
    for name in *kept, f".song.partial-{dead.pid}", f".song.partial-{os.getpid()}":
        (tmp_path / name).mkdir()

    write_shards(tmp_path / "song", samples)

    assert {path.name for path in tmp_path.iterdir()} == {"song", *kept}


@pytest.mark.parametrize("where", ["write", "close"])
def test_a_full_disk_is_named_and_leaves_nothing(write_shards, samples, tmp_path, monkeypatch, where) -> None:
    original, calls = getattr(OpenShard, where), []

    def full(self: OpenShard, *arguments: object) -> object:
        calls.append(where)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(self, *arguments)

    monkeypatch.setattr(OpenShard, where, full)
    with pytest.raises(WriteError, match=r"song: no space left .* \(\d+ bytes free\)"):
        write_shards(tmp_path / "song", samples)

    assert list(tmp_path.iterdir()) == []


def test_a_limit_of_the_system_is_met_while_writing(write_shards, make_samples, tmp_path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))  # Python ignores SIGXFSZ: writing says EFBIG
    try:
        with pytest.raises(WriteError, match="no space left"):
            write_shards(tmp_path / "song", make_samples(400_000), block_samples=60_000, blocks_per_shard=4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert list(tmp_path.iterdir()) == []


def test_no_permission_is_named(write_shards, samples, tmp_path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    is_root = os.geteuid() == 0
    if is_root:
        tmp_path.chmod(0o755)
        os.seteuid(65534)
    try:
        with pytest.raises(WriteError, match="no permission"):
            write_shards(closed / "song", samples)
    finally:
        if is_root:
            os.seteuid(0)

    assert list(closed.iterdir()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros(3, np.int32),
        np.zeros(3, np.uint16),
        np.zeros(3, np.float32),
        np.zeros((3, 1), np.int16),
        np.zeros((), np.int16),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_samples_of_another_kind_are_refused(make_writer, tmp_path, wrong) -> None:
    with make_writer(tmp_path / "song") as writer:
        with pytest.raises(WriteError, match=f"samples are {wrong.dtype}"):
            writer.write(wrong)
        writer.write(np.ones(1, np.int16))

    assert len(Song.open(tmp_path / "song")) == 1


@pytest.mark.parametrize("name", ["sample_rate", "block_samples", "blocks_per_shard"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, None, "7"])
def test_numbers_that_cannot_be_are_refused(make_writer, tmp_path, name, value) -> None:
    with pytest.raises(WriteError, match=f"{name} is {value!r}"):
        make_writer(tmp_path / "song", **{name: value})


def test_a_writer_outside_its_block_is_refused(make_writer, samples, tmp_path) -> None:
    with pytest.raises(WriteError, match="not open"):
        make_writer(tmp_path / "song").write(samples)
