"""A song of any number of hours that takes next to no room: shards that are holes in their files, for the most part.

It reads as any other does, digests included. Every shard begins with a little noise and is silent from there on;
silence is never written, and its pages come from the file system as zeros.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import numpy.typing as npt

from streams.checksum import checksum
from streams.index import BYTES_PER_SAMPLE, INDEX_NAME, Index
from streams.shard import Shard, column, member_name
from streams.statistics import Statistics
from streams.writer import BLOCK_SAMPLES, BLOCKS_PER_SHARD

__all__ = ["SAMPLE_RATE", "write_long_song"]

SAMPLE_RATE = 16_000

_LOUD = 64
"""Samples that are not silent, at the start of each shard."""


Content = Callable[[int, int], npt.NDArray[np.int16]]
"""From the first sample and a number of samples to these samples."""


def write_long_song(
    folder: Path,
    samples: int,
    *,
    block_samples: int = BLOCK_SAMPLES,
    blocks_per_shard: int = BLOCKS_PER_SHARD,
    content: Content | None = None,
) -> None:
    """Write the shards of such a song, and their index.

    Parameters
    ----------
    folder : Path
        Does not exist yet.
    samples : int
        Length of the song.
    block_samples, blocks_per_shard : int
        Samples of a member and members of a shard, as `streams.writer.ShardWriter` has them.
    content : callable, optional
        What it sounds like, in place of silence.
    """
    folder.mkdir()
    if content is None:
        blocks = _blocks(samples, block_samples, blocks_per_shard)
    else:
        starts = range(0, samples, block_samples)
        blocks = [_sounding(start, content(start, min(block_samples, samples - start))) for start in starts]
    firsts = range(0, len(blocks), blocks_per_shard)

    def write(number: int) -> Shard:
        first = firsts[number]
        return _write_shard(folder / f"song-{number:06d}.tar", first, blocks[first : first + blocks_per_shard])

    with ThreadPoolExecutor(2) as pool:  # sha256 of so many zeros is what takes the time
        digest = pool.submit(_song_digest, blocks)
        shards = list(pool.map(write, range(len(firsts))))
        index = Index(
            sample_rate=SAMPLE_RATE,
            samples=samples,
            digest=digest.result(),
            statistics=reduce(add, (block.statistics for block in blocks)),
            block_samples=block_samples,
            encoding="npy",
            shards=tuple(shards),
            source=[],
            made_by={"command": ["python", "-m", "benchmarks.streams"]},
        )
    (folder / INDEX_NAME).write_bytes(index.to_bytes())


@dataclass(frozen=True)
class _Block:
    """Samples of one member, of which the first `loud` are not silent; they begin at `start` in the song."""

    samples: npt.NDArray[np.int16]
    loud: int
    start: int
    check: str
    statistics: Statistics


def _blocks(samples: int, block_samples: int, blocks_per_shard: int) -> list[_Block]:
    generator = np.random.default_rng(100)
    silence = np.zeros(block_samples, dtype="<i2")
    silent = checksum(silence), Statistics.of(silence)
    blocks = []
    for number, start in enumerate(range(0, samples, block_samples)):
        block = silence[: samples - start]
        loud = min(_LOUD, len(block)) if number % blocks_per_shard == 0 else 0
        if loud or len(block) < block_samples:
            block = block.copy()
            block[:loud] = generator.integers(-20_000, 20_001, loud)
            blocks.append(_Block(block, loud, start, checksum(block), Statistics.of(block)))
        else:
            blocks.append(_Block(block, loud, start, *silent))
    return blocks


def _sounding(start: int, samples: npt.NDArray[np.int16]) -> _Block:
    block = np.ascontiguousarray(samples, dtype="<i2")
    return _Block(block, len(block), start, checksum(block), Statistics.of(block))


def _song_digest(blocks: list[_Block]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block.samples)
    return digest.hexdigest()


def _write_shard(path: Path, first: int, blocks: list[_Block]) -> Shard:
    """Write a tar as `streams.shard_file.OpenShard` does, with holes for silence; `first` is its first member."""
    lengths = [len(block.samples) for block in blocks]
    offsets = []
    with path.open("xb") as file:
        tar = _SparseFile(file)
        for number, block in enumerate(blocks, first):
            name = member_name(number, "npy")
            place = {"start": block.start, "samples": len(block.samples), "sample_rate": SAMPLE_RATE}
            text = json.dumps(place).encode("ascii")
            tar.write(_header(name.removesuffix("npy") + "json", len(text)) + text)
            tar.fill(tarfile.BLOCKSIZE)
            head = _array_header(block.samples)
            tar.write(_header(name, len(head) + block.samples.nbytes) + head)
            offsets.append(file.tell())
            tar.write(block.samples[: block.loud].tobytes())
            tar.skip(block.samples[block.loud :])
            tar.fill(tarfile.BLOCKSIZE)
        tar.write(bytes(2 * tarfile.BLOCKSIZE))
        tar.fill(tarfile.RECORDSIZE)
        size = file.tell()
    return Shard(
        name=path.name,
        bytes=size,
        sha256=tar.sha256.hexdigest(),
        start=blocks[0].start,
        samples=sum(lengths),
        offsets=column(offsets),
        lengths=column(lengths),
        sizes=column([BYTES_PER_SAMPLE * length for length in lengths]),
        checks="".join(block.check for block in blocks),
        names=None,
        first=first,
        encoding="npy",
    )


class _SparseFile:
    """A file that is written from its start to its end, and its sha256."""

    def __init__(self, file: io.BufferedWriter) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._file.write(data)
        self.sha256.update(data)

    def skip(self, zeros: npt.NDArray[np.int16]) -> None:
        """Append zeros without writing them; what is written after them makes the file as long as it says."""
        self._file.seek(zeros.nbytes, io.SEEK_CUR)
        self.sha256.update(zeros)

    def fill(self, multiple: int) -> None:
        """Append zeros up to a multiple of so many bytes."""
        self.write(bytes(-self._file.tell() % multiple))


def _header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.uname, entry.gname = size, 0o444, "streams", "streams"
    return entry.tobuf(tarfile.USTAR_FORMAT)


def _array_header(samples: npt.NDArray[np.int16]) -> bytes:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(samples))
    return head.getvalue()
