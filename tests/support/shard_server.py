"""An HTTP server on loopback that gives ranges, with faults put in, and remembers what it was asked."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True)
class ServedShard:
    """What the cache has to know of a shard."""

    name: str
    bytes: int
    sha256: str

    @classmethod
    def of(cls, name: str, data: bytes) -> ServedShard:
        return cls(name, len(data), hashlib.sha256(data).hexdigest())


@dataclass
class Answer:
    """What is about to be sent; a fault changes it.

    Parameters
    ----------
    file : bytes
        The whole file.
    body : bytes
        The part of it that is sent.
    end : int, optional
        Bytes of `body` after which it is sent no further, though the headers promise all of it.
    stalled : bool
        Whether the connection then stays open without a byte, or is closed.
    piece, pause : int, float
        Bytes sent at once, and the seconds between.
    """

    file: bytes
    status: int
    headers: dict[str, str]
    body: bytes
    end: int | None = None
    stalled: bool = False
    piece: int = 1 << 16
    pause: float = 0.0


Fault = Callable[[Answer], None]


def says(status: int, **headers: str) -> Fault:
    """Answer with a status and no body; underscores in the names of headers stand for hyphens."""

    def fault(answer: Answer) -> None:
        answer.status, answer.body = status, b""
        answer.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    return fault


def breaks_after(count: int, *, stalled: bool = False) -> Fault:
    """Close the connection after so many bytes, or let it stand still."""

    def fault(answer: Answer) -> None:
        answer.end, answer.stalled = count, stalled

    return fault


def slow(piece: int, pause: float) -> Fault:
    """Send so many bytes, pause, and so on."""

    def fault(answer: Answer) -> None:
        answer.piece, answer.pause = piece, pause

    return fault


def sends(data: bytes, **headers: str) -> Fault:
    """Answer 200 with another file."""

    def fault(answer: Answer) -> None:
        answer.status, answer.body = 200, data
        answer.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    return fault


def ignores_the_range(answer: Answer) -> None:
    """Answer 200 with the whole file, whatever was asked for."""
    answer.status, answer.body = 200, answer.file
    answer.headers.pop("Content-Range", None)


def says_another_range(answer: Answer) -> None:
    """Say of a range that it begins one byte later."""
    if answer.status == 206:
        size = len(answer.file)
        answer.headers["Content-Range"] = f"bytes {size - len(answer.body) + 1}-{size - 1}/{size}"


@dataclass
class ShardServer:
    """What is served, and what was asked for.

    Attributes
    ----------
    files : dict
        Path to bytes.
    asked : list
        Path with query, and headers (each word of a name with a capital), of each request.
    faults : dict
        Path to the faults of the next requests for it, one each.
    always : dict
        Path to a fault of each request for it that has none of its own.
    """

    files: dict[str, bytes]
    url: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    faults: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    always: dict[str, Fault] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ranges(self, path: str) -> list[str | None]:
        """Give the range that each request for a path asked for."""
        return [headers.get("Range") for asked, headers in self.asked if urlsplit(asked).path == path]

    def answer(self, target: str, headers: dict[str, str]) -> Answer:
        """Give what is sent for a request."""
        path = urlsplit(target).path
        with self.lock:
            self.asked.append((target, headers))
            fault = self.faults[path].popleft() if self.faults[path] else self.always.get(path)
        file = self.files.get(path)
        if file is None:
            answer = Answer(b"", 404, {}, b"")
        else:
            answer = _ranged(file, headers)
        if fault is not None:
            fault(answer)
        return answer


def _ranged(file: bytes, headers: dict[str, str]) -> Answer:
    etag = f'"{hashlib.sha256(file).hexdigest()[:16]}"'
    asked = re.fullmatch(r"bytes=(\d+)-", headers.get("Range", ""))
    if asked is None or headers.get("If-Range", etag) != etag:
        return Answer(file, 200, {"ETag": etag}, file)
    start, size = int(asked[1]), len(file)
    if start >= size:
        return Answer(file, 416, {"Content-Range": f"bytes */{size}"}, b"")
    return Answer(file, 206, {"ETag": etag, "Content-Range": f"bytes {start}-{size - 1}/{size}"}, file[start:])


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[ShardServer]:
    """Serve files by their paths until the end of the context."""
    served = ShardServer(files)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # a body would wait until its headers are acknowledged, which takes 40 ms

        def do_GET(self) -> None:
            answer = served.answer(self.path, {name.title(): value for name, value in self.headers.items()})
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            body = answer.body[: answer.end]
            for at in range(0, len(body), answer.piece):
                self.wfile.write(body[at : at + answer.piece])
                if answer.pause:
                    time.sleep(answer.pause)
            if answer.end is not None:
                self.wfile.flush()
                self.close_connection = True
                if answer.stalled:
                    served.over.wait(60)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 64

        def handle_error(self, *_: object) -> None:
            """Clients that leave early are what the tests are about."""

    with Server(("127.0.0.1", 0), Handler) as server:
        served.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield served
        finally:
            served.over.set()
            server.shutdown()
            thread.join()
