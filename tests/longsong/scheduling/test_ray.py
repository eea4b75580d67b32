"""Runs on a real Ray cluster of three nodes on loopback, one of which is killed."""

from __future__ import annotations

import importlib.util
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray_clusters import cluster_of, node_of
from real_workers import has_made, task, until
from small_song import tune
from training_runs import config, final_bytes, metrics_without_times, train

import longsong
from longsong.cli import main
from longsong.config import TrainingConfig
from longsong.errors import ConfigError, RunError
from longsong.generated import is_generated
from longsong.scheduling import ray_cluster
from longsong.scheduling.live import Assignment
from longsong.scheduling.pool import Pool
from longsong.scheduling.ray_cluster import RayCluster, joined
from longsong.scheduling.ray_workers import RayWorker, RayWorkers, ray_workers
from longsong.scheduling.run_storage import StoredRun, extent_of, files_of
from longsong.scheduling.scheduler import Scheduler
from longsong.training.record import LOG, read_summary
from longsong.wav import write_wav

# Not imported here: it reads its settings when it is.
if importlib.util.find_spec("ray") is None:
    pytest.skip("Ray (the extra 'ray') is not installed", allow_module_level=True)

_MEMORY = 1 << 30
LONG = TrainingConfig(epochs=150)


@pytest.fixture(scope="module")
def cluster():
    with cluster_of(3, cores=1, memory=_MEMORY) as made:
        yield made


@pytest.fixture(scope="module")
def here(cluster):
    """This process, as a driver of the cluster."""
    with joined(cluster.address) as found:
        yield found


@pytest.fixture(scope="module")
def alone(shards, tmp_path_factory) -> Path:
    """A run that nobody disturbed."""
    return train(shards, tmp_path_factory.mktemp("alone") / "run", training=LONG)


def told(worker: RayWorker) -> list[dict]:
    """Wait for the end of a task; gives all messages."""
    said: list[dict] = []
    until(lambda: said.extend(worker.messages()) or worker.ended() or (said and said[-1]["say"] in ("done", "failed")))
    return said


def pid_of(worker: RayWorker) -> int:
    return int(worker.where.rpartition(":")[2])


def test_nodes_that_share_the_folder_train_in_it_and_tell_what_fails(here, shards, tmp_path):
    out = tmp_path / "runs"
    with ray_workers("auto", shards, out, "cpu") as workers, Pool(workers) as pool:
        machine = workers.machine
        assert (machine.device, machine.machines, machine.cores, machine.memory) == ("cpu", 3, 3, 3 * _MEMORY)
        worker = pool.take(1)
        worker.give(task(shards, out / "run"))
        said = told(worker)
        assert said[-1] == {"say": "done"}
        phases = [one["phase"] for one in said if one["say"] == "progress"]
        assert [phase for phase in dict.fromkeys(phases) if phase.endswith("ing")] == [
            "training",
            "generating",
            "judging",
        ]
        assert worker.seconds_of_work() > 0
        assert is_generated(out / "run", read_summary(out / "run")["best"]["epoch"])
        assert final_bytes(out / "run") == final_bytes(train(shards, tmp_path / "alone"))

        (out / "taken").mkdir()
        (out / "taken/something").write_text("else")
        worker.give(task(shards, out / "taken"))
        (failed,) = [one for one in told(worker) if one["say"] == "failed"]
        assert (failed["kind"], "holds no run" in failed["reason"]) == ("RunError", True)
        assert "Traceback" in failed["log"]
        pool.give_back(worker, 1)

        again = pool.take(1)
        assert again is worker
        again.give(task(shards, out / "killed", training=LONG))
        until(lambda: has_made(again, 5))
        os.kill(pid_of(worker), signal.SIGKILL)
        assert "SIGKILL" in until(worker.ended)
        worker.close()
    assert not list(out.glob(".*"))


