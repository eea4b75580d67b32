"""The commands that make a run again, from what its ``config.json`` says of it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from longsong.config import DataConfig, ExecutionConfig, ModelConfig, RunConfig, TrainingConfig

__all__ = ["commands_of", "configured"]

_LEFT_OUT = {
    "data": {"example_shift", "mean_shift"},
    "model": {"recurrence", "named_forget_bias"},
    "training": {"bare_resume"},
    "execution": {"elementwise", "memory"},
}
"""What is of ``--as-coded``; and what is chosen by itself, with the pieces of work that follow from it given."""
_OPTIONS = {"form": "recurrence"}
"""Options that have another name than their setting."""


def configured(config: Mapping[str, Any]) -> RunConfig:
    """Give what a run was asked to be, from its ``config.json``.

    Raises
    ------
    ConfigError
        The configuration cannot be.
    """
    return RunConfig(
        shards=config["song"]["shards"],
        data=DataConfig.from_json(config["data"]),
        model=ModelConfig.from_json(config["model"]),
        training=TrainingConfig.from_json(config["training"]),
        execution=ExecutionConfig.from_json(config["execution"]),
    )


def commands_of(run: RunConfig, name: str) -> list[str]:
    """Give the commands that train a run and generate from it.

    With the same versions on the same kind of machine they give the same bytes (on CUDA with ``--deterministic``): all
    that was chosen at the first start (threads, pieces, device) is among the options. What `longsong reproduce` made is
    made again by these alone.

    Parameters
    ----------
    run : RunConfig
        As `configured` gives it.
    name : str
        The run's.

    Returns
    -------
    list of str
        For a shell, quoted.
    """
    words = ["longsong", "train", str(run.shards), "--frame", str(run.data.frame), "--seq", str(run.data.seq)]
    defaults = {"data": DataConfig(run.data.frame, run.data.seq), "model": ModelConfig(),
                "training": TrainingConfig(), "execution": ExecutionConfig()}  # fmt: skip
    for section, default in defaults.items():
        of = getattr(run, section)
        for field in fields(of):
            value = getattr(of, field.name)
            if field.name not in _LEFT_OUT[section] and value != getattr(default, field.name):
                option = f"--{_OPTIONS.get(field.name, field.name).replace('_', '-')}"
                words += [option] if value is True else [option, str(value)]
    if run.as_coded:
        words += ["--as-coded", *run.as_coded]
    folder = str(Path("runs") / name)
    return [shlex.join([*words, "--out", folder]), shlex.join(["longsong", "generate", folder])]
