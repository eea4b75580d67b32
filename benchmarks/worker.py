"""The process that runs one candidate: ``python -m benchmarks.worker NAME``, one JSON request and reply a line.

It imports the candidate once, says so, and forks a child for each ``start``, so that each task begins in a fresh
process that has paid for its imports. The child then does what it is asked until ``end``:

``prepare``       write the candidate's own data; seconds
``open``          open them and take the first mini-batch; seconds to it
``digests``       of the rows of the mini-batch in hand, and of the next ones
``finish_epoch``  take what is left of the first epoch
``finish_digest`` as ``finish_epoch``, and give one digest of all rows of the epoch, in whatever order they came
``run``           take mini-batches for at least so many seconds and samples; samples, seconds
``first_epoch``   as ``open``, and then ``finish_epoch``; samples, seconds, and those to the first mini-batch
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import sys
import time
import traceback
from importlib import import_module
from itertools import chain
from typing import Any, TextIO

from benchmarks.candidates import CANDIDATES
from benchmarks.noise import row_digests, set_digest
from benchmarks.stream_peers.task import Batch, Candidate, Task

__all__ = ["main"]


class _Run:
    """One task of one candidate; each method answers the request of its name.

    A mini-batch is touched by nobody and held until the next one is there, as a trainer would hold it.
    """

    def __init__(self, candidate: Candidate, task: Task) -> None:
        self._candidate, self._task = candidate, task
        self._rows = 0

    def prepare(self) -> dict[str, Any]:
        for name in self._candidate.needs_to_prepare:
            import_module(name)
        begun = time.perf_counter()
        self._candidate.prepare(self._task)
        return {"seconds": time.perf_counter() - begun}

    def open(self) -> dict[str, Any]:
        begun = time.perf_counter()
        self._batches = chain.from_iterable(self._candidate.open(self._task))
        self._take()
        return {"first_batch_seconds": time.perf_counter() - begun}

    def digests(self, batches: int) -> dict[str, Any]:
        wanted = min(batches * self._task.batch, self._task.examples)
        rows = row_digests(self._held)
        while len(rows) < wanted:
            rows += row_digests(self._take())
        return {"rows": rows}

    def finish_epoch(self) -> dict[str, Any]:
        while self._rows < self._task.examples:
            self._take()
        return {}

    def finish_digest(self) -> dict[str, Any]:
        digest = set_digest(row_digests(self._held))
        while self._rows < self._task.examples:
            digest = set_digest(row_digests(self._take()), digest)
        return {"digest": digest, "rows": self._rows}

    def run(self, seconds: float, samples: int = 0) -> dict[str, Any]:
        done = 0
        begun = time.perf_counter()
        while True:
            done += self._take()[0].size
            passed = time.perf_counter() - begun
            if passed >= seconds and done >= samples:
                return {"samples": done, "seconds": passed}

    def first_epoch(self) -> dict[str, Any]:
        begun = time.perf_counter()
        opened = self.open()
        self.finish_epoch()
        return {**opened, "samples": self._rows * self._task.hop, "seconds": time.perf_counter() - begun}

    def _take(self) -> Batch:
        self._held = next(self._batches)
        self._rows += len(self._held[0])
        return self._held


def main() -> None:
    """Serve requests until there are no more."""
    # What a library prints must not get between the replies.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    candidate = CANDIDATES[sys.argv[1]]
    candidate.load()
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    # What is there by now is shared with all children; a collection that looks at it would make it their own.
    gc.collect()
    gc.freeze()
    _say(replies, {"process": os.getpid()})
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            _serve_task(candidate, Task(**json.loads(line)["task"]), replies)
            # Its files and shared memory go; to take torch apart, object by object, would cost a second.
            atexit._run_exitfuncs()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if code := os.waitstatus_to_exitcode(status):
            # Requests that it has not read may be left, and are nobody's: there is no going on.
            _say(replies, {"error": f"the process of the task ended with status {code}"})
            return
        _say(replies, {})


def _serve_task(candidate: Candidate, task: Task, replies: TextIO) -> None:
    run = _Run(candidate, task)
    _say(replies, {"process": os.getpid()})
    while line := sys.stdin.readline():
        request = json.loads(line)
        do = request.pop("do")
        if do == "end":
            break
        try:
            _say(replies, getattr(run, do)(**request))
        except Exception:
            _say(replies, {"error": traceback.format_exc()})


def _say(replies: TextIO, reply: dict[str, Any]) -> None:
    replies.write(json.dumps(reply) + "\n")


if __name__ == "__main__":
    main()
