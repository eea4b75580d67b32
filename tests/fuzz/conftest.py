"""Whole files, to be damaged: a song in shards, a run that is complete and one that is not, sounds."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from small_song import tune, write_shards
from training_runs import train_and_generate, train_until

MOST_BYTES = 200 << 20
"""By which the memory of this process may grow while a damaged file of some kilobytes is read."""


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("shards") / "tune", tune(31_600))


@pytest.fixture(scope="session")
def complete_run(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_and_generate(shards, tmp_path_factory.mktemp("runs") / "whole", 0.2)


@pytest.fixture(scope="session")
def stopped_run(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_until(shards, tmp_path_factory.mktemp("runs") / "stopped", 1)


@pytest.fixture(scope="session")
def bounded() -> Callable[[], object]:
    """Give a context in which memory does not grow beyond a bound."""

    @contextmanager
    def bound() -> Iterator[None]:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        yield
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown * 1024 < MOST_BYTES, f"{grown} KiB"

    return bound
