"""Where shards live: a folder, an HTTP server, an object store."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote

from streams.errors import StorageError
from streams.retries import Retries, RetryableError
from streams.shard import is_file_name

__all__ = ["FolderStorage", "Incoming", "Storage", "is_remote", "local_folder", "open_storage", "without_secrets"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://")
_CHAIN = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*::")
# What WebDataset and others take for the start of a command line.
_COMMAND = re.compile(r"(pipe|exec):", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CHUNK = 1 << 20


@dataclass(slots=True)
class Incoming:
    """The bytes of one file as they come in, from one attempt; a context that ends the transfer.

    Parameters
    ----------
    start : int
        Byte of the file at which they begin: as asked for, or 0 where the place gives whole files only, or a file
        that has changed.
    total : int or None
        Size of the whole file as the place says, or None where it does not.
    chunks : iterator of bytes
        Raises `RetryableError` where another attempt may go better, else `StorageError`.
    end : callable
        Lets go of the connection.
    """

    start: int
    total: int | None
    chunks: Iterator[bytes]
    end: Callable[[], object]

    def __iter__(self) -> Iterator[bytes]:
        return self.chunks

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self.end()


class Storage(ABC):
    """A place that holds the files of one song.

    Parameters
    ----------
    url : str
        The place, as it was given.
    retries : Retries, optional
        For `read`.

    Attributes
    ----------
    name : str
        The place for messages: without passwords and query.
    """

    def __init__(self, url: str, retries: Retries | None = None) -> None:
        self.url, self.name = url, without_secrets(url)
        self.retries = Retries() if retries is None else retries

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def where(self, name: str) -> str:
        """Give the place of one file, for messages."""
        return f"{self.name.rstrip('/')}/{name}"

    @abstractmethod
    def stream(self, name: str, offset: int = 0) -> Incoming:
        """Ask once for a file, from byte `offset` on.

        Raises
        ------
        RetryableError
            No answer, or one that another attempt may better.
        StorageError
            Not there, not allowed, or nothing that can be used.
        """

    def read(self, name: str, at_most: int) -> bytes:
        """Read a whole small file, with retries.

        Parameters
        ----------
        name : str
            Name of a file; it has no folder in it.
        at_most : int
            Bytes.

        Raises
        ------
        StorageError
            Not there, not allowed, larger than `at_most`, or not to be had after all attempts.
        """
        failures = 0
        while True:
            try:
                return self._read_once(name, at_most)
            except RetryableError as error:
                failures += 1
                self.retries.wait(failures, error)

    def _read_once(self, name: str, at_most: int) -> bytes:
        data = bytearray()
        with self.stream(name) as incoming:
            for chunk in incoming:
                data += chunk
                if len(data) > at_most:
                    raise StorageError(f"{self.where(name)}: over {at_most} bytes, more than such a file can have")
        return bytes(data)

    def checked(self, name: str) -> str:
        """Give the name of a file, known to stay within the place.

        Raises
        ------
        StorageError
            It has other characters than letters, digits, '.', '_' and '-'.
        """
        if not is_file_name(name):
            raise StorageError(f"{self.name}: {name!r} is no name of a file; use letters, digits, '.', '_' and '-'")
        return name


class FolderStorage(Storage):
    """A folder on a disk.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        # A path is shown as it is, whatever is in it.
        self.folder, self.name = folder, str(folder)

    def stream(self, name: str, offset: int = 0) -> Incoming:
        """Open a file; see `Storage.stream`."""
        path = self.folder / self.checked(name)
        try:
            file = path.open("rb")
            file.seek(offset)
            total = os.fstat(file.fileno()).st_size
        except OSError as error:
            raise _unreadable(path, error) from error

        def chunks() -> Iterator[bytes]:
            try:
                while chunk := file.read(_CHUNK):
                    yield chunk
            except OSError as error:
                raise _unreadable(path, error) from error

        return Incoming(offset, total, chunks(), file.close)


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path}: cannot be read ({error.strerror or error}); look whether it is there and allowed")


def is_remote(where: str | Path) -> bool:
    """Say whether `where` is an address that `open_storage` opens or refuses, and no folder (nor its file:// URL)."""
    if isinstance(where, Path):
        return False
    scheme = _SCHEME.match(where)
    if scheme is None:
        return bool(_CHAIN.match(where) or _COMMAND.match(where))
    return scheme[1].lower() != "file"


def local_folder(where: str | Path) -> Path:
    """Give the folder that a path or a ``file://`` URL means.

    Raises
    ------
    StorageError
        A ``file://`` URL of another machine.
    """
    if isinstance(where, Path) or not (scheme := _SCHEME.match(where)) or scheme[1].lower() != "file":
        return Path(where)
    host, slash, path = where[scheme.end() :].partition("/")
    if host not in ("", "localhost"):
        raise StorageError(f"{without_secrets(where)}: a file of another machine; give its http(s) URL")
    return Path(unquote(slash + path))


def open_storage(where: str | Path, *, retries: Retries | None = None) -> Storage:
    """Give the place that a path or URL names; nothing is read yet.

    Parameters
    ----------
    where : str or Path
        A folder, ``http(s)://``, ``s3://``, ``gs://``, ``az://``, or another scheme of
        `streams.fsspec_storage.SCHEMES`.
    retries : Retries, optional
        For reading small files.

    Raises
    ------
    StorageError
        A URL that runs a program (``pipe:``), a chain of them (``::``), a scheme that is not known, or one of which
        the extra is not installed.
    """
    if not is_remote(where):
        return FolderStorage(local_folder(where))
    where = str(where)
    if _CONTROL.search(where):
        raise StorageError(f"{without_secrets(where)!r}: has control characters, no URL; give it without")
    if _COMMAND.match(where):
        raise StorageError(f"{where.partition(':')[0]}: runs a program, refused; give a folder or a URL")
    scheme = _SCHEME.match(where)
    web = scheme is not None and scheme[1].lower() in ("http", "https")
    # In an address of a web server '::' may be that of IPv6; only fsspec would make a chain of it.
    if scheme is None or _CHAIN.match(where) or ("::" in where and not web):
        first = without_secrets(where.partition("::")[0])
        raise StorageError(f"{first}::...: a chain of URLs, refused; give that of the shards alone")
    if web:
        from streams.http_storage import HttpStorage

        return HttpStorage(where, retries=retries)
    from streams.fsspec_storage import FsspecStorage

    return FsspecStorage(where, retries=retries)


def without_secrets(url: str) -> str:
    """Give a URL without user, password, query and fragment: what may be shown."""
    scheme = _SCHEME.match(url)
    if scheme is None:
        return url
    rest = re.split(r"[?#]", url[scheme.end() :], maxsplit=1)[0]
    host, slash, path = rest.partition("/")
    return f"{scheme[0]}{host.rpartition('@')[2]}{slash}{path}"
