"""Streams of 14 small examples, for the tests of transformers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streams import ArraySong, DataStream, ShuffledScheme, Windows


@pytest.fixture
def song(samples: np.ndarray) -> ArraySong:
    return ArraySong(samples[:300], 16000)  # 14 examples of 5 x 4: mini-batches of 4, 4, 4, 2


@pytest.fixture
def other(samples: np.ndarray) -> ArraySong:
    return ArraySong(samples[300:600], 16000)


@pytest.fixture
def make(song: ArraySong) -> Callable[..., DataStream]:
    def stream(over: Any = None, scheme: Any = ShuffledScheme, batch: int = 4, **changes: Any) -> DataStream:
        shape = {name: changes.pop(name) for name in ("hop", "stop", "normalise") if name in changes}
        windows = Windows(song if over is None else over, 5, 4, **shape)
        return DataStream(windows, scheme(len(windows), batch), **{"rank": 0, "world_size": 1, **changes})

    return stream
