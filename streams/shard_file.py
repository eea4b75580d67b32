"""One shard while it is written: a tar that any reader of WebDataset reads."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from streams.index import BYTES_PER_SAMPLE, Member, Shard

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
    start : int
        The sample of the song that it begins with.

    Raises
    ------
    OSError
        From here and from each method: what the operating system says.
    """

    def __init__(self, path: Path, start: int) -> None:
        from webdataset import TarWriter

        self._path, self._start, self._stop = path, start, start
        self._file = _HashedFile(path)
        # Everything that a tar's headers would take from clock and user is fixed, and the values are bytes
        # already: no encoder of the library, of which some pickle.
        self._tar = TarWriter(
            self._file, user="streams", group="streams", mode=0o444, mtime=0, compress=False, encoder=False
        )
        self._members: list[Member] = []

    @property
    def blocks(self) -> int:
        """How many blocks were written."""
        return len(self._members)

    def write(self, key: str, samples: npt.NDArray[np.int16], sample_rate: int) -> None:
        """Append the next block, shape (n,), int16 little-endian, as two members named `key`."""
        block = io.BytesIO()
        np.lib.format.write_array(block, samples, version=(1, 0), allow_pickle=False)
        place = {"start": self._stop, "samples": len(samples), "sample_rate": sample_rate}
        self._tar.write({"__key__": key, "npy": block.getvalue(), "json": json.dumps(place).encode("ascii")})
        digest = hashlib.sha256(samples.data).hexdigest()
        self._members.append(Member(f"{key}.npy", self._stop, len(samples), offset=0, sha256=digest))
        self._stop += len(samples)

    def close(self) -> Shard:
        """End the tar, and read back from it where the samples of each member lie."""
        self._tar.close()
        sha256 = self._file.close()
        with tarfile.open(self._path) as tar:
            ends = {entry.name: entry.offset_data + entry.size for entry in tar}
        members = tuple(
            replace(member, offset=ends[member.name] - BYTES_PER_SAMPLE * member.samples) for member in self._members
        )
        samples = self._stop - self._start
        return Shard(self._path.name, self._file.bytes, sha256, self._start, samples, members)

    def abandon(self) -> None:
        """Close the tar without ending it; it is of no more use."""
        self._file.abandon()
        self._tar.close()
