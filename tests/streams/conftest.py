"""Songs in shards, for the tests of the data layer."""

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams import ShardWriter, Song


@pytest.fixture(scope="session")
def make_samples() -> Callable[..., np.ndarray]:
    """Give int16 samples over the whole range, no two runs of them alike."""
    return lambda count, seed=0: np.random.default_rng(seed).integers(-32768, 32768, count).astype(np.int16)


@pytest.fixture(scope="session")
def make_writer() -> Callable[..., ShardWriter]:
    """Give a writer of small blocks."""

    def make(folder: Path, **changes: Any) -> ShardWriter:
        settings: dict[str, Any] = {
            "sample_rate": 16000,
            "source": [{"name": "Gesang, größer.wav", "sha256": "0f" * 32, "sample_rate": 44100}],
            "made_by": {"command": ["longsong", "shard"], "versions": {"numpy": np.__version__}},
            "block_samples": 50,
            "blocks_per_shard": 3,
        }
        return ShardWriter(folder, **{**settings, **changes})

    return make


@pytest.fixture(scope="session")
def write_shards(make_writer: Callable[..., ShardWriter]) -> Callable[..., Path]:
    """Write a song, in blocks as small as asked for, and give its folder."""

    def write(folder: Path, samples: np.ndarray, **changes: Any) -> Path:
        with make_writer(folder, **changes) as writer:
            writer.write(samples)
        return folder

    return write


@pytest.fixture(scope="session")
def new_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Give a path at which there is nothing yet; of use where hypothesis runs a test many times."""
    root = tmp_path_factory.mktemp("songs")
    numbers = itertools.count()
    return lambda: root / f"song-{next(numbers)}"


@pytest.fixture(scope="session")
def make_song(new_folder: Callable[[], Path], write_shards: Callable[..., Path]) -> Callable[..., Song]:
    """Give a song on disk that holds the samples given."""
    return lambda samples, **changes: Song.open(write_shards(new_folder(), samples, **changes))


@pytest.fixture(scope="session")
def seal() -> Callable[[dict[str, Any]], bytes]:
    """Give an index.json with the digest of itself, as docs/shards.md says, whatever else is in it."""

    def sealed(document: dict[str, Any]) -> bytes:
        zeros = b"0" * 64
        data = json.dumps({**document, "index_digest": zeros.decode()}).encode()
        return data.replace(zeros, hashlib.sha256(data).hexdigest().encode())

    return sealed


@pytest.fixture
def samples(make_samples: Callable[..., np.ndarray]) -> np.ndarray:
    return make_samples(1000)


@pytest.fixture(scope="session")
def written(
    tmp_path_factory: pytest.TempPathFactory,
    make_samples: Callable[..., np.ndarray],
    write_shards: Callable[..., Path],
) -> Path:
    """Write 1000 samples once; each test that wants them has a copy, which takes no time on the disk."""
    return write_shards(tmp_path_factory.mktemp("written") / "song", make_samples(1000))


@pytest.fixture
def shards(tmp_path: Path, written: Path) -> Path:
    """Give a folder of 7 shards of 3 blocks of 50 samples each, the last one shorter: 1000 samples."""
    return shutil.copytree(written, tmp_path / "song")
