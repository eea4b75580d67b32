"""What a worker is asked to do, as plain JSON values: one run from its first update to its sound, or a measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from longsong.config import (
    CacheConfig,
    DataConfig,
    ExecutionConfig,
    ModelConfig,
    RunConfig,
    TrainingConfig,
)

__all__ = ["ENDS", "Measurement", "RunTask", "task_from_json"]

ENDS = frozenset({"done", "failed", "measured"})
"""What a worker says last of a task."""


@dataclass(frozen=True)
class RunTask:
    """A run to be trained, generated from and judged.

    Attributes
    ----------
    config : RunConfig
    command : tuple of str
        The words of the command that asks for it.
    keep_checkpoints : int
        How many of the newest stay while it trains.
    """

    config: RunConfig
    command: tuple[str, ...]
    keep_checkpoints: int = 1

    def to_json(self) -> dict[str, Any]:
        """Give the task as plain JSON values."""
        c = self.config
        sections = {name: getattr(c, name).to_json() for name in ("data", "model", "training", "execution")}
        return {
            "task": "run",
            "shards": str(c.shards),
            **sections,
            "cache": {"folder": None if c.cache.folder is None else str(c.cache.folder), "bytes": c.cache.bytes},
            "out": str(c.folder),
            "command": list(self.command),
            "keep_checkpoints": self.keep_checkpoints,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Give the task that these values describe."""
        shards, cache = values["shards"], values["cache"]
        config = RunConfig(
            shards=shards if "://" in shards else Path(shards),
            data=DataConfig.from_json(values["data"]),
            model=ModelConfig.from_json(values["model"]),
            training=TrainingConfig.from_json(values["training"]),
            execution=ExecutionConfig.from_json(values["execution"]),
            cache=CacheConfig(None if cache["folder"] is None else Path(cache["folder"]), cache["bytes"]),
            out=Path(values["out"]),
        )
        return cls(config, tuple(values["command"]), values["keep_checkpoints"])


@dataclass(frozen=True)
class Measurement:
    """A kind of network whose costs are to be measured, with some threads.

    Attributes
    ----------
    model : ModelConfig
    execution : ExecutionConfig
        With the device, the precision and the threads.
    """

    model: ModelConfig
    execution: ExecutionConfig

    def to_json(self) -> dict[str, Any]:
        """Give the task as plain JSON values."""
        return {"task": "measure", "model": self.model.to_json(), "execution": self.execution.to_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Give the task that these values describe."""
        return cls(ModelConfig.from_json(values["model"]), ExecutionConfig.from_json(values["execution"]))


def task_from_json(values: Mapping[str, Any]) -> RunTask | Measurement:
    """Give the task that plain JSON values describe."""
    return RunTask.from_json(values) if values["task"] == "run" else Measurement.from_json(values)
