"""The process that reads a long song: ``python -m benchmarks.long_reader FOLDER FRAME SEQ HOP SCHEME BATCHES``.

It imports everything and says so; at a line from outside it opens the song, takes the first mini-batch, and so many
more (``-1``: all of an epoch), and says how long it took and when the first tenth ended and the last one began.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from streams import DataStream, Scheme, ShuffledScheme, Song, Windows
from streams.shard_shuffle import ShardShuffledScheme

__all__ = ["main"]


def main() -> None:
    """Serve one request."""
    folder, frame, seq, hop, scheme, most = Path(sys.argv[1]), *map(int, sys.argv[2:5]), sys.argv[5], int(sys.argv[6])
    _say({"process": os.getpid()})
    sys.stdin.readline()
    begun = time.perf_counter()
    windows = Windows(Song.open(folder), frame, seq, hop)
    stream = DataStream(windows, _scheme(scheme, windows))
    batches = stream.get_epoch_iterator()
    held = next(batches)
    first = time.perf_counter() - begun
    wanted = len(stream.scheme) if most < 0 else min(most, len(stream.scheme))
    times = [time.monotonic()]
    samples = held[0].size
    while len(times) < wanted:
        held = next(batches)
        times.append(time.monotonic())
        samples += held[0].size
    _say(
        {
            "first_batch_seconds": first,
            "examples": len(windows),
            "mini_batches": len(times),
            "samples": samples,
            "seconds": time.perf_counter() - begun,
            "first_tenth_until": times[(len(times) - 1) // 10],
            "last_tenth_from": times[-1 - (len(times) - 1) // 10],
        }
    )
    sys.stdin.readline()


def _scheme(name: str, windows: Windows) -> Scheme:
    if name == ShuffledScheme.__name__:
        return ShuffledScheme(len(windows))
    return ShardShuffledScheme(windows)


def shuffle_seconds(numbers: int) -> float:
    """Time NumPy's own shuffle of so many numbers, once: that of a list which it makes, as the scheme has to."""
    generator = np.random.RandomState(1)
    begun = time.perf_counter()
    generator.permutation(numbers)
    return time.perf_counter() - begun


def _say(words: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
