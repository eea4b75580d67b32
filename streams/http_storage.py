"""Shards on a web server, read in ranges of bytes (RFC 9110, sections 13.1.5 and 14)."""

from __future__ import annotations

import os
import re
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urljoin, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from streams.errors import StorageError
from streams.retries import Retries, RetryableError
from streams.storage import Incoming, Storage, without_secrets

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

__all__ = ["HttpStorage"]

_CHUNK = 1 << 20
_CONNECT_SECONDS = 10.0
_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAY_PASS = frozenset({408, 425, 429})
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_DIGITS = re.compile(r"\d{1,18}")
_REASONS = {401: "a password or token is due", 403: "not allowed", 404: "not there", 410: "gone"}


class HttpStorage(Storage):
    """A folder on a web server.

    Names are added to the path of the URL; its query is kept, and a user and password in it are sent as basic
    authorisation, to that server alone. Redirects are followed to http and https, never from https to http. The
    proxies of the environment are used.

    Parameters
    ----------
    url : str
        ``http://`` or ``https://``.
    retries : Retries, optional
        For `read`.
    timeout : float
        Seconds without any byte after which a connection counts as broken.
    least_rate : float
        Bytes per second, on average over `timeout` seconds, below which it does as well.

    Raises
    ------
    StorageError
        No host in the URL.
    """

    def __init__(
        self, url: str, *, retries: Retries | None = None, timeout: float = 30.0, least_rate: float = 1024.0
    ) -> None:
        super().__init__(url, retries)
        self._timeout, self._least_rate = timeout, least_rate
        self._parts = _split(url)
        self._etags: dict[str, str] = {}
        self._pools: dict[str | None, PoolManager] = {}
        self._process = os.getpid()

    def stream(self, name: str, offset: int = 0) -> Incoming:
        """Send one request; see `Storage.stream`."""
        where, etag = self.where(self.checked(name)), self._etags.get(name)
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if etag is not None:
                headers["If-Range"] = etag
        response = self._request(name, headers)
        try:
            packed = response.headers.get("Content-Encoding", "identity")
            if packed != "identity":
                raise StorageError(f"{where}: comes packed as {packed!r}; have the server send it as it is")
            if response.status == 416 and offset:  # the file is shorter than what is wanted of it
                return self._anew(name, response)
            if response.status not in (200, 206) or (response.status == 206 and not offset):
                raise _refusal(where, response)
            found = _strong(response.headers.get("ETag"))
            if response.status == 200:
                offset, total = 0, _number(response.headers.get("Content-Length"))
            else:
                given = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
                changed = etag is not None and found is not None and found != etag
                if given is None or int(given[1]) != offset or changed:
                    return self._anew(name, response)
                total = None if given[3] == "*" else int(given[3])
            if found is None:
                self._etags.pop(name, None)
            else:
                self._etags[name] = found
        except BaseException:
            response.close()
            raise
        return Incoming(offset, total, self._chunks(response, where), response.close)

    def _anew(self, name: str, response: BaseHTTPResponse) -> Incoming:
        """Ask for the whole file, where the range given is of no use."""
        response.close()
        return self.stream(name)

    def _chunks(self, response: BaseHTTPResponse, where: str) -> Iterator[bytes]:
        from urllib3.exceptions import HTTPError

        since, arrived = time.monotonic(), 0
        while True:
            try:
                chunk = response.read1(_CHUNK, decode_content=False)
            except (HTTPError, HTTPException, OSError) as error:
                raise self._failure(where, error) from None
            if not chunk:
                return
            yield chunk
            arrived += len(chunk)
            seconds = time.monotonic() - since
            if seconds >= self._timeout:
                if arrived < self._least_rate * seconds:
                    raise RetryableError(f"{where}: only {arrived} bytes in {seconds:.1f} s")
                since, arrived = time.monotonic(), 0

    def _request(self, name: str, headers: dict[str, str]) -> BaseHTTPResponse:
        """Ask for a file, following redirects."""
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError

        where = self.where(name)
        parts = self._parts._replace(path=f"{self._parts.path.rstrip('/')}/{name}")
        for _ in range(_MOST_REDIRECTS + 1):
            try:
                response = self._pool(parts).request(
                    "GET",
                    urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])),
                    headers={**headers, **self._authorisation(parts)},
                    timeout=Timeout(connect=min(_CONNECT_SECONDS, self._timeout), read=self._timeout),
                    retries=False,
                    redirect=False,
                    preload_content=False,
                    decode_content=False,
                )
            except (HTTPError, HTTPException, OSError) as error:
                # Not chained: what urllib3 says may hold the URL with its query.
                raise self._failure(where, error) from None
            if response.status not in _REDIRECTS:
                return response
            response.close()
            parts = _redirected(parts, response.headers.get("Location"), where)
        raise StorageError(f"{where}: over {_MOST_REDIRECTS} redirects; give the URL that they lead to")

    def _authorisation(self, parts: SplitResult) -> dict[str, str]:
        from urllib3 import make_headers

        user, at, _ = self._parts.netloc.rpartition("@")
        if not at or (parts.scheme, parts.hostname, parts.port) != (
            self._parts.scheme,
            self._parts.hostname,
            self._parts.port,
        ):
            return {}
        return dict(make_headers(basic_auth=unquote(user)))

    def _pool(self, parts: SplitResult) -> PoolManager:
        """Give the connections to use: own ones in a forked process, and those of a proxy where there is one."""
        from urllib3 import PoolManager, ProxyManager, make_headers

        if self._process != os.getpid():
            self._pools, self._process = {}, os.getpid()
        proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
        pool = self._pools.get(proxy)
        if pool is None:
            if proxy is None:
                pool = PoolManager(maxsize=4)
            else:
                user, at, host = proxy.partition("://")[2].rpartition("@")
                secret = make_headers(proxy_basic_auth=unquote(user)) if at else None
                pool = ProxyManager(f"{proxy.partition('://')[0]}://{host}", maxsize=4, proxy_headers=secret)
            self._pools[proxy] = pool
        return pool

    def _failure(self, where: str, error: Exception) -> StorageError:
        from urllib3.exceptions import LocationValueError, NewConnectionError, SSLError
        from urllib3.exceptions import TimeoutError as NoAnswer

        if isinstance(error, LocationValueError):
            return StorageError(f"{where}: no URL that can be asked for; look at its host and port")
        if isinstance(error, SSLError) and error.args and isinstance(error.args[0], ssl.SSLCertVerificationError):
            why = error.args[0].verify_message
            return StorageError(f"{where}: the server's certificate is refused ({why}); look at its name and date")
        if isinstance(error, NoAnswer) and not isinstance(error, NewConnectionError):
            return RetryableError(f"{where}: no byte for {self._timeout:g} s")
        return RetryableError(f"{where}: the connection failed ({type(error).__name__})")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)._replace(fragment="")
        port_is_right = parts.port is None or parts.port > 0
    except ValueError:
        port_is_right = False
    if not port_is_right or not parts.hostname:
        raise StorageError(f"{without_secrets(url)}: no URL of a web server; give https://HOST/FOLDER")
    return parts