def test_nodes_that_see_nothing_but_the_storage_go_on_with_a_run_and_keep_it_when_stopped(
    here, shards, alone, tmp_path, monkeypatch
):
    out, storage = tmp_path / "runs", tmp_path / "storage"
    begin(shards, out / "run")
    before = extent_of(files_of(out / "run"))[1]
    assert before == 6
    really = RayCluster._ask

    def blind(self, nodes, asked):
        answers = really(self, nodes, asked)
        return [answer | ({"digest": None} if asked["shards"] == str(shards) else {}) for answer in answers]

    monkeypatch.setattr(RayCluster, "_ask", blind)
    said: list[str] = []
    with ray_workers("auto", shards, out, "cpu", storage=storage.as_uri(), say=said.append) as workers:
        assert Path(workers.shards).is_relative_to(storage)
        worker = workers.start(1)
        worker.give(task(shards, out / "run", training=LONG))
        until(lambda: [one for one in worker.messages() if one.get("begun_at") == before])
        until(lambda: has_made(worker, before + 5))
        worker.stop()
        assert until(worker.ended) == "its process ended with exit status 130"
        worker.close()
        assert extent_of(files_of(out / "run"))[1] == before
    assert "read it from" in said[0]
    # At the end of the block it is collected as far as it is.
    assert extent_of(files_of(out / "run"))[1] > before + 5
    train(shards, out / "run", training=LONG)
    assert final_bytes(out / "run") == final_bytes(alone)


def begin(shards: Path, run: Path) -> None:
    """Train the first epochs of a run here, and stop."""

    def stop(epoch: int) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        longsong.train(config(shards, run, training=LONG), quiet=True, on_epoch=stop)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"sees_runs": False}, "does not see the folder"),
        ({"version": "0.0.1"}, "has longsong 0.0.1"),
        ({"torch": "1.0.0"}, "has torch 1.0.0, and this machine"),
        ({"digest": None, "why": "not there"}, "not every node of .* sees the shards"),
    ],
)
def test_nodes_that_are_not_fit_are_named_before_anything_is_run(here, shards, tmp_path, monkeypatch, changed, says):
    really = RayCluster._ask

    def changed_of_one(self, nodes, asked):
        first, *others = really(self, nodes, asked)
        return [*others, first | changed]

    monkeypatch.setattr(RayCluster, "_ask", changed_of_one)
    with pytest.raises(RunError, match=says), ray_workers("auto", shards, tmp_path / "runs", "cpu"):
        pass
    assert not list(tmp_path.iterdir())


def test_processors_that_differ_are_named(here, shards, tmp_path, monkeypatch):
    really = RayCluster._ask

    def another(self, nodes, asked):
        first, *others = really(self, nodes, asked)
        return [first | {"host": "old", "processor": "AVX2"}, *[one | {"processor": "AVX512"} for one in others]]

    said: list[str] = []
    with ray_workers("auto", shards, tmp_path / "runs", "cpu", say=said.append):
        assert said == []
    monkeypatch.setattr(RayCluster, "_ask", another)
    with ray_workers("auto", shards, tmp_path / "runs", "cpu", say=said.append):
        (line,) = said
    assert "AVX2 on old; AVX512 on " in line


@pytest.mark.parametrize(
    ("device", "nodes", "accelerated"),
    [
        ("auto", [{"CPU": 1, "GPU": 1}, {"CPU": 2, "GPU": 4}], True),
        ("auto", [{"CPU": 1, "GPU": 1}, {"CPU": 2}], False),
        ("auto", [{"CPU": 1, "GPU": 1}, {"memory": 2}], True),  # which computes nothing
        ("auto", [], False),
        ("cpu", [{"CPU": 1, "GPU": 1}], False),
        ("cuda", [{"CPU": 1}], True),
    ],
)
def test_what_a_cluster_computes_on_is_asked_of_its_nodes(device, nodes, accelerated):
    ray = SimpleNamespace(nodes=lambda: [{"Alive": True, "Resources": one} for one in nodes])
    assert RayCluster(ray, "a cluster").accelerated(device) is accelerated


