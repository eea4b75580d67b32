"""One shard while it is written: a tar that any reader of WebDataset reads."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from streams.checksum import checksum
from streams.flac import encode
from streams.shard import Shard, column, member_name

__all__ = ["OpenShard"]


class _HashedFile:
    """A new file that knows size and sha256 of what was written to it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=1 << 20)
        self._sha256 = hashlib.sha256()
        self._abandoned = False
        self.bytes = 0

    def write(self, data: bytes) -> int:
        """Append `data`; nothing once the file is abandoned, since a tar ends itself when it is collected."""
        if not self._abandoned:
            self._file.write(data)
            self._sha256.update(data)
            self.bytes += len(data)
        return len(data)

    def close(self) -> str:
        """Sync and close; give the sha256."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return self._sha256.hexdigest()

    def abandon(self) -> None:
        """Close without a word about what could not be written."""
        self._abandoned = True
        with suppress(OSError):
            self._file.close()


class OpenShard:
    """The tar that is being written.

    Parameters
    ----------
    path : Path
        A file that does not exist.
    start, first : int
        The sample and the member of the song that it begins with.
    encoding : str
        ``npy`` or ``flac``.
    sample_rate : int
        In Hz.

    Raises
    ------
    OSError
        From here and from each method: what the operating system says.
    """

    def __init__(self, path: Path, start: int, first: int, encoding: str, sample_rate: int) -> None:
        from webdataset import TarWriter

        self._path, self._start, self._first = path, start, first
        self._encoding, self._sample_rate = encoding, sample_rate
        self._file = _HashedFile(path)
        # Everything that a tar's headers would take from clock and user is fixed, and the values are bytes
        # already: no encoder of the library, of which some pickle.
        self._tar = TarWriter(
            self._file, user="streams", group="streams", mode=0o444, mtime=0, compress=False, encoder=False
        )
        self._lengths: list[int] = []
        self._sizes: list[int] = []
        self._checks: list[str] = []

    @property
    def blocks(self) -> int:
        """How many blocks were written."""
        return len(self._lengths)

    @property
    def stop(self) -> int:
        """The sample of the song after its last."""
        return self._start + sum(self._lengths)

    def write(self, samples: npt.NDArray[np.int16]) -> None:
        """Append the next block, shape (n,), int16 little-endian, and beside it a .json that says where it is."""
        key, _ = member_name(self._first + self.blocks, self._encoding).split(".")
        place = {"start": self.stop, "samples": len(samples), "sample_rate": self._sample_rate}
        content, stored = self._encoded(samples)
        self._tar.write({"__key__": key, self._encoding: content, "json": json.dumps(place).encode("ascii")})
        self._lengths.append(len(samples))
        self._sizes.append(len(stored))
        self._checks.append(checksum(stored))

    def close(self) -> Shard:
        """End the tar, and read back from it where each member lies."""
        self._tar.close()
        sha256 = self._file.close()
        with tarfile.open(self._path) as tar:
            ends = [entry.offset_data + entry.size for entry in tar if entry.name.endswith(f".{self._encoding}")]
        return Shard(
            name=self._path.name,
            bytes=self._file.bytes,
            sha256=sha256,
            start=self._start,
            samples=sum(self._lengths),
            # Whatever heads a member stands before what is read of it.
            offsets=column([end - size for end, size in zip(ends, self._sizes, strict=True)]),
            lengths=column(self._lengths),
            sizes=column(self._sizes),
            checks="".join(self._checks),
            names=None,
            first=self._first,
            encoding=self._encoding,
        )

    def abandon(self) -> None:
        """Close the tar without ending it; it is of no more use."""
        self._file.abandon()
        self._tar.close()

    def _encoded(self, samples: npt.NDArray[np.int16]) -> tuple[bytes, bytes | memoryview]:
        """Give the whole member, and of it what the index speaks of."""
        if self._encoding == "flac":
            packed = encode(samples, self._sample_rate)
            return packed, packed
        block = io.BytesIO()
        np.lib.format.write_array(block, samples, version=(1, 0), allow_pickle=False)
        return block.getvalue(), samples.data.cast("B")
