"""Real worker processes: what they do, how they end, and that none outlives its scheduler."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from real_workers import has_made, task, until
from training_runs import config, final_bytes, train

from longsong.config import ExecutionConfig, ModelConfig, TrainingConfig
from longsong.generated import is_generated
from longsong.scheduling.tasks import Measurement, RunTask, task_from_json
from longsong.scheduling.workers import LocalWorker
from longsong.training.run_lock import only_here

LONG = TrainingConfig(epochs=2000)


def heard(worker: LocalWorker, word: str) -> dict:
    """Wait for a message of a kind; gives it."""
    return until(lambda: next((said for said in worker.messages() if said["say"] == word), None))


@pytest.fixture(scope="module")
def worker():
    """One process for all tests that leave it alive."""
    one = LocalWorker(1)
    yield one
    one.close()
    assert one.ended() == "its process ended with exit status 0"


def test_tasks_come_back_as_they_were(shards, tmp_path):
    asked = RunTask(config(shards, tmp_path, model=ModelConfig(cell="lstm", hidden=3)), ("longsong", "reproduce"))
    assert task_from_json(json.loads(json.dumps(asked.to_json()))) == asked
    measured = Measurement(ModelConfig(hidden=8), ExecutionConfig(device="cpu", threads=1))
    assert task_from_json(json.loads(json.dumps(measured.to_json()))) == measured


def test_a_run_is_trained_generated_from_and_told_of(worker, shards, tmp_path):
    worker.give(task(shards, tmp_path / "run"))
    said = []
    until(lambda: said.extend(worker.messages()) or (said and said[-1]["say"] in ("done", "failed")))
    assert said[-1] == {"say": "done"}
    progress = [one for one in said if one["say"] == "progress"]
    phases = list(dict.fromkeys(one["phase"] for one in progress))
    assert phases[:2] == ["verifying the song", "training"]  # as `longsong.scheduling.live` knows them
    assert [phase for phase in phases if phase.endswith("ing")] == ["training", "generating", "judging"]
    training = [one for one in progress if one["phase"] == "training"]
    assert (training[-1]["done"], training[-1]["total"], training[-1]["unit"]) == (12, 12, "updates")
    assert training[-1]["cost"] > 0
    assert is_generated(tmp_path / "run", json.loads((tmp_path / "run/summary.json").read_text())["best"]["epoch"])
    assert final_bytes(tmp_path / "run") == final_bytes(train(shards, tmp_path / "alone"))


def test_what_fails_is_told_and_the_next_is_done(worker, shards, tmp_path):
    (tmp_path / "taken").write_text("something else")
    worker.give(task(shards, tmp_path / "taken"))
    said = heard(worker, "failed")
    assert said["kind"] == "RunError"
    assert "holds no run" in said["reason"]
    assert "Traceback" in said["log"]
    worker.give(task(shards, tmp_path / "run"))
    heard(worker, "done")


def test_speed_is_measured(worker):
    execution = ExecutionConfig(device="cpu", threads=1)
    worker.give(Measurement(ModelConfig(cell="rnn", hidden=8), execution).to_json() | {"threads": 1})
    costs = heard(worker, "measured")["costs"]
    assert set(costs) == {"training", "prediction", "generation"}
    assert all(sum(cost.values()) > 0 for cost in costs.values())


def test_a_run_that_another_process_still_trains_is_waited_for(worker, shards, tmp_path):
    train(shards, tmp_path / "run", training=TrainingConfig(epochs=1))
    (tmp_path / "run/summary.json").unlink()
    with only_here(tmp_path / "run"):
        worker.give(task(shards, tmp_path / "run", training=TrainingConfig(epochs=1)))
        time.sleep(1.5)
        assert not [said for said in worker.messages() if said["say"] in ("failed", "done")]
    heard(worker, "done")


def test_asked_to_stop_it_leaves_a_checkpoint_and_killed_it_goes_on_to_the_same_bytes(shards, tmp_path):
    long = TrainingConfig(epochs=40)
    stopped = LocalWorker(1)
    stopped.give(task(shards, tmp_path / "run", training=LONG))
    until(lambda: has_made(stopped, 5))
    assert stopped.seconds_of_work() > 0
    stopped.stop()
    assert until(stopped.ended) == "its process ended with exit status 130"
    assert list((tmp_path / "run/checkpoints").glob("update-*"))
    stopped.close()

    killed = LocalWorker(1)
    killed.give(task(shards, tmp_path / "killed", training=long))
    until(lambda: has_made(killed, 20))
    killed.kill()
    assert "SIGKILL" in killed.ended()
    killed.close()
    train(shards, tmp_path / "killed", training=long)
    assert final_bytes(tmp_path / "killed") == final_bytes(train(shards, tmp_path / "alone", training=long))


def test_none_outlives_its_scheduler(shards, tmp_path):
    given = json.dumps(task(shards, tmp_path / "run", training=LONG))
    code = f"""
import sys, time
sys.path[:0] = {sys.path!r}
from longsong.scheduling.workers import LocalWorker
worker = LocalWorker(1)
import json
worker.give(json.loads({given!r}))
while not [one for one in worker.messages() if one.get("unit") == "updates" and one["done"] > 5]:
    time.sleep(0.02)
print(worker.pid, flush=True)
time.sleep(1000)
"""
    scheduler = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pid = int(scheduler.stdout.readline())
    scheduler.send_signal(signal.SIGKILL)
    scheduler.wait()
    scheduler.stdout.close()
    until(lambda: not _lives(pid))
    assert list((tmp_path / "run/checkpoints").glob("update-*"))
    assert not (tmp_path / "run/summary.json").exists()  # it stopped, and did not go on to its end
    with only_here(tmp_path / "run"):
        pass  # nobody holds it any more


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return " Z " not in Path(f"/proc/{pid}/stat").read_text().replace(")", ") ")


def test_the_end_of_what_it_writes_is_kept(monkeypatch):
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")  # a line on standard error for each import
    writes = LocalWorker(1)
    heard(writes, "ready")
    writes.give({"task": "run", "threads": 1})
    assert heard(writes, "failed")["reason"] == "KeyError: 'shards'"
    log = writes.log()
    assert "import time:" in log
    assert len(log) == 20_000
    writes.close()
    assert writes.ended() == "its process ended with exit status 0"
