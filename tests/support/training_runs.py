"""Small runs, and what of them must not depend on when they were stopped."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import longsong
from longsong import DataConfig, ExecutionConfig, ModelConfig, RunConfig, TrainingConfig
from longsong.config import Precision
from longsong.files import sha256_of
from longsong.generated import generate_into
from longsong.generating import Generating

CPU = ExecutionConfig(device="cpu", threads=1)


def config(shards: Path, out: Path, **changes) -> RunConfig:
    base = RunConfig(
        shards,
        DataConfig(20, 5),
        ModelConfig(hidden=8),
        TrainingConfig(epochs=4),
        CPU,
        out,
    )
    return replace(base, **changes)


def train(shards: Path, out: Path, **changes) -> Path:
    return longsong.train(config(shards, out, **changes), quiet=True)


def train_to_be_heard(shards: Path, out: Path, precision: Precision = "float64") -> Path:
    """Train for an epoch, from weights so large that predictions do not fade."""
    execution = replace(CPU, precision=precision)
    return train(
        shards, out, model=ModelConfig(hidden=8, init_width=0.5), training=TrainingConfig(epochs=1), execution=execution
    )


def train_and_generate(shards: Path, out: Path, seconds: float) -> Path:
    """Train to the end, and generate so many seconds into the run's folder."""
    run = train(shards, out)
    generate_into(longsong.load_run(run), how=Generating(seconds), quiet=True)
    return run


class _StoppedError(Exception):
    """The power failed."""


def train_until(shards: Path, out: Path, epochs: int, *, keep_checkpoints: int = 1) -> Path:
    """Train until so many epochs are complete, and stop there without a word."""

    def stop(epoch: int) -> None:
        if epoch == epochs:
            raise _StoppedError

    with suppress(_StoppedError):
        longsong.train(config(shards, out), quiet=True, on_epoch=stop, keep_checkpoints=keep_checkpoints)
        raise AssertionError(f"{out} was complete before epoch {epochs}")
    return out


def final_bytes(run: Path) -> dict[str, str]:
    """Give the digests of everything that must not depend on when a run was killed."""
    (newest,) = run.glob("checkpoints/update-*")
    files = [newest / "parameters.safetensors", newest / "optimiser.safetensors", run / "checkpoints/best.safetensors"]
    return {file.name: sha256_of(file) for file in files}


def metrics_without_times(run: Path) -> list[dict]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if not k.endswith("seconds")} for line in lines]
