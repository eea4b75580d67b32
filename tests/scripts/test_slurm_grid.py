"""The batch script for SLURM: its syntax, and its body beside a SLURM that is acted."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from longsong.cli import _parser
from longsong.config import DataConfig, ModelConfig, RunConfig
from longsong.reported import post_configurations

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "slurm-grid.sbatch"


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """Give the environment of a job: `srun` runs a command here, `scontrol` writes down what it is asked."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, body in {
        "srun": '[ "$2" = "--cpus-per-task=${SLURM_CPUS_PER_TASK:-1}" ] || exit 9; shift 2; exec "$@"',
        "scontrol": f'echo "$@" >> {tmp_path}/asked',
    }.items():
        path = programs / name
        path.write_text(f"#!/usr/bin/env bash\n{body}\n")
        path.chmod(0o755)
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
        "LONGSONG_PYTHON": sys.executable,
        "SLURM_SUBMIT_DIR": str(tmp_path),
        "SLURM_JOB_ID": "107",
        "HOME": str(tmp_path),
    }


def acted_python(folder: Path, body: str) -> str:
    """Make a Python that says the commands of longsong that it is given, and does something else instead."""
    path = folder / "python"
    path.write_text(
        f'#!/usr/bin/env bash\nif [ "$1" = - ]; then exec {sys.executable} "$@"; fi\n'
        f'printf "%q " "$@" >> {folder}/done\necho >> {folder}/done\n{body}\n'
    )
    path.chmod(0o755)
    return str(path)


def submit(slurm: dict[str, str], *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(SCRIPT), *words], env=slurm | more, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_syntax():
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", str(SCRIPT)], check=True)
    directives = [line for line in SCRIPT.read_text().splitlines() if line.startswith("#SBATCH")]
    assert {"--requeue", "--signal=B:USR1@300", "--open-mode=append"} <= {line.split()[1] for line in directives}
    # sbatch reads none behind the first command
    assert SCRIPT.read_text().index("\nset -") > SCRIPT.read_text().rindex("\n#SBATCH")


