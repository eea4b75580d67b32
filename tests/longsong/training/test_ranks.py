"""One run over several processes that `torchrun` starts: the numbers of one process, whoever shares and is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from safetensors.numpy import load_file

import longsong
import streams
from longsong import DataConfig, ExecutionConfig, ModelConfig, RunConfig, TrainingConfig
from longsong.cli import main
from longsong.config import Cell, Precision
from longsong.errors import ConfigError, RanksError
from longsong.model import Network
from longsong.training import ranks as ranks_module
from longsong.training.plan import Plan
from longsong.training.preparation import verify_song
from longsong.training.profiling import UpdateProfile, format_profile
from longsong.training.ranked import RankedGradient
from longsong.training.ranks import Ranks, ranks_of_environment
from longsong.training.record import read_summary

FRAME, SEQ, BATCH, EPOCHS = 20, 5, 50, 5
ROOT = Path(longsong.__file__).parents[2]


def words(shards: Path, out: Path, cell: Cell = "gru", precision: Precision = "float64", epochs: int = EPOCHS):
    shape = ["--frame", FRAME, "--seq", SEQ, "--batch", BATCH, "--hidden", 8, "--epochs", epochs, "--cell", cell]
    return [
        *map(str, ["train", shards, *shape, "--precision", precision, "--device", "cpu", "--threads", 1, "--out", out])
    ]


def start(ranks: int, command: list[str]) -> subprocess.Popen[str]:
    """Start ranks as a user does, in a group of processes of their own."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    return subprocess.Popen(
        [*launch, "-m", "longsong", *command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def together(ranks: int, command: list[str]) -> str:
    process = start(ranks, command)
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return said


def alone(config: RunConfig) -> Path:
    return longsong.train(config, quiet=True)


def config_of(shards: Path, out: Path, cell: Cell = "gru", precision: Precision = "float64") -> RunConfig:
    return RunConfig(
        shards,
        DataConfig(FRAME, SEQ, batch=BATCH),
        ModelConfig(cell=cell, hidden=8),
        TrainingConfig(epochs=EPOCHS),
        ExecutionConfig(device="cpu", threads=1, precision=precision),
        out,
    )


def tensors(run: Path) -> dict[str, np.ndarray]:
    """Give parameters and, of each, the running mean of squared gradients, which stands for all gradients."""
    (folder,) = (run / "checkpoints").glob("update-*")
    files = ("parameters.safetensors", "optimiser.safetensors")
    return {f"{file}: {name}": tensor for file in files for name, tensor in load_file(folder / file).items()}


def lines(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def assert_same(run: Path, other: Path, tolerance: float) -> None:
    """Per tensor, and every cost; whatever is no sum of floating-point numbers to the bit."""
    found, expected = tensors(run), tensors(other)
    assert found.keys() == expected.keys()
    for name in expected:
        assert np.abs(found[name] - expected[name]).max() <= tolerance * np.abs(expected[name]).max(), name
    for one, two in zip(lines(run), lines(other), strict=True):
        for key in ("kind", "update", "epoch", "examples", "indices_sha256", "learning_rate", "best"):
            assert one.get(key) == two.get(key)
        for key in ("train_cost", "dev_cost", "step_norm", "gradient_norm"):
            if one.get(key) is not None:
                assert one[key] == pytest.approx(two[key], rel=max(tolerance, 1e-12))


@pytest.fixture(scope="module")
def single(shards, tmp_path_factory):
    return alone(config_of(shards, tmp_path_factory.mktemp("single") / "run"))


def test_there_are_updates_enough_to_tell(single):
    updates = [line for line in lines(single) if line["kind"] == "update"]
    assert len(updates) >= 20
    assert updates[-1]["examples"] % 3, "the last mini-batch of an epoch is to be uneven"


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_compute_what_one_process_does(single, shards, tmp_path, ranks):
    run = tmp_path / "run"
    assert together(ranks, words(shards, run)).split() == [str(run)]
    assert_same(run, single, 1e-12)
    assert read_summary(run)["best"]["epoch"] == read_summary(single)["best"]["epoch"]
    # One of them writes; names of event files hold time and process.
    names = [sorted(path.name.partition(".tfevents.")[0] for path in one.iterdir()) for one in (run, single)]
    assert names[0] == names[1]


def test_in_float32_too(shards, tmp_path):
    expected = alone(config_of(shards, tmp_path / "alone", "lstm", "float32"))
    together(2, words(shards, tmp_path / "run", "lstm", "float32"))
    assert_same(tmp_path / "run", expected, 1e-4)


@pytest.mark.parametrize("killed", [0, 2])
def test_a_rank_is_killed_all_stop_and_others_go_on(single, shards, tmp_path, killed):
    run = tmp_path / "run"
    long = words(shards, run, epochs=EPOCHS)
    slow = start_slowly(3, long, run)
    wait_for(lambda: len(list((run / "checkpoints").glob("update-*"))) and updates_in(run) >= 9, slow)
    workers = ranks_of(slow)
    workers[killed].kill()
    _, errors = slow.communicate(timeout=60)
    assert slow.returncode != 0
    said = [line for line in errors.splitlines() if line.startswith("longsong: ")]
    assert said == [
        "longsong: another process of this run has gone; start all of them again with the same command, and it goes on "
        "from the last checkpoint"
    ]
    assert not [child for child in workers.values() if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert read_summary(run) is None
    together(2, long)
    assert_same(run, single, 1e-12)


def start_slowly(ranks: int, command: list[str], run: Path) -> subprocess.Popen[str]:
    """Start ranks of which each update takes a while, so that there is one to be killed in."""
    script = run.parent / "slowly.py"
    script.write_text(
        "import sys, time\n"
        "from longsong.training import ranked, monitors\n"
        "monitors._SECONDS_BETWEEN_WRITES = 0.0\n"
        "add = ranked.RankedGradient.cost_and_gradient\n"
        "def slowly(self, *a):\n"
        "    time.sleep(0.1)\n"
        "    return add(self, *a)\n"
        "ranked.RankedGradient.cost_and_gradient = slowly\n"
        "from longsong.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    return subprocess.Popen(
        [*launch, str(script), *command],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ranks_of(torchrun: subprocess.Popen[str]) -> dict[int, psutil.Process]:
    return {
        int(child.environ()["RANK"]): child
        for child in psutil.Process(torchrun.pid).children(recursive=True)
        if "RANK" in child.environ() and "WORLD_SIZE" in child.environ()
    }


def updates_in(run: Path) -> int:
    return sum(line["kind"] == "update" for line in lines(run)) if (run / "metrics.jsonl").exists() else 0


def wait_for(seen, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not seen():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_asked_to_stop_all_stop_after_the_same_update(single, shards, tmp_path):
    run = tmp_path / "run"
    slow = start_slowly(2, words(shards, run), run)
    wait_for(lambda: updates_in(run) >= 9, slow)
    os.killpg(slow.pid, signal.SIGINT)
    _, errors = slow.communicate(timeout=60)
    assert slow.returncode != 0
    said = [line for line in errors.splitlines() if line.startswith("longsong: ")]
    assert len(said) == 1, errors  # by the first alone
    assert said[0].startswith("longsong: stopped after update")
    stopped_at = max(int(path.name.removeprefix("update-")) for path in (run / "checkpoints").glob("update-*"))
    assert 9 <= stopped_at < max(line["update"] for line in lines(single))
    assert main(words(shards, run)) == 0  # by one process
    assert_same(run, single, 1e-12)


@pytest.mark.parametrize("how", ["told twice", "orphaned"])
def test_who_waits_for_a_rank_that_hangs_can_be_ended(shards, tmp_path, how):
    run = tmp_path / "run"
    slow = start_slowly(2, words(shards, run), run)
    wait_for(lambda: updates_in(run) >= 3, slow)
    first, hanging = (ranks_of(slow)[rank] for rank in (0, 1))
    hanging.suspend()
    try:
        if how == "orphaned":
            slow.kill()
        else:
            first.terminate()
            with pytest.raises(psutil.TimeoutExpired):  # noted, and the update is waited for
                first.wait(timeout=1)
            first.terminate()
        first.wait(timeout=30)
    finally:
        for process in (first, hanging):
            if process.is_running():
                process.kill()
    _, errors = slow.communicate(timeout=60)
    said = [line for line in errors.splitlines() if line.startswith("longsong: ")]
    assert len(said) == 1, errors
    assert ("stopped at once" if how == "told twice" else "torchrun) has gone, while one of them waited for") in said[0]


class Work:
    """A sum that torch adds up meanwhile: looked at so often before it is there."""

    def __init__(self, looks: float) -> None:
        self.looks, self.waits = looks, []

    def is_completed(self) -> bool:
        self.looks -= 1
        return self.looks < 0

    def wait(self, timeout=None):
        self.waits.append(timeout)
        if self.looks >= 0:
            raise RuntimeError("Operation timed out!")


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_sum_is_waited_for_to_its_end(monkeypatch, device):
    work = Work(5)
    monkeypatch.setattr(ranks_module.dist, "all_reduce", lambda numbers, async_op: work)
    ranks = Ranks(0, 2, launcher=os.getppid())
    ranks.sum(torch.zeros(2, device=device))
    # Of another device it is only asked, and the wait at the end has the stream of that device wait too.
    assert work.waits == [ranks_module._FIRST_WAIT, None][device != "cpu" :]
    assert not ranks.unfinished


@pytest.mark.parametrize(
    ("launcher", "named"),
    [
        (None, "the gradient of the other processes of this run did not come within 50 ms"),
        (-1, "process -1, torchrun. has gone, while one of them waited for the gradient"),
    ],
)
def test_what_never_comes_is_named(monkeypatch, launcher, named):
    monkeypatch.setattr(ranks_module.dist, "all_reduce", lambda numbers, async_op: Work(float("inf")))
    monkeypatch.setattr(ranks_module, "_LONGEST_WAIT", 0.05)
    monkeypatch.setattr(ranks_module, "_SECONDS_BEFORE_DOUBT", 0.01)
    ranks = Ranks(0, 2, launcher=launcher)
    with pytest.raises(RanksError, match=named):
        ranks.sum(torch.zeros(2), "the gradient")
    assert ranks.unfinished
    with pytest.raises(RanksError, match="an earlier sum was left unfinished"):
        ranks.sum(torch.zeros(2))


def test_only_what_torchrun_started_ends_with_its_parent(monkeypatch):
    monkeypatch.setattr(ranks_module.dist, "init_process_group", lambda *a, **k: None)
    monkeypatch.setattr(ranks_module.dist, "destroy_process_group", lambda: None)
    environment = {
        "WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29400",
    }  # fmt: skip
    with ranks_of_environment(environment) as ranks:
        assert ranks.launcher is None
    with ranks_of_environment(environment | {"TORCHELASTIC_RUN_ID": "none"}) as ranks:
        assert ranks.launcher == os.getppid()


def test_over_the_mini_batch_examples_cannot_be_shared(shards, tmp_path):
    config = RunConfig(shards, DataConfig(FRAME, SEQ), ModelConfig(hidden=4, recurrence="batch"), out=tmp_path / "run")
    with pytest.raises(ConfigError, match="2 processes would share them; train with one"):
        longsong.train(config, quiet=True, ranks=Ranks(0, 2))
    assert not (tmp_path / "run").exists()


def test_an_environment_that_torchrun_did_not_make_is_named():
    for environment in ({}, {"WORLD_SIZE": "1", "MASTER_ADDR": "x"}, {"WORLD_SIZE": "4"}):
        with ranks_of_environment(environment) as ranks:
            assert (ranks.rank, ranks.size, ranks.first) == (0, 1, True)
    broken = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "RANK": "0"}
    whole = broken | {"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2", "MASTER_PORT": "29400"}
    for name, value in (
        ("WORLD_SIZE", "abc"), ("WORLD_SIZE", "0"), ("RANK", "2"), ("RANK", "-1"), ("LOCAL_RANK", ""),
        ("LOCAL_WORLD_SIZE", "0"), ("LOCAL_WORLD_SIZE", "3"), ("MASTER_PORT", "99999"), ("MASTER_PORT", ""),
    ):  # fmt: skip
        with (
            pytest.raises(ConfigError, match=f"{name} is '{value}', where"),
            ranks_of_environment(whole | {name: value}),
        ):
            pass


class Sums(Ranks):
    """Two ranks in one process: what the other has is added."""

    def __init__(self, other: list[torch.Tensor]) -> None:
        super().__init__(0, 2)
        self.other = other

    def sum(self, numbers: torch.Tensor, what: str = "") -> None:
        numbers += self.other.pop(0)


class Form:
    """A form whose costs and gradients are the sums of its inputs."""

    def cost_and_gradient(self, parameters, inputs, targets):
        return float(inputs.mean()), inputs.mean() * torch.ones_like(parameters)

    def cost(self, parameters, inputs, targets):
        return float(inputs.mean())

    def costs(self, parameters, inputs, targets, sizes):
        return [float(part.mean()) for part in inputs.split(list(sizes))]


@pytest.mark.parametrize("asked", [False, True])
def test_a_rank_without_rows_gets_what_the_others_have(asked):
    parameters, empty = torch.zeros(3), torch.empty(0, 2, 2)
    other = torch.tensor([6.0, 6.0, 6.0, 6.0, 2.0, float(asked)])
    form = RankedGradient(Form(), Sums([other]), lambda: False)
    cost, gradient = form.cost_and_gradient(parameters, empty, empty)
    assert (cost, gradient.tolist(), form.stopped) == (3.0, [3.0] * 3, asked)
    form = RankedGradient(Form(), Sums([torch.tensor([[2.0, 1.0], [10.0, 2.0]], dtype=torch.float64)]), lambda: False)
    own = torch.full((1, 2, 2), 4.0)
    assert form.costs(parameters, own, own, [1, 0]) == [3.0, 5.0]


def test_waiting_for_the_others_is_a_section_of_the_profile(monkeypatch):
    profile = UpdateProfile()
    monkeypatch.setattr(Sums, "sum", lambda self, numbers, what: time.sleep(0.01) or numbers.add_(1))
    form = RankedGradient(Form(), Sums([]), lambda: False, profile)
    own = torch.full((1, 2, 2), 4.0)
    form.cost_and_gradient(torch.zeros(3), own, own)
    profile.count(1)
    assert list(profile.seconds) == ["other ranks"]
    assert profile.seconds["other ranks"] >= 0.01
    network = Network(ModelConfig(cell="rnn", hidden=8, layers=1), 8)
    table = format_profile(profile, network, ExecutionConfig(device="cpu"), Plan(8, 5, 4, 5, {}))
    assert f"\n{'other ranks':<32}{profile.seconds['other ranks']:>10.5f}" in table


def test_the_first_is_waited_for_while_it_gives_signs():
    other = [torch.ones(1), torch.ones(1), torch.zeros(1), torch.ones(1)]
    Sums(other).wait()
    assert len(other) == 1
    with pytest.raises(RanksError, match="refused it, and says why") as error:
        Sums([torch.ones(1), torch.full((1,), 2.0)]).wait()
    assert error.value.said


def test_signs_are_given_now_and_then_while_a_song_is_verified(shards, monkeypatch):
    clock, told = iter(range(0, 10_000, 25)), []
    monkeypatch.setattr("longsong.training.ranks.time", SimpleNamespace(monotonic=lambda: next(clock)))
    first = Sums([])
    monkeypatch.setattr(first, "sum", lambda numbers, what: told.append(numbers.item()))
    song = streams.Song.open(shards)
    monkeypatch.setattr(song, "verify", lambda progress: [progress(samples) for samples in range(10)])
    with first.leading():
        verify_song(song, first, quiet=True)
        assert told == [1.0] * 3  # of ten, 25 s after each other, one as soon as there was none for a minute
        first.go_on()
    assert told == [1.0] * 3 + [0.0]


def test_what_the_first_refuses_the_others_leave(monkeypatch):
    told, first = [], Sums([])
    monkeypatch.setattr(first, "sum", lambda numbers, what: told.append(numbers.item()))
    with pytest.raises(ConfigError), first.leading():
        raise ConfigError("no")
    assert told == [2.0]

    def fail_later():
        first.go_on()
        raise ConfigError("the others are at work, and find out by themselves")

    with pytest.raises(ConfigError), first.leading():
        fail_later()
    assert told == [2.0, 0.0]


@pytest.mark.parametrize("out", ["refused", "nowhere"])
def test_a_refusal_is_said_once(shards, tmp_path, out):
    alone(config_of(shards, tmp_path / "refused"))
    (tmp_path / "refused/summary.json").unlink()
    asked = words(shards if out == "refused" else tmp_path / "none", tmp_path / out)
    asked[asked.index("--hidden") + 1] = "9"
    process = start(3, asked)
    _, errors = process.communicate(timeout=120)
    said = [line for line in errors.splitlines() if line.startswith("longsong: ")]
    assert len(said) == 1, errors
    assert ("holds a run with hidden 8" if out == "refused" else "none") in said[0]
    assert not (tmp_path / out / ".ranks-gone.part").exists()
