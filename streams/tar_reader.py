"""The members of a tar that someone else wrote: read once from front to back, hashed, and trusted in nothing.

Written apart from `tarfile`, which takes a damaged header for the end of the archive, follows sizes below 0 and
reads an extended header of any length into memory. The format is that of POSIX pax (IEEE 1003.1, "ustar
interchange format") with GNU's long names.
"""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from streams.errors import ForeignShardError
from streams.shard import is_member_name

__all__ = ["TarEntry", "TarReader"]

_BLOCK = 512
_PIECE = 1 << 20
_LONGEST_EXTENSION = 1 << 16
"""Bytes of an extended header or long name that are read."""

_OCTAL = re.compile(rb" *([0-7]+)[ \0]*")
_RECORD = re.compile(rb"([1-9][0-9]{0,5}) ([^=]+)=")
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18")
"""How files of gzip, bzip2, xz, zstd and lz4 begin."""

_FILES = (b"0", b"\0", b"7")
_FOLDER, _EXTENSION, _EXTENSION_OF_ALL, _LONG_NAME = b"5", b"x", b"g", b"L"
_REFUSED = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"K": "a link",
    b"S": "a sparse file",
}


@dataclass(frozen=True, slots=True)
class TarEntry:
    """A file in a tar.

    Parameters
    ----------
    name : str
        In the tar, without a leading ``./``.
    offset, bytes : int
        Where its content begins in the tar, and how long it is.
    """

    name: str
    offset: int
    bytes: int