def _redirected(parts: SplitResult, location: str | None, where: str) -> SplitResult:
    if not location:
        raise StorageError(f"{where}: a redirect to nowhere; give the URL of the shards themselves")
    target = urljoin(urlunsplit(parts), location)
    scheme = target.partition(":")[0].lower()
    if scheme not in ("http", "https") or (parts.scheme == "https" and scheme == "http"):
        raise StorageError(
            f"{where}: redirected to {without_secrets(target)}, refused; only https is followed, and http from http"
        )
    return _split(target)


def _refusal(where: str, response: BaseHTTPResponse) -> StorageError:
    status = response.status
    if status >= 500 or status in _MAY_PASS:
        return RetryableError(f"{where}: the server says {status}", _seconds(response.headers.get("Retry-After")))
    reason = _REASONS.get(status, "nothing that can be used")
    return StorageError(f"{where}: {reason} (the server says {status}); look at the URL")


def _seconds(after: str | None) -> float | None:
    """Give the seconds that Retry-After means: a number of them, or a date."""
    if after is None:
        return None
    if _DIGITS.fullmatch(after.strip()):
        return float(after)
    try:
        date = parsedate_to_datetime(after)
    except ValueError:
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _strong(etag: str | None) -> str | None:
    """Give an ETag that says equal bytes, and none that says equal sense."""
    return etag if etag is not None and etag.startswith('"') else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and _DIGITS.fullmatch(text) else None
