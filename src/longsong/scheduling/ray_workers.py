"""Workers on the nodes of a Ray cluster: each is an actor that states what it needs, beside a process of its node."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import streams
from longsong.config import Device
from longsong.errors import LongsongError, RunError
from longsong.grid_file import read_grid
from longsong.progress import print_line
from longsong.scheduling.cluster_sharing import ClusterSharing
from longsong.scheduling.collected_runs import CollectedRuns
from longsong.scheduling.ray_cluster import RayCluster, joined
from longsong.scheduling.ray_node import NodeWorker
from longsong.scheduling.storage_writing import WritableFolder, WritableStorage, open_writable
from longsong.scheduling.stored_shards import shards_in
from longsong.scheduling.tasks import ENDS
from longsong.training.background import in_background
from streams.errors import StorageError, StreamsError

__all__ = ["RayWorker", "RayWorkers", "ray_workers"]

_CALLS_AT_ONCE = 4  # of an actor: to be heard does not keep it from being stopped
_BEGINNINGS = 3
_SECONDS_TO_END = 5.0
_SECONDS_UNREACHABLE = 60.0
_SECONDS_BEFORE_IT_WAITS, _SECONDS_BETWEEN_SAYING_SO = 5.0, 5.0


@contextmanager
def ray_workers(
    address: str,
    song_folder: Path,
    out: Path,
    device: Device,
    *,
    storage: Path | str | None = None,
    say: Callable[[str], None] = print_line,
    dry_run: bool = False,
) -> Iterator[RayWorkers]:
    """Give the workers of a cluster; at the end of the block all runs are collected as far as they are.

    Parameters
    ----------
    address : str
        As of `longsong.scheduling.ray_cluster.joined`.
    song_folder : Path
        The song's shards. Nodes that do not see this folder read them from the storage, into which they are put.
    out : Path
        The folder of runs.
    device : {'auto', 'cpu', 'cuda'}
    storage : Path, str or None
        A URL or shared folder in which nodes keep runs. None where they all see `out` itself; then nothing is copied.
    say : callable
        Takes lines.
    dry_run : bool
        Only measurements are asked for: no shards and no runs are copied.

    Raises
    ------
    ConfigError, RunError, DeviceError, streams.StreamsError
        There is no such cluster, it is not fit for this, or the storage cannot be used.
    """
    place = None if storage is None else _of_song(open_writable(storage), song_folder)
    with joined(address) as cluster:
        digest, shards = streams.Song.open(song_folder).digest, str(song_folder.resolve())
        sharing, seen, notes = cluster.share(digest, shards, out, device, place)
        for note in notes:
            say(note)
        if not seen and place is not None and not dry_run:
            say(f"not every node sees {shards}; they read it from {place.name}")
            shards = shards_in(place, song_folder)
            sharing, seen, _ = cluster.share(digest, shards, out, device, place)
        if not seen and not (dry_run and place is not None):
            raise RunError(
                f"not every node of {cluster.name} sees the shards {shards}; put them into a folder that all nodes "
                "share (--shards), or give a --storage that all can read (s3://…)"
            )
        runs = None if place is None else CollectedRuns(place.within("runs"), out.absolute())
        if runs is not None and not dry_run and _is_of(song_folder, out):
            for name in runs.collect_further():
                say(f"{name} is further in the storage, and was collected")
        workers = RayWorkers(cluster, sharing, shards, None if place is None else place.within("runs"), runs)
        try:
            yield workers
        finally:
            if runs is not None and not dry_run and _is_of(song_folder, out):
                try:
                    runs.collect_further()
                except (LongsongError, StreamsError) as error:  # they are there still, and come with the next call
                    say(f"not all runs were collected: {error}")


def _of_song(storage: WritableStorage, song_folder: Path) -> WritableStorage:
    """Give the part of the storage that is a song's own."""
    if isinstance(storage, WritableFolder):
        storage = WritableFolder(storage.folder.absolute())
    return storage.within(f"song-{streams.Song.open(song_folder).digest[:16]}")


