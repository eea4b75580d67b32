"""A run's own files: what was asked for (`config.json`) and what came of it (`summary.json`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longsong.config import DataConfig, ExecutionConfig, ModelConfig, TrainingConfig
from longsong.errors import CheckpointError, RunError
from longsong.fields import CONFIG, SUMMARY, require
from longsong.files import read_json, write_json

__all__ = ["LOG", "RunRecord", "read_record", "read_summary", "write_summary"]

LOG = "log.txt"
"""The traceback of a run's last failure, in its folder."""

_CONFIG, _SUMMARY, _VERSION = "longsong.run", "longsong.summary", 1


@dataclass(frozen=True)
class RunRecord:
    """What is written at a run's first start, and kept.

    Attributes
    ----------
    song : mapping
        Name, shards, digest, length, rate, statistics, and the `scale` and `offset` of the samples.
    data : DataConfig
        With the number of train samples filled in.
    counts : mapping
        `hop`, `train_examples`, `dev_examples`, `updates_per_epoch`.
    model, training : ModelConfig, TrainingConfig
    parameters : int
        Their number.
    execution : ExecutionConfig
        As chosen: no ``auto``, and no None.
    machine : mapping
        `device_name`, `torch`.
    made_by : mapping
        `longsong` (version) and `command`.
    """

    song: Mapping[str, Any]
    data: DataConfig
    counts: Mapping[str, int]
    model: ModelConfig
    training: TrainingConfig
    parameters: int
    execution: ExecutionConfig
    machine: Mapping[str, str]
    made_by: Mapping[str, Any]

    def write(self, run: Path) -> None:
        """Write ``config.json`` into the folder of the run."""
        write_json(
            run / "config.json",
            {
                "format": _CONFIG,
                "version": _VERSION,
                "song": dict(self.song),
                "data": self.data.to_json() | dict(self.counts),
                "model": self.model.to_json() | {"parameters": self.parameters},
                "training": self.training.to_json(),
                "execution": self.execution.to_json() | dict(self.machine),
                "made_by": dict(self.made_by),
            },
            sealed=True,
        )

    def refuse_another(self, asked: RunRecord, run: Path) -> None:
        """Raise `CheckpointError` if the run in folder `run` is not what is asked for."""
        there, here = self._identity(), asked._identity()
        odd = [name for name in here if there[name] != here[name]]
        if odd:
            name = odd[0]
            raise CheckpointError(
                f"{run} holds a run with {name} {there[name]!r}, and {name} {here[name]!r} is asked for; "
                "give another --out, or remove that folder"
            )

    def _identity(self) -> dict[str, Any]:
        return {
            "song digest": self.song["digest"],
            **self.data.to_json(),
            **self.model.to_json(),
            **self.training.to_json(),
        }


def read_record(run: Path) -> RunRecord:
    """Read a run's ``config.json``.

    Raises
    ------
    RunError
        It is missing, cut short, altered, or written by a newer version.
    """
    path = run / "config.json"
    found = read_json(path, _CONFIG, _VERSION)
    require(found, CONFIG, str(path))
    try:
        data, execution = found["data"], found["execution"]
        return RunRecord(
            song=found["song"],
            data=DataConfig.from_json(data),
            counts={k: data[k] for k in ("hop", "train_examples", "dev_examples", "updates_per_epoch")},
            model=ModelConfig.from_json(found["model"]),
            training=TrainingConfig.from_json(found["training"]),
            parameters=found["model"]["parameters"],
            execution=ExecutionConfig.from_json(execution),
            machine={k: execution[k] for k in ("device_name", "torch")},
            made_by=found["made_by"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path} is altered ({error}); train the run again") from error


def write_summary(run: Path, summary: Mapping[str, Any]) -> None:
    """Write ``summary.json``, by which a run's training is known to be complete."""
    write_json(run / "summary.json", {"format": _SUMMARY, "version": _VERSION, **summary}, sealed=True)


def read_summary(run: Path) -> dict[str, Any] | None:
    """Read ``summary.json``; None where training is not complete. Raises as `read_record`."""
    path = run / "summary.json"
    if not path.exists():
        return None
    found = read_json(path, _SUMMARY, _VERSION)
    require(found, SUMMARY, str(path))
    return found
