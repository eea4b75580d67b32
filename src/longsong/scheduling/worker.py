"""A process that does one run of the grid after another: tasks on standard input, what comes of them on its output.

Both are lines of JSON. A worker ends when its input does, whatever ended that: no scheduler, no worker. What it is at
is stopped then as by Ctrl-C, after a checkpoint.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, TextIO

__all__ = ["main"]

_SECONDS_BETWEEN_REPORTS = 0.2
_MOST_LIKELY_TO_BE_KILLED = 500  # of 1000: a machine out of memory takes a worker, and not its scheduler


def main() -> int:
    """Do the tasks on standard input; gives the exit status: 0 at its end, 130 where it was stopped."""
    signal.signal(signal.SIGTERM, _stop)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_MOST_LIKELY_TO_BE_KILLED), encoding="ascii")
    # Whatever else is printed must not stand among the lines of JSON.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as output:
        os.dup2(2, 1)
        worker = _Worker(output)
        try:
            worker.serve()
        except KeyboardInterrupt:
            worker.tell("stopped")
            return 130
        except BrokenPipeError:
            return 0
    return 0


def _stop(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


class _Worker:
    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._tasks: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._phase, self._told = "", 0.0
        self._busy = False

    def serve(self) -> None:
        """Do what is asked until nobody asks any more."""
        threading.Thread(target=self._listen, daemon=True).start()
        # What takes seconds to import is there before the first task, and not counted as its time.
        from longsong.scheduling import work  # noqa: F401

        self.tell("ready")
        while (task := self._tasks.get()) is not None:
            self._busy = True
            self._do(task)
            self._busy = False

    def _listen(self) -> None:
        for line in sys.stdin:
            self._tasks.put(json.loads(line))
        self._tasks.put(None)
        if self._busy:
            os.kill(os.getpid(), signal.SIGTERM)

    def _do(self, values: dict[str, Any]) -> None:
        import torch

        from longsong.errors import LongsongError
        from longsong.estimate import measure_costs
        from longsong.progress import listened_to
        from longsong.scheduling.tasks import Measurement, task_from_json
        from longsong.scheduling.work import complete_run
        from longsong.training.device import available_threads
        from streams.errors import StreamsError

        try:
            task = task_from_json(values)
            torch.set_num_threads(values["threads"] or available_threads())
            if isinstance(task, Measurement):
                self.tell("measured", costs=measure_costs(task.model, task.execution).to_json())
                return
            with listened_to(self._progressed):
                complete_run(
                    task.config,
                    task.command,
                    quiet=True,
                    keep_checkpoints=task.keep_checkpoints,
                    say=lambda line: self.tell("note", text=line),
                )
            self.tell("done")
        except Exception as error:
            text = (
                str(error) if isinstance(error, (LongsongError, StreamsError)) else f"{type(error).__name__}: {error}"
            )
            self.tell("failed", reason=text, kind=type(error).__name__, log=traceback.format_exc())

    def _progressed(self, progress: Any) -> None:
        now = time.monotonic()
        begins = progress.label != self._phase
        if not begins and now - self._told < _SECONDS_BETWEEN_REPORTS and progress.done != progress.total:
            return
        self._phase, self._told = progress.label, now
        self.tell(
            "progress",
            phase=progress.label,
            done=progress.done,
            begun_at=progress.resumed_at,
            total=progress.total,
            unit=progress.unit,
            cost=progress.cost,
        )

    def tell(self, what: str, **more: Any) -> None:
        """Write one line for the scheduler."""
        if what in ("done", "failed", "measured"):
            self._busy = False  # before it is known: who lets go of it then stops nothing
        with suppress(BrokenPipeError):  # it has gone, and so does this process
            self._output.write(json.dumps({"say": what, **more}) + "\n")
            self._output.flush()


if __name__ == "__main__":
    sys.exit(main())
