"""The process that trains one run: ``python -m benchmarks.train_run REQUEST``, a JSON object; one line of JSON back.

The run is trained as `longsong train` does it, from shards to checkpoints. The line says the most memory that the
process had, what it was expected to have, and when each update and each evaluation began and ended.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

from benchmarks.noise import write_noise
from benchmarks.processes import ROOT, BenchmarkError, child_environment

__all__ = ["main", "noise_song", "train_apart"]

SAMPLE_RATE = 16_000


def noise_song(folder: Path, samples: int) -> Path:
    """Write a song of noise, and give the folder of its shards.

    Parameters
    ----------
    folder : Path
        Exists; the song is put into it.
    samples : int
    """
    import numpy as np

    from streams import ShardWriter

    raw, shards = folder / "noise.i16", folder / f"noise-{samples}"
    write_noise(raw, samples)
    made_by = {"command": ["python", "-m", "benchmarks.train"]}
    with ShardWriter(shards, sample_rate=SAMPLE_RATE, source=[], made_by=made_by) as writer:
        writer.write(np.memmap(raw, dtype="<i2", mode="r"))
    raw.unlink()
    return shards


def train_apart(request: Mapping[str, Any], at_most: float | None = None) -> dict[str, Any]:
    """Train a run in a process of its own.

    Parameters
    ----------
    request : mapping
        ``shards``, ``out``; ``frame``, ``seq``, ``train_samples`` (None: as in 2016); ``cell``, ``hidden``;
        ``epochs``; ``memory`` (bytes; None: the trainer's own choice).
    at_most : float, optional
        Seconds after which it is ended.

    Returns
    -------
    dict
        ``peak`` and ``estimate``, bytes; ``plan``, words; ``updates`` and ``evaluations``, lists of the seconds at
        which each began and ended.

    Raises
    ------
    BenchmarkError
        It failed, with its last words; or took too long.
    """
    # The libraries' threads are the trainer's to set, as for a user; its command line sets how they wait.
    environment = {name: value for name, value in child_environment().items() if not name.endswith("_NUM_THREADS")}
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", "3000")
    command = [sys.executable, "-m", "benchmarks.train_run", json.dumps(dict(request))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=at_most)
    except subprocess.TimeoutExpired as error:
        raise BenchmarkError(f"ended after {at_most:.0f} s") from error
    if done.returncode:
        words = done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"]
        raise BenchmarkError(words[-1])
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Serve one request."""
    from longsong.training import train, trainer
    from longsong.training.updater import Updater

    class Watched(Updater):
        """Notes when each update and each evaluation begins and ends."""

        spans: ClassVar[dict[str, list[tuple[float, float]]]] = {"updates": [], "evaluations": []}

        def update(self, inputs: Any, targets: Any) -> Any:
            begun = time.perf_counter()
            done = super().update(inputs, targets)
            self.spans["updates"].append((begun, time.perf_counter()))
            return done

        def evaluate(self, batches: Iterable[Any]) -> Any:
            begun = time.perf_counter()
            done = super().evaluate(batches)
            self.spans["evaluations"].append((begun, time.perf_counter()))
            return done

    config = _config(json.loads(sys.argv[1]))
    plan = _plan(config)
    with mock.patch.object(trainer, "Updater", Watched):
        train(config, command=sys.argv, quiet=True)
    answer = {"peak": _peak_bytes(), "estimate": plan.bytes, "plan": plan.describe(), **Watched.spans}
    sys.stdout.write(json.dumps(answer) + "\n")


def _config(request: Mapping[str, Any]) -> Any:
    from longsong.config import DataConfig, ExecutionConfig, ModelConfig, RunConfig, TrainingConfig

    return RunConfig(
        Path(request["shards"]),
        DataConfig(request["frame"], request["seq"], train_samples=request["train_samples"]),
        ModelConfig(request["cell"], request["hidden"]),
        TrainingConfig(epochs=request["epochs"]),
        ExecutionConfig(device="cpu", memory=request["memory"]),
        out=Path(request["out"]),
    )


def _plan(config: Any) -> Any:
    """Give the plan that the trainer is about to make."""
    from longsong.model import Network
    from longsong.training.plan import plan_of
    from longsong.training.preparation import record_of, work_of
    from longsong.training.splits import Splits

    splits, network = Splits.open(config.shards, config.data), Network(config.model, config.data.frame)
    record = record_of(config, splits, network, sys.argv)
    return plan_of(record.data, network, record.execution, work_of(splits, config.training.epochs))


def _peak_bytes() -> int:
    """Give the most resident memory that this process ever had (VmHWM of proc(5)), in bytes."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{os.getpid()}/status").read_text(), flags=re.MULTILINE)
    if found is None:
        raise BenchmarkError("this system does not say VmHWM: the memory is measured on Linux alone")
    return int(found[1]) * 1024


if __name__ == "__main__":
    main()
