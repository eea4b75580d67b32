"""Shards in an object store, or wherever else fsspec reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from streams.errors import StorageError
from streams.retries import Retries, RetryableError
from streams.storage import Incoming, Storage

__all__ = ["SCHEMES", "FsspecStorage"]

SCHEMES: dict[str, str | None] = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "az": "azure",
    "abfs": "azure",
    "dbfs": None,
    "ftp": None,
    "hf": None,
    "lakefs": None,
    "memory": None,
    "oci": None,
    "oss": None,
    "sftp": None,
    "smb": None,
    "ssh": None,
    "tos": None,
    "webdav": None,
    "webhdfs": None,
}
"""Schemes that are opened, and the extra of longsong that brings what they need, where there is one.

Those that only ask a server for bytes. Left out on purpose: what runs programs or another's code (dask, dvc, git,
hdfs), takes one file out of another or leads on to other URLs (cached, reference, tar, zip), or reaches back to this
machine's own files (dir, local).
"""

_CHUNK = 1 << 22
_FINAL = (NotImplementedError, ValueError, TypeError, AttributeError, ImportError)
# Names, since the packages that these come from are not all here.
_NO_CREDENTIALS = frozenset(
    {"ClientAuthenticationError", "DefaultCredentialsError", "NoCredentialsError", "PartialCredentialsError"}
)


class FsspecStorage(Storage):
    """A folder that fsspec opens; where it is and with whose rights is told as its packages do.

    For S3 these are, among others, the variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL.

    Parameters
    ----------
    url : str
        Of one of `SCHEMES`.
    retries : Retries, optional
        For `read`.
    timeout : float
        Seconds for one request, where the package can be told (s3, gs and az can).

    Raises
    ------
    StorageError
        Another scheme, a query, or a package that is not installed.
    """

    def __init__(self, url: str, *, retries: Retries | None = None, timeout: float = 60.0) -> None:
        super().__init__(url, retries)
        self._timeout = timeout
        scheme = url.partition("://")[0].lower()
        if scheme not in SCHEMES:
            raise StorageError(f"{self.name}: {scheme}:// is not opened; give a folder, http(s)://, {_names(SCHEMES)}")
        if "?" in url:
            raise StorageError(f"{self.name}: has a query ('?'), of no use in {scheme}:// URLs; give it without")
        extra = SCHEMES[scheme]
        try:
            import fsspec

            fsspec.get_filesystem_class(scheme)
        except (ImportError, ValueError) as error:
            remedy = f"pip install 'longsong[{extra}]'" if extra else "install what it asks for"
            raise StorageError(f"{self.name}: a package for {scheme}:// is not here ({error}); {remedy}") from error

    def stream(self, name: str, offset: int = 0) -> Incoming:
        """Ask for the size, and then for one range after the other; see `Storage.stream`."""
        where = self.where(self.checked(name))
        with _named(where):
            files, path = self._open(name)
            size = self._call(files, "info", path)["size"]
        if not isinstance(size, int):
            raise StorageError(f"{where}: its size is not told; serve the shards over http(s) or from a folder")
        start = offset if offset <= size else 0

        def chunks() -> Iterator[bytes]:
            at = start
            while at < size:
                with _named(where):
                    chunk: bytes = self._call(files, "cat_file", path, start=at, end=min(at + _CHUNK, size))
                if not chunk:
                    return
                yield chunk
                at += len(chunk)

        return Incoming(start, size, chunks(), lambda: None)

    def _open(self, name: str) -> tuple[Any, str]:
        """Give the file system of this process and thread, which fsspec keeps, and the path of a file there."""
        from fsspec.core import url_to_fs

        files, root = url_to_fs(self.url)
        return files, f"{root.rstrip('/')}/{name}"

    def _call(self, files: Any, method: str, *arguments: Any, **keywords: Any) -> Any:
        if not files.async_impl:
            return getattr(files, method)(*arguments, **keywords)
        from fsspec.asyn import sync

        # What `files.info` and its like do, with a limit of time.
        return sync(files.loop, getattr(files, f"_{method}"), *arguments, timeout=self._timeout, **keywords)


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Sort what the packages behind fsspec raise, each its own kinds, into what may pass and what will not."""
    try:
        yield
    # None is chained: what such packages say may hold keys.
    except FileNotFoundError:
        raise StorageError(f"{where}: not there; look at the URL") from None
    except PermissionError:
        raise StorageError(f"{where}: not allowed; look at the credentials that are set") from None
    except Exception as error:
        kind = type(error).__name__
        if kind in _NO_CREDENTIALS:
            raise StorageError(f"{where}: no credentials ({kind}); set those of the object store") from None
        if isinstance(error, _FINAL):
            raise StorageError(f"{where}: cannot be read ({kind}); look at the URL") from None
        raise RetryableError(f"{where}: no whole answer ({kind})") from None


def _names(schemes: Iterable[str]) -> str:
    return ", ".join(f"{scheme}://" for scheme in schemes)
