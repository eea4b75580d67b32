"""Storage that is written to as well: a folder, or whatever of fsspec's places shards are read from."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from longsong.errors import LongsongError
from longsong.files import os_errors_named, sync_folder, write_bytes
from streams.errors import StorageError
from streams.fsspec_storage import FsspecStorage
from streams.retries import Retries, RetryableError
from streams.storage import FolderStorage, open_storage

__all__ = ["WritableFolder", "WritableObjects", "WritableStorage", "open_writable"]

_SECONDS_FOR_A_FILE = 600.0
_FINAL = (NotImplementedError, ValueError, TypeError, AttributeError, ImportError)

Result = TypeVar("Result")


class _NotThereError(StorageError):
    """There is no such place, or no such file in it."""


class WritableFolder(FolderStorage):
    """A folder on a disk; what is written appears whole.

    Parameters
    ----------
    folder : Path
        It is made when something is written.
    """

    def within(self, name: str) -> WritableFolder:
        """Give the place of that name inside."""
        return WritableFolder(self.folder / self.checked(name))

    def names(self, *, folders: bool = False) -> list[str]:
        """Give the names of the files in it, or of the folders; none where it is not there."""
        with _named(self.name):
            if not self.folder.is_dir():
                return []
            return sorted(path.name for path in self.folder.iterdir() if path.is_dir() == folders)

    def write(self, name: str, content: bytes) -> None:
        """Write a small file.

        Raises
        ------
        StorageError
            It cannot be written.
        """
        target = self.folder / self.checked(name)
        with _named(self.where(name)):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_bytes(target, content)

    def write_file(self, name: str, source: Path) -> None:
        """Write what a file holds; raises as `write`."""
        target = self.folder / self.checked(name)
        beside = target.with_name(f".{name}.part")
        with _named(self.where(name)), os_errors_named(target):
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                with source.open("rb") as read, beside.open("wb") as written:
                    shutil.copyfileobj(read, written)
                    written.flush()
                    os.fsync(written.fileno())
                beside.replace(target)
                sync_folder(self.folder)
            finally:
                beside.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with _named(self.where(name)):
            (self.folder / self.checked(name)).unlink(missing_ok=True)


class WritableObjects(FsspecStorage):
    """A place that fsspec opens (`streams.fsspec_storage.FsspecStorage`), written to with retries.

    Parameters
    ----------
    url : str
    retries : Retries, optional
    """

    def __init__(self, url: str, *, retries: Retries | None = None) -> None:
        super().__init__(url.rstrip("/"), retries=retries, timeout=_SECONDS_FOR_A_FILE)

    def within(self, name: str) -> WritableObjects:
        """Give the place of that name inside."""
        return WritableObjects(f"{self.url}/{self.checked(name)}", retries=self.retries)

    def names(self, *, folders: bool = False) -> list[str]:
        """Give the names of the files in it, or of the folders; none where it is not there."""
        kind = "directory" if folders else "file"

        def listed() -> list[str]:
            files, path = self._open("")
            files.invalidate_cache()  # others write there
            found = self._call(files, "ls", path.rstrip("/"), detail=True)
            return sorted(one["name"].rstrip("/").rpartition("/")[2] for one in found if one["type"] == kind)

        with suppress(_NotThereError):
            return self._again(self.name, listed)
        return []

    def write(self, name: str, content: bytes) -> None:
        """Write a small file.

        Raises
        ------
        StorageError
            It cannot be written.
        """
        files, path = self._open(self.checked(name))
        self._again(self.where(name), lambda: self._call(files, "pipe_file", path, content))

    def write_file(self, name: str, source: Path) -> None:
        """Write what a file holds; raises as `write`."""
        files, path = self._open(self.checked(name))
        self._again(self.where(name), lambda: self._call(files, "put_file", str(source), path))

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        files, path = self._open(self.checked(name))
        with suppress(_NotThereError):
            self._again(self.where(name), lambda: self._call(files, "rm_file", path))

    def _again(self, where: str, action: Callable[[], Result]) -> Result:
        failures = 0
        while True:
            try:
                return action()
            # None is chained: what such packages say may hold keys.
            except FileNotFoundError:
                raise _NotThereError(f"{where}: not there; make it, or look at the URL") from None
            except PermissionError:
                raise StorageError(f"{where}: not allowed; look at the credentials that are set") from None
            except _FINAL as error:
                raise StorageError(f"{where}: cannot be written ({type(error).__name__}); look at the URL") from None
            except Exception as error:
                failures += 1
                self.retries.wait(failures, RetryableError(f"{where}: not written ({type(error).__name__})"))


WritableStorage = WritableFolder | WritableObjects


def open_writable(where: str | Path) -> WritableStorage:
    """Give the place that a path or URL names; nothing is read or written yet.

    Parameters
    ----------
    where : str or Path
        As of `streams.storage.open_storage`.

    Raises
    ------
    StorageError
        It is refused there, or cannot be written to (``http(s)://``).
    """
    storage = open_storage(where)
    if isinstance(storage, FolderStorage):
        return WritableFolder(storage.folder)
    if isinstance(storage, FsspecStorage):
        return WritableObjects(storage.url)
    raise StorageError(f"{storage.name}: a web server is not written to; give a shared folder, s3://, gs:// or az://")


@contextmanager
def _named(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{where}: cannot be written ({error.strerror}); look at the folder") from error
    except LongsongError as error:
        raise StorageError(str(error)) from error