def test_the_command_plans_on_it_what_is_for_processors(here, tmp_path, capsys):
    song = tmp_path / "tune.wav"
    write_wav(song, tune(800_000), 16_000)
    where = ["--shards", str(tmp_path / "shards"), "--out", str(tmp_path / "runs")]
    words = [
        "reproduce",
        "--ray",
        "auto",
        "--song",
        str(song),
        "--widths",
        "16",
        "--only",
        "50x100",
        "--dry-run",
        "--side-by-side",
        "1",
    ]
    assert main([*words, *where]) == 0
    said = capsys.readouterr().out
    assert "50x100-gru-16-s1" in said
    assert "tune-120s" in said  # what profile demo takes of a song at most
    assert here.ray.is_initialized()  # whoever joined it before has it still


def test_where_no_cluster_is_that_is_said_soon(here, shards, tmp_path, monkeypatch):
    monkeypatch.setattr(here.ray, "is_initialized", lambda: False)
    begun = time.monotonic()
    with pytest.raises(RunError, match=r"no Ray cluster answers at 127\.0\.0\.1:1 "), joined("127.0.0.1:1"):
        pass
    with pytest.raises(ConfigError, match="give auto, or HOST:PORT"), joined("ray://127.0.0.1:10001"):
        pass
    monkeypatch.setattr(ray_cluster, "_meant", lambda address: "127.0.0.1:1")
    with pytest.raises(RunError, match=r"no Ray cluster answers at 127\.0\.0\.1:1 "), joined("auto"):
        pass
    assert time.monotonic() - begun < ray_cluster._SECONDS_TO_REACH


def test_a_lost_node_s_run_goes_on_elsewhere_to_the_same_bytes(cluster, here, shards, alone, tmp_path):
    """Last: a node is gone after it."""
    out, storage = tmp_path / "runs", (tmp_path / "storage").as_uri()
    killed: dict[str, str] = {}
    changes: list[tuple[str, str, str]] = []
    with ray_workers("auto", shards, out, "cpu", storage=storage) as workers, Pool(workers) as pool:

        def kill_a_node() -> None:
            """Kill the node of one of the runs, as soon as that is kept in storage with its checkpoint."""
            for worker in workers_at_work(workers):
                name = worker._run
                if killed or name is None or worker._heard is None:
                    continue
                kept = StoredRun(workers.storage, name).newest()
                node = node_of(cluster, pid_of(worker))
                if kept is not None and kept.extent[1] >= 9 and node is not cluster.head_node:
                    killed[name] = worker.where
                    cluster.remove_node(node, allow_graceful=False)

        assignments = [
            Assignment(name, task(shards, out / name, training=LONG), 10.0, 1.0, 450, 1, 1, frozenset({name}))
            for name in ("one", "two")
        ]
        lost: list[tuple[str, str]] = []
        scheduler = Scheduler(
            assignments,
            pool,
            workers.machine.slots,
            on_change=lambda run: changes.append((run.name, run.state, run.reason)),
            on_lost=lambda run, log: lost.append((run.name, log)),
            on_note=lambda line: None,
            on_round=kill_a_node,
        )
        scheduler.run()
    ((name, _),) = killed.items()
    assert [run.state for run in scheduler.runs] == ["done", "done"]
    assert {run.name: run.attempts for run in scheduler.runs} == {"one": 1, "two": 1} | {name: 2}
    ((lost_name, log),) = lost
    assert lost_name == name
    assert "node" in log
    for run in ("one", "two"):
        assert final_bytes(out / run) == final_bytes(alone)
        assert metrics_without_times(out / run) == metrics_without_times(alone)
        assert is_generated(out / run, read_summary(out / run)["best"]["epoch"])
        assert not (out / run / LOG).exists()
    assert read_summary(out / name)["starts"] == 2


def workers_at_work(workers: RayWorkers) -> list[RayWorker]:
    return [worker for worker in workers._workers if not worker.idle]
