"""A small song, as shards, for whatever trains."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_song import tune, write_shards


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds and a bit: 20x5 gives 290 train examples, three mini-batches, and 25 dev examples."""
    return write_shards(tmp_path_factory.mktemp("shards") / "tune", tune(31_600))