@pytest.mark.parametrize(("number", "ranks"), [(0, "1"), (38, "8"), (69, "1")])
def test_a_task_is_a_configuration_of_the_grid(slurm, number, ranks):
    done = submit(
        slurm, "run", "--dry-run", "the shards", "runs", "--epochs", "2",
        SLURM_ARRAY_TASK_ID=str(number), SLURM_ARRAY_JOB_ID="100", SLURM_GPUS_ON_NODE=ranks,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    train, generate = (shlex.split(line) for line in done.stdout.splitlines())
    c = post_configurations()[number]
    name = RunConfig(Path(), DataConfig(c.frame, c.seq), ModelConfig(hidden=c.hidden)).name
    assert (train[0], "torch.distributed.run" in train) == (sys.executable, ranks != "1")
    asked = _parser().parse_args(train[train.index("longsong") + 1 :])
    assert (str(asked.shards), asked.frame, asked.seq, asked.hidden) == ("the shards", c.frame, c.seq, c.hidden)
    assert (str(asked.out), asked.epochs, asked.seed) == (f"runs/{name}", 2, 1)
    assert generate[1:] == ["-m", "longsong", "generate", f"runs/{name}"]
    assert _parser().parse_args(generate[3:])


def test_the_whole_grid_says_what_it_would_do(slurm, tmp_path):
    words = ["--seconds", "10", "--only", "1000x50", "--side-by-side", "1", "--device", "cpu"]
    done = submit(slurm, "reproduce", "--dry-run", *words, "--out", "runs", "--shards", "shards")
    assert done.returncode == 0, done.stderr
    assert "1000x50-gru-199-s1" in done.stdout
    assert "on the disk" in done.stdout
    assert not (tmp_path / "runs").exists()


def test_what_is_done_is_not_done_again(slurm, tmp_path):
    python = acted_python(tmp_path, "")
    task = {"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_JOB_ID": "100", "LONGSONG_PYTHON": python}
    assert submit(slurm, "run", "shards", "runs", **task).returncode == 0
    commands = (tmp_path / "done").read_text().splitlines()
    assert [line.split()[2] for line in commands] == ["train", "generate"]
    run = tmp_path / commands[1].split()[3]
    run.mkdir(parents=True)
    (run / "generated.json").touch()
    assert submit(slurm, "run", "shards", "runs", **task).returncode == 0
    assert [line.split()[2] for line in (tmp_path / "done").read_text().splitlines()] == ["train", "generate", "train"]


@pytest.mark.parametrize(("given", "expected"), [({}, "280"), ({"TORCH_ELASTIC_SHUTDOWN_TIMEOUT": "60"}, "60")])
def test_ranks_have_as_long_to_stop_as_the_job(slurm, tmp_path, given, expected):
    python = acted_python(tmp_path, f'echo "$TORCH_ELASTIC_SHUTDOWN_TIMEOUT" > {tmp_path}/seconds')
    task = {"SLURM_ARRAY_TASK_ID": "0", "SLURM_GPUS_ON_NODE": "8", "LONGSONG_PYTHON": python}
    assert submit(slurm, "run", "shards", "runs", **task, **given).returncode == 0
    assert "torch.distributed.run" in (tmp_path / "done").read_text()
    assert (tmp_path / "seconds").read_text() == f"{expected}\n"
    directive = re.search(r"--signal=B:USR1@(\d+)", SCRIPT.read_text())
    assert 0 < int(expected) < int(directive[1])


@pytest.mark.parametrize(("sent", "again"), [(signal.SIGUSR1, True), (signal.SIGTERM, False)])
def test_a_job_whose_time_is_up_is_queued_again(slurm, tmp_path, sent, again):
    # It stops as longsong does: a while after the signal, with status 130.
    body = "trap 'sleep 0.3; echo stopped; exit 130' TERM\ntouch begun\nfor _ in $(seq 600); do sleep 0.1; done"
    environment = slurm | {
        "SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_JOB_ID": "100", "LONGSONG_PYTHON": acted_python(tmp_path, body),
    }  # fmt: skip
    words = ["bash", str(SCRIPT), "run", "shards", "runs"]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as job:
        until = time.monotonic() + 60
        while not (tmp_path / "begun").exists() and time.monotonic() < until:
            time.sleep(0.05)
        job.send_signal(sent)
        said, _ = job.communicate(timeout=60)
    assert "stopped" in said
    assert job.returncode == 130
    assert (tmp_path / "asked").exists() == again
    if again:
        assert (tmp_path / "asked").read_text() == "requeue 100_3\n"
    assert len((tmp_path / "done").read_text().splitlines()) == 1  # no sound of a run that is not complete


def test_so_is_one_whose_time_is_up_when_a_step_has_just_ended_well(slurm, tmp_path):
    body = "trap '' TERM\nkill -USR1 $PPID\nsleep 0.3\nexit 0"
    task = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_JOB_ID": "100", "LONGSONG_PYTHON": acted_python(tmp_path, body)}
    done = submit(slurm, "run", "shards", "runs", **task)
    assert done.returncode == 130
    assert (tmp_path / "asked").read_text() == "requeue 100_3\n"
    (command,) = (tmp_path / "done").read_text().splitlines()
    assert command.split()[2] == "train"


def test_what_fails_by_itself_is_not_queued_again(slurm, tmp_path):
    done = submit(slurm, "reproduce", "--all", LONGSONG_PYTHON=acted_python(tmp_path, "exit 2"))
    assert done.returncode == 2
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize(
    ("words", "task", "named"),
    [
        ([], "0", "usage"),
        (["train"], "0", "usage"),
        (["run", "shards"], "0", "usage"),
        (["run", "shards", "runs"], None, "--array"),
        (["run", "shards", "runs"], "70", "no number 70"),
    ],
)
def test_bad_input_is_named(slurm, words, task, named):
    done = submit(slurm, *words, **({} if task is None else {"SLURM_ARRAY_TASK_ID": task}))
    assert done.returncode in (1, 2)
    assert named in done.stderr
    assert done.stdout == ""


def test_without_a_set_up_it_says_what_to_do(slurm):
    done = submit(slurm, "reproduce", LONGSONG_PYTHON="/nowhere/python")
    assert done.returncode == 2
    assert "./reproduce.sh" in done.stderr
