"""What a driver does with what Ray says, whatever that is, and however late it comes."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from acted_workers import Clock
from fake_ray import ActorDiedError, ActorUnavailableError, FakeRay

from longsong.config import ExecutionConfig, ModelConfig
from longsong.scheduling import ray_workers
from longsong.scheduling.cluster_sharing import ClusterSharing
from longsong.scheduling.pool import Pool
from longsong.scheduling.ray_workers import RayWorkers
from longsong.scheduling.tasks import Measurement
from streams.errors import StorageError

TASK = Measurement(ModelConfig(hidden=8), ExecutionConfig(device="cpu", threads=2)).to_json() | {"threads": 2}
MACHINES = ClusterSharing("head:1", "cpu", 8, 800, 4, 2)


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(ray_workers, "time", SimpleNamespace(monotonic=made.monotonic))
    return made


@pytest.fixture
def ray(clock):
    return FakeRay()


@pytest.fixture
def workers(ray):
    return RayWorkers(SimpleNamespace(ray=ray, name="head:1"), MACHINES, "/shards", None, None)


def answer(first: int, *messages: dict, ended: str | None = None, log: str | None = None) -> str:
    about = {"where": "node-a:42", "seconds_of_work": 1.5, "ended": ended, "log": log}
    return json.dumps({"first": first, "messages": list(messages), **about})


def progress(done: int) -> dict:
    return {"say": "progress", "phase": "training", "done": done}


def test_an_actor_states_what_it_needs_and_passes_on_what_is_told(ray, workers):
    worker = workers.start(2)
    assert not ray.actors  # nothing is held before there is something to do
    worker.give(TASK)
    (actor,) = ray.actors
    assert actor.needs == {"num_cpus": 2, "memory": 200, "max_restarts": 0, "max_concurrency": 4}
    assert [name for name, *_ in actor.asked] == ["give", "hear"]
    assert json.loads(actor.asked[0][1]) == TASK
    assert (worker.messages(), worker.ended(), worker.seconds_of_work()) == ([], None, None)
    actor.answers(answer(0, {"say": "ready"}, progress(1)))
    assert worker.messages() == [{"say": "ready"}, progress(1)]
    assert (worker.where, worker.seconds_of_work()) == ("node-a:42", 1.5)
    assert actor.asked[-1] == ("hear", 2)
    actor.answers(answer(2, {"say": "measured", "costs": {}}))
    assert worker.messages() == [{"say": "measured", "costs": {}}]
    assert worker.idle
    worker.give(TASK)  # to the same actor
    assert len(ray.actors) == 1
    actor.answers(answer(3, ended="its process ended with exit status 3", log="Traceback"))
    assert (worker.ended(), worker.log()) == ("its process ended with exit status 3", "Traceback")


def test_what_is_told_again_after_a_lost_answer_is_heard_once(ray, clock, workers):
    worker = workers.start(1)
    worker.give(TASK)
    (actor,) = ray.actors
    actor.answers(answer(0, progress(1)))
    assert worker.messages() == [progress(1)]
    actor.answers(ActorUnavailableError("a switch was restarted"))
    assert (worker.messages(), worker.ended()) == ([], None)
    assert actor.asked[-1] == ("hear", 1)
    actor.answers(answer(0, progress(1), progress(2)))
    assert worker.messages() == [progress(2)]
    clock.sleep(61)
    actor.answers(ActorUnavailableError("a switch burns"))
    assert worker.ended() == "Ray lost it (ActorUnavailableError): a switch burns"


def test_a_lost_node_is_told_and_one_that_goes_before_it_began_is_not_counted(ray, workers):
    worker = workers.start(1)
    worker.give(TASK)
    ray.actors[0].answers(ActorDiedError("The actor died.\nits node has died"))
    assert worker.ended() is None
    assert len(ray.actors) == 2
    assert json.loads(ray.actors[1].asked[0][1]) == TASK
    ray.actors[1].answers(answer(0, progress(1)))
    assert worker.messages() == [progress(1)]
    ray.actors[1].answers(ActorDiedError("The actor died.\n\tits node has died\n"))
    assert worker.ended() == "Ray lost it (ActorDiedError): its node has died"
    assert "The actor died." in worker.log()
    assert worker.messages() == []
    worker.close()
    assert len(ray.actors) == 2


@pytest.mark.parametrize("init_failed", [True, False])
def test_an_actor_that_never_begins_is_given_up(ray, workers, init_failed):
    worker = workers.start(1)
    worker.give(TASK)
    while worker.ended() is None:
        ray.actors[-1].answers(ActorDiedError("no module named longsong", actor_init_failed=init_failed))
    assert "no module named longsong" in worker.ended()
    assert len(ray.actors) == (1 if init_failed else 3)


def test_while_no_node_has_room_that_is_said_now_and_then(ray, clock, workers):
    worker = workers.start(1)
    worker.give(TASK)
    said = []
    for _ in range(200):
        clock.sleep(0.1)
        said += worker.messages()
    assert 2 <= len(said) <= 4
    assert {one["phase"] for one in said} == {"waiting for a node"}
    assert worker.seconds_of_work() is None  # not taken for one that hangs
    worker.stop()
    assert worker.ended() == "it was stopped before a node had room for it"
    assert ray.actors[0].killed


def test_idle_actors_of_another_size_make_room_and_come_back(ray, workers):
    with Pool(workers) as pool:
        small = [pool.take(1) for _ in range(3)]
        for number, worker in enumerate(small[:2]):
            worker.give(TASK)
            ray.actors[number].answers(answer(0, {"say": "measured", "costs": {}}))
            assert worker.messages()
        small[2].give(TASK)
        assert [actor.killed for actor in ray.actors] == [False] * 3  # of the same size
        pool.give_back(small[0], 1)
        large = pool.take(4)
        large.give(TASK)
        assert [actor.killed for actor in ray.actors] == [True, True, False, False]
        assert ray.actors[3].needs["num_cpus"] == 4
        assert small[0].ended() is None
        assert pool.take(1) is small[0]
        small[0].give(TASK)
        assert ray.actors[4].threads == 1
        pool.give_back(small[0], 1)
    assert ray.actors[4].killed


def test_one_that_hangs_is_ended_on_its_node_first(ray, workers):
    worker = workers.start(1)
    worker.give(TASK)
    (actor,) = ray.actors
    actor.answers(answer(0, progress(1)))
    worker.messages()
    worker.stop()
    worker.kill()
    assert [name for name, *_ in actor.asked[-2:]] == ["stop", "kill"]
    assert actor.killed
    assert worker.ended() == "its process was killed"
    worker.close()


class Collecting:
    """Stands for `CollectedRuns`."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []
        self.error: Exception | None = None
        self.away = False

    def offer(self, run: str) -> int:
        self.calls.append(("offer", run))
        if self.away:
            raise StorageError("the storage is away")
        return 8

    def collect(self, run: str) -> None:
        self.calls.append(("collect", run))
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("error", [None, OSError("no room")])
def test_a_run_is_done_once_it_is_collected(ray, monkeypatch, clock, tmp_path, error):
    later = []

    def in_background(work):
        from concurrent.futures import Future

        future: Future[None] = Future()

        def do() -> None:
            try:
                future.set_result(work())
            except OSError as found:
                future.set_exception(found)

        later.append(do)
        return future

    monkeypatch.setattr(ray_workers, "in_background", in_background)
    runs = Collecting()
    runs.error = error
    cluster = SimpleNamespace(ray=ray, name="head:1")
    workers = RayWorkers(cluster, MACHINES, "/shards", SimpleNamespace(url="s3://a/runs"), runs)
    worker = workers.start(1)
    worker.give({"task": "run", "out": str(tmp_path / "1000x50"), "shards": "shards/song", "threads": 1})
    (actor,) = ray.actors
    given = json.loads(actor.asked[0][1])
    assert given["kept"] == {"storage": "s3://a/runs", "name": "1000x50", "number": 8}
    assert given["shards"] == "/shards"
    assert runs.calls == [("offer", "1000x50")]
    actor.answers(answer(0, progress(1), {"say": "done"}, ended="its process ended with exit status 0", log=""))
    assert worker.messages() == [progress(1)]
    assert (worker.ended(), worker.messages(), worker.idle) == (None, [], False)
    (do,) = later
    do()
    (last,) = worker.messages()
    assert runs.calls[1:] == [("collect", "1000x50")]
    if error is None:
        assert last == {"say": "done"}
    else:
        assert (last["say"], last["kind"], last["reason"]) == ("failed", "OSError", "no room")
    assert worker.ended() == "its process ended with exit status 0"


def test_storage_that_is_away_fails_the_run_and_no_other(ray, workers):
    runs = Collecting()
    runs.away = True
    kept = RayWorkers(workers.cluster, MACHINES, "/shards", SimpleNamespace(url="s3://a/runs"), runs)
    worker = kept.start(1)
    worker.give({"task": "run", "out": "runs/1000x50", "shards": "shards/song", "threads": 1})
    (said,) = worker.messages()
    assert (said["say"], said["kind"], said["reason"]) == ("failed", "StorageError", "the storage is away")
    assert (worker.ended(), worker.idle, ray.actors) == (None, True, [])
    runs.away = False
    worker.give({"task": "run", "out": "runs/1000x50", "shards": "shards/song", "threads": 1})
    assert len(ray.actors) == 1
