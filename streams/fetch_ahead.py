"""Shards brought to the cache before they are asked for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from streams.errors import StreamsError
from streams.shard import Shard

__all__ = ["FetchAhead"]


class FetchAhead:
    """Threads that fetch what is wanted next, nearest first.

    What goes wrong here is not reported: who then reads the shard meets it, by name and in its place.

    Parameters
    ----------
    fetch : callable
        Brings one shard to the cache; gives whether there was room.
    threads : int
        Shards fetched at once.
    """

    def __init__(self, fetch: Callable[[Shard], bool], threads: int = 2) -> None:
        self._fetch, self._threads = fetch, threads
        self._wanted: Sequence[Shard] = ()
        self._left: deque[Shard] = deque()
        self._changed = threading.Condition()
        self._started = self._closed = False

    def want(self, shards: Sequence[Shard]) -> None:
        """Fetch these, and no more what was wanted before; returns at once."""
        with self._changed:
            if [shard.name for shard in shards] == [shard.name for shard in self._wanted]:
                return
            self._wanted, self._left = shards, deque(shards)
            self._changed.notify_all()
            if not self._started and shards:
                self._started = True
                for number in range(self._threads):
                    # As daemons: the end of the program does not wait for a slow network.
                    threading.Thread(target=self._work, name=f"fetch-ahead-{number}", daemon=True).start()

    def close(self) -> None:
        """Fetch no more."""
        with self._changed:
            self._closed = True
            self._left.clear()
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (self._left or self._closed):
                    self._changed.wait()
                if self._closed:
                    return
                wanted, shard = self._wanted, self._left.popleft()
            try:
                room = self._fetch(shard)
            except StreamsError:
                room = False
            if not room:
                with self._changed:
                    if wanted is self._wanted:
                        self._left.clear()