def _is_of(song_folder: Path, out: Path) -> bool:
    """Say whether runs of this song belong into `out`; else whoever looks at its grid says so."""
    with suppress(RunError):
        return bool(read_grid(out)["song"]["digest"] == streams.Song.open(song_folder).digest)
    return True


class RayWorkers:
    """Workers that are actors of a cluster.

    Parameters
    ----------
    cluster : RayCluster
    machine : ClusterSharing
        What the cluster has.
    shards : str
        Where all nodes see the song.
    storage : WritableStorage or None
        In which nodes keep runs.
    runs : CollectedRuns or None
        What brings them from there.
    """

    def __init__(
        self,
        cluster: RayCluster,
        machine: ClusterSharing,
        shards: str,
        storage: WritableStorage | None,
        runs: CollectedRuns | None,
    ) -> None:
        self.cluster, self.machine, self.shards = cluster, machine, shards
        self.storage, self.runs = storage, runs
        self._workers: list[RayWorker] = []

    def start(self, threads: int) -> RayWorker:
        """Give a worker; its actor begins with its first task, where a node has room."""
        worker = RayWorker(self, threads)
        self._workers.append(worker)
        return worker

    def make_room(self, threads: int) -> None:
        """Let go of actors that are at nothing, and hold what one with so many threads may need."""
        for worker in self._workers:
            if worker.idle and worker.threads != threads:
                worker.let_go()

    def forget(self, worker: RayWorker) -> None:
        """Count on it no more."""
        if worker in self._workers:
            self._workers.remove(worker)