class TarReader:
    """A tar, read once from its first byte to its last; use it in a ``with`` statement.

    Iterating gives the files in it, in order, as `TarEntry`; `read` gives the content of the last that was
    given. When the iteration has ended every byte of the tar was read, and `sha256` is that of the whole.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    bytes : int
        Size of the tar.
    left : int
        Bytes of the current file that were not read.

    Raises
    ------
    ForeignShardError
        From here and from each method: no tar, compressed, cut short, damaged; links, devices, sparse files;
        names that lead out of it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sha256 = hashlib.sha256()
        self._at = self.left = 0
        try:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                # Opening a pipe would wait for its other end.
                raise ForeignShardError(f"{path}: no file; take it out of the folder")
            self._file = path.open("rb", buffering=_PIECE)
        except OSError as error:
            raise self._unreadable(error) from error
        self.bytes = found.st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def offset(self) -> int:
        """The byte of the tar that is read next."""
        return self._at

    @property
    def sha256(self) -> str:
        """Of all bytes that were read, in hexadecimal."""
        return self._sha256.hexdigest()

    def read(self, most: int) -> bytes:
        """Give the next bytes of the current file: `most`, or what is left."""
        taken = self._take(min(most, self.left))
        self.left -= len(taken)
        return taken

    def skip(self, count: int) -> None:
        """Pass over bytes of the current file, at most what is left."""
        target = self.left - min(count, self.left)
        while self.left > target:
            self.read(min(_PIECE, self.left - target))

    def __iter__(self) -> Iterator[TarEntry]:
        extension: dict[str, str] = {}
        while True:
            place = self._at
            if place == self.bytes:
                raise self._refuse(place, "cut short: it ends without the empty blocks that end a tar")
            block = self._take(min(_BLOCK, self.bytes - place))
            if not any(block):
                self._take_empty_rest()
                return
            header = _Header(block)
            if trouble := header.trouble:
                if place == 0 and block.startswith(_PACKED):
                    raise ForeignShardError(
                        f"{self._path}: compressed; unpack it, so that samples can be read in place"
                    )
                raise self._refuse(place, trouble)
            if header.kind in (_EXTENSION, _EXTENSION_OF_ALL, _LONG_NAME):
                extension |= self._extension(place, header)
                continue
            if header.kind not in (*_FILES, _FOLDER):
                what = _REFUSED.get(header.kind, f"a member of unknown kind {header.kind!r}")
                raise self._refuse(place, f"{what}; write the tar anew with plain files only")
            entry = self._entry(place, header, extension)
            extension = {}
            self.left = entry.bytes
            if header.kind != _FOLDER:
                yield entry
            self.skip(self.left)
            self._take(-entry.bytes % _BLOCK)

    def _entry(self, place: int, header: _Header, extension: dict[str, str]) -> TarEntry:
        """Join what the header and those before it say of a file or folder."""
        name = extension.get("path", header.name)
        if name is None:
            raise self._refuse(place, "a name that is not UTF-8; write the tar anew")
        # "tar cf song.tar ." gives such names, and a last / to folders.
        name = name.removeprefix("./")
        if header.kind == _FOLDER:
            name = name.removesuffix("/")
        is_root = header.kind == _FOLDER and name in ("", ".")
        if not is_root and not is_member_name(name):
            raise self._refuse(place, f"a member called {name[:80]!r}, no name that stays within the tar")
        size = header.size
        if "size" in extension:
            if not re.fullmatch("[0-9]{1,19}", extension["size"]):
                raise self._refuse(place, f"a size of {extension['size'][:40]!r}")
            size = int(extension["size"])
        if size > self.bytes - self._at:
            raise self._refuse(
                place, f"cut short: {name!r} has {size} bytes, of which {self.bytes - self._at} are there"
            )
        return TarEntry(name, self._at, size)

    def _extension(self, place: int, header: _Header) -> dict[str, str]:
        """Read a header that says more of the next: its path and size, if it says them."""
        if header.size > _LONGEST_EXTENSION:
            raise self._refuse(place, f"an extended header of {header.size} bytes")
        data = self._take(header.size)
        self._take(-header.size % _BLOCK)
        try:
            if header.kind == _LONG_NAME:
                return {"path": data.rstrip(b"\0").decode("utf-8")}
            found = {key: value for key, value in _records(data) if key in ("path", "size") or "sparse" in key}
        except ValueError as error:
            raise self._refuse(place, f"an extended header that is damaged ({error})") from error
        if any("sparse" in key for key in found):
            raise self._refuse(place, "a sparse file; write the tar anew with plain files only")
        if found and header.kind == _EXTENSION_OF_ALL:
            raise self._refuse(place, "one path or size for all members")
        return found

    def _take_empty_rest(self) -> None:
        while self._at < self.bytes:
            place = self._at
            if any(self._take(min(_PIECE, self.bytes - self._at))):
                raise self._refuse(place, "more data behind the end of the tar; split it into one file a tar")

    def _take(self, count: int) -> bytes:
        """Read exactly so many bytes."""
        try:
            data = self._file.read(count)
        except OSError as error:
            raise self._unreadable(error) from error
        if len(data) < count:
            raise self._refuse(self._at, "cut short; copy it anew")
        self._sha256.update(data)
        self._at += count
        return data

    def _refuse(self, place: int, what: str) -> ForeignShardError:
        return ForeignShardError(f"{self._path}: at byte {place}: {what}")

    def _unreadable(self, error: OSError) -> ForeignShardError:
        return ForeignShardError(f"{self._path}: cannot be read ({error.strerror}); look at its permissions")


class _Header:
    """A header block; `trouble` says why it cannot be used, where it cannot."""

    def __init__(self, block: bytes) -> None:
        self.trouble = None if len(block) == _BLOCK else "cut short; copy it anew"
        block = block.ljust(_BLOCK, b"\0")
        self.kind = block[156:157]
        size = _number(block[124:136])
        checksum = _number(block[148:156])
        if self.trouble is None and checksum != sum(block) - sum(block[148:156]) + 8 * ord(" "):
            self.trouble = "no header of a tar; the file is damaged, or no tar"
        elif self.trouble is None and size is None:
            self.trouble = "a size that is no number of 0 or more"
        self.size = size or 0
        name, prefix = block[:100], block[345:500]
        if block[257:263] == b"ustar\0" and prefix[0]:
            name = prefix.split(b"\0")[0] + b"/" + name.split(b"\0")[0]
        try:
            self.name: str | None = name.split(b"\0")[0].decode("utf-8")
        except UnicodeDecodeError:
            self.name = None


def _number(field: bytes) -> int | None:
    """Give a number of a header: octal digits, or GNU's binary; None where it is none, or below 0."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    match = _OCTAL.fullmatch(field)
    return int(match[1], 8) if match else None


def _records(data: bytes) -> Iterator[tuple[str, str]]:
    """Give keys and values of an extended header: each is ``LENGTH KEY=VALUE`` and a line's end."""
    at = 0
    while at < len(data):
        match = _RECORD.match(data, at)
        end = at + int(match[1]) if match else 0
        if match is None or not match.end() < end <= len(data) or data[end - 1 : end] != b"\n":
            raise ValueError(f"at its byte {at}")
        yield match[2].decode("utf-8"), data[match.end() : end - 1].decode("utf-8")
        at = end
