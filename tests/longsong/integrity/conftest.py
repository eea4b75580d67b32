"""A run that is complete and was heard, and one that was stopped; to be copied before they are damaged."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from training_runs import config

import longsong
from longsong.generated import generate_into
from longsong.generating import Generating


class _StoppedError(Exception):
    """The power failed."""


@pytest.fixture(scope="session")
def complete_run(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = longsong.train(config(shards, tmp_path_factory.mktemp("runs") / "whole"), quiet=True)
    generate_into(longsong.load_run(run), how=Generating(0.5), quiet=True)
    return run


@pytest.fixture(scope="session")
def stopped_run(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of four epochs, with the checkpoints of both."""
    run = tmp_path_factory.mktemp("runs") / "stopped"

    def stop(epoch: int) -> None:
        if epoch == 2:
            raise _StoppedError

    with pytest.raises(_StoppedError):
        longsong.train(config(shards, run), quiet=True, on_epoch=stop, keep_checkpoints=2)
    return run


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Path], Path]:
    return lambda run: shutil.copytree(run, tmp_path / "runs" / "run")
