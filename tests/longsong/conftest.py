"""A small song, as shards, for whatever trains; and both ways in which the fused form does what is no product."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_song import tune, write_shards

from longsong.model.fused import compiled_available


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds and a bit: 20x5 gives 290 train examples, three mini-batches, and 25 dev examples."""
    return write_shards(tmp_path_factory.mktemp("shards") / "tune", tune(31_600))


@pytest.fixture(scope="session", params=["plain", "compiled"])
def elementwise(request: pytest.FixtureRequest) -> str:
    if request.param == "compiled" and compiled_available() is not None:
        pytest.skip(f"no compiled loops: {compiled_available()}")
    return request.param
