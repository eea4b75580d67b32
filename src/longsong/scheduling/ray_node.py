"""What runs on a machine of a Ray cluster: a worker process of that machine, and what it tells, for the driver.

Ray carries what is told as text of JSON. A worker process ends with its actor, and that with the driver.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import ExitStack
from typing import Any

from longsong.errors import LongsongError
from longsong.scheduling.node_runs import KeptRun
from longsong.scheduling.scratch import scratch_folder
from longsong.scheduling.tasks import ENDS
from longsong.scheduling.workers import LocalWorker
from streams.errors import StreamsError

__all__ = ["NodeWorker"]

_SECONDS_TO_WAIT = 0.5
_SECONDS_BETWEEN_LOOKS = 0.05


class NodeWorker:
    """An actor: one process of this machine that does one task after another.

    Parameters
    ----------
    threads : int
        What libraries take by default.
    """

    def __init__(self, threads: int) -> None:
        self._worker = LocalWorker(threads)
        self._told: list[dict[str, Any]] = []
        self._first = 0  # the number of the first that is still here
        self._news = threading.Condition()
        self._ended: str | None = None
        self._doing: threading.Thread | None = None
        self._again = threading.Lock()

    def give(self, text: str) -> None:
        """Ask for a task: its JSON values, and as ``kept`` the ``storage``, ``name`` and ``number`` of `KeptRun`."""
        with self._again:
            if self._doing is not None:
                self._doing.join()
            self._doing = threading.Thread(target=self._do, args=(json.loads(text),), daemon=True)
            self._doing.start()

    def hear(self, first: int) -> str:
        """Give what was told from the message number `first` on, after a while if there is nothing.

        Returns
        -------
        str
            JSON: ``where``, ``first``, ``messages``, ``seconds_of_work``, and how the process ``ended``, with its
            ``log``, or null.
        """
        with self._news:
            # What the driver has heard is forgotten; an answer that it did not get is given again.
            del self._told[: max(0, first - self._first)]
            self._first = max(first, self._first)
            if not self._told and self._ended is None:
                self._news.wait(_SECONDS_TO_WAIT)
            if self._doing is None or not self._doing.is_alive():
                self._ended = self._ended or self._worker.ended()
            return json.dumps(
                {
                    "where": self._worker.where,
                    "first": self._first,
                    "messages": self._told,
                    "seconds_of_work": self._worker.seconds_of_work(),
                    "ended": self._ended,
                    "log": None if self._ended is None else self._worker.log(),
                }
            )

    def stop(self) -> None:
        """Ask the process to stop after a checkpoint; asked a second time, it stops at once."""
        if self._worker.ended() is None:
            self._worker.stop()

    def kill(self) -> None:
        """End the process now."""
        self._worker.kill()

    def _do(self, task: dict[str, Any]) -> None:
        kept = task.pop("kept", None)
        with ExitStack() as stack:
            run = None
            try:
                if kept is not None:
                    scratch = stack.enter_context(scratch_folder())
                    run = KeptRun(kept["storage"], kept["name"], kept["number"], scratch, self._progressed)
                    run.fetch()
                    task["out"] = str(run.folder)
                self._worker.give(task)
                last, ended = self._until_its_end()
                if run is not None:
                    run.finish()
            except (LongsongError, StreamsError, OSError) as error:
                last, ended = (
                    {"say": "failed", "reason": str(error), "kind": type(error).__name__, "log": str(error)},
                    None,
                )
        if last is not None:
            self._tell(last)
        if ended is not None:
            with self._news:
                self._ended = ended
                self._news.notify_all()

    def _until_its_end(self) -> tuple[dict[str, Any] | None, str | None]:
        """Pass on what the process tells, up to what ends the task, or to its own end; gives these."""
        while True:
            ended = self._worker.ended()  # asked first: what it said before its end is then all there
            for said in self._worker.messages():
                if said["say"] in ENDS:
                    return said, None
                self._tell(said)
            if ended is not None:
                return None, ended
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    def _progressed(self, phase: str, done: int, total: int) -> None:
        self._tell(
            {
                "say": "progress",
                "phase": phase,
                "done": done,
                "begun_at": 0,
                "total": total,
                "unit": "files",
                "cost": None,
            }
        )

    def _tell(self, message: dict[str, Any]) -> None:
        with self._news:
            self._told.append(message)
            self._news.notify_all()
