"""A run that is complete and was heard, and one that was stopped; to be copied before they are damaged."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from kept_checkpoints import train_and_keep_all
from training_runs import train_and_generate, train_until


@pytest.fixture(scope="session")
def complete_run(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_and_generate(shards, tmp_path_factory.mktemp("runs") / "whole", 0.5)


@pytest.fixture(scope="session")
def stopped_run(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of four epochs, with the checkpoints of both."""
    return train_until(shards, tmp_path_factory.mktemp("runs") / "stopped", 2, keep_checkpoints=2)


@pytest.fixture(scope="session")
def run_with_all(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Complete and heard, with the checkpoints of all four epochs."""
    return train_and_keep_all(shards, tmp_path_factory.mktemp("runs") / "all")


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Path], Path]:
    return lambda run: shutil.copytree(run, tmp_path / "runs" / "run")
