"""Workers that wait for their next task, so that what takes seconds to load is loaded once."""

from __future__ import annotations

from collections.abc import Set
from types import TracebackType
from typing import Self

from longsong.scheduling.workers import Worker, Workers

__all__ = ["Pool"]


class Pool:
    """Idle workers, by how many threads their libraries take; a context, at whose end they end.

    Parameters
    ----------
    workers : Workers
        Where new ones come from.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._idle: dict[int, list[Worker]] = {}

    def take(self, threads: int) -> Worker:
        """Give an idle worker, or a new one."""
        idle = self._idle.get(threads, [])
        while idle:
            worker = idle.pop()
            if worker.ended() is None:
                return worker
            worker.close()
        return self._workers.start(threads)

    def give_back(self, worker: Worker, threads: int) -> None:
        """Keep a worker that is at nothing."""
        self._idle.setdefault(threads, []).append(worker)

    def keep_only(self, threads: Set[int]) -> None:
        """Let those idle workers go that have another number of threads than these."""
        for others in set(self._idle) - threads:
            for worker in self._idle.pop(others):
                worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.keep_only(frozenset())