class RayWorker:
    """One worker (`longsong.scheduling.workers.Worker`): polling it never waits for the network.

    Parameters
    ----------
    workers : RayWorkers
    threads : int
        By which its actor states what it needs (`ClusterSharing.requirements`).
    """

    def __init__(self, workers: RayWorkers, threads: int) -> None:
        self.threads, self.where = threads, workers.cluster.name
        self.idle = True
        self._workers, self._ray = workers, workers.cluster.ray
        self._actor: Any = None
        self._call: Any = None  # to `NodeWorker.hear`: one at a time
        self._task = ""
        self._run: str | None = None  # which is in storage
        self._said: list[dict[str, Any]] = []
        self._last: tuple[dict[str, Any], Future[None]] | None = None  # held back until its run is collected
        self._next = self._beginnings = 0
        self._heard: float | None = None
        self._since = self._told = 0.0
        self._work: float | None = None
        self._end: str | None = None
        self._log = ""

    def give(self, task: Mapping[str, Any]) -> None:
        """Ask for a task; one that a run in storage is asked for goes on from what is kept there."""
        values, self._run = dict(task), None
        if values["task"] == "run":
            out = Path(values["out"]).absolute()
            values |= {"out": str(out), "shards": self._workers.shards}
            if self._workers.storage is not None and self._workers.runs is not None:
                self._run = out.name
                try:
                    number = self._workers.runs.offer(out.name)
                except StorageError as error:  # of this run, and not of all: it is begun again later
                    said = {"say": "failed", "kind": "StorageError", "reason": str(error), "log": str(error)}
                    self._said.append(said)
                    self.idle = True
                    return
                values["kept"] = {"storage": self._workers.storage.url, "name": out.name, "number": number}
        self._task, self.idle, self._beginnings = json.dumps(values), False, 0
        if self._actor is None:
            self._begin()
        else:
            self._actor.give.remote(self._task)

    def _begin(self) -> None:
        self._beginnings += 1
        self._workers.make_room(self.threads)
        needs = self._workers.machine.requirements(self.threads)
        actor = self._ray.remote(NodeWorker).options(**needs, max_restarts=0, max_concurrency=_CALLS_AT_ONCE)
        self._actor = actor.remote(self.threads)
        self._actor.give.remote(self._task)
        self._next, self._heard, self._work = 0, None, None
        self._since = self._told = time.monotonic()
        self._call = self._actor.hear.remote(self._next)

    def messages(self) -> list[dict[str, Any]]:
        """Give what it has told since it was last asked."""
        self._poll()
        said, self._said = self._said, []
        return said

    def ended(self) -> str | None:
        """Say how its process ended, or that it was lost; None while it lives."""
        self._poll()
        return None if self._last is not None else self._end

    def _poll(self) -> None:
        self._release()
        if self._actor is None or self._end is not None or not self._answered():
            return
        try:
            answer = json.loads(self._ray.get(self._call))
        except self._ray.exceptions.ActorUnavailableError as error:
            if time.monotonic() - (self._heard or self._since) > _SECONDS_UNREACHABLE:
                self._lose(error)
            else:  # what was told is not lost: it is told again until it was heard
                self._call = self._actor.hear.remote(self._next)
            return
        except self._ray.exceptions.RayError as error:
            self._lose(error)
            return
        self._heard = time.monotonic()
        self.where, self._work = answer["where"], answer["seconds_of_work"]
        for message in answer["messages"][max(0, self._next - answer["first"]) :]:
            self._take(message)
        self._next = answer["first"] + len(answer["messages"])
        if answer["ended"] is None:
            self._call = self._actor.hear.remote(self._next)
        else:
            self._end, self._log = answer["ended"], answer["log"]

    def _answered(self) -> bool:
        ready, _ = self._ray.wait([self._call], timeout=0)
        now = time.monotonic()
        waits = self._heard is None and now - self._since > _SECONDS_BEFORE_IT_WAITS
        if not ready and waits and now - self._told > _SECONDS_BETWEEN_SAYING_SO:
            self._told = now
            self._said.append(
                {"say": "progress", "phase": "waiting for a node", "done": 0, "begun_at": 0, "total": None, "unit": "",
                 "cost": None}
            )  # fmt: skip
        return bool(ready)

    def _take(self, message: dict[str, Any]) -> None:
        if message["say"] not in ENDS:
            self._said.append(message)
            return
        run, runs = self._run, self._workers.runs
        if run is not None and runs is not None:
            self._last = message, in_background(lambda: runs.collect(run))
        else:
            self._said.append(message)
            self.idle = True

    def _release(self) -> None:
        """Pass on the end of a task whose run is collected by now."""
        if self._last is None or not self._last[1].done():
            return
        (message, collecting), self._last = self._last, None
        error = collecting.exception()
        if error is not None and message["say"] == "done":
            message = {"say": "failed", "kind": type(error).__name__, "reason": str(error), "log": str(error)}
        self._said.append(message)
        self.idle = True

    def _lose(self, error: Any) -> None:
        """Take note that the actor or its node is no more."""
        self._actor = None
        if self._heard is None and self._beginnings < _BEGINNINGS and not getattr(error, "actor_init_failed", False):
            self._begin()  # its node went before it had begun
            return
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        self._end = f"Ray lost it ({type(error).__name__}): {lines[-1] if lines else 'no reason is given'}"
        self._log = str(error)

    def seconds_of_work(self) -> float | None:
        """Give the processor time that its process has taken, as it told last."""
        return self._work

    def stop(self) -> None:
        """Ask it to stop after a checkpoint; asked a second time, it stops at once."""
        if self._heard is None:
            self.let_go()
            self._end = "it was stopped before a node had room for it"
        elif self._actor is not None:
            self._actor.stop.remote()

    def kill(self) -> None:
        """End its process and its actor now."""
        if self._actor is not None and self._heard is not None:
            # The process itself: one that hangs would not see that its actor has gone.
            self._ray.wait([self._actor.kill.remote()], timeout=_SECONDS_TO_END)
        self.let_go()
        self._end = self._end or "its process was killed"

    def let_go(self) -> None:
        """End its actor, whose process ends by itself; the next task gets another."""
        if self._actor is not None:
            self._ray.kill(self._actor, no_restart=True)
            self._actor = self._call = None

    def log(self) -> str:
        """Give the end of what its process wrote to standard error, or what Ray says of its loss."""
        return self._log

    def close(self) -> None:
        """Let go of it."""
        self.let_go()
        self._workers.forget(self)
