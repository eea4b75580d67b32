"""The song that candidates are compared on, and whether what they give of it is right to the bit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.processes import BenchmarkError
from benchmarks.stream_peers.task import Batch, Task

__all__ = ["check_order", "check_set", "expected_digests", "row_digests", "set_digest", "write_noise"]


def write_noise(path: Path, samples: int) -> None:
    """Write a song in which no two runs of samples are alike, as raw int16."""
    generator = np.random.default_rng(2016)
    with path.open("wb") as file:
        for at in range(0, samples, 1 << 22):
            piece = generator.integers(-20_000, 20_001, min(1 << 22, samples - at), dtype=np.int16)
            piece.astype("<i2", copy=False).tofile(file)


def row_digests(batch: Batch) -> list[str]:
    """Give the sha256 of each row's inputs and targets, in hexadecimal."""
    digests = []
    for inputs, targets in zip(*batch, strict=True):
        digest = hashlib.sha256(np.ascontiguousarray(inputs))
        digest.update(np.ascontiguousarray(targets))
        digests.append(digest.hexdigest())
    return digests


def expected_digests(task: Task, examples: Iterable[int]) -> list[str]:
    """Give what `row_digests` has to say of some examples, computed from the song itself."""
    digests = []
    for example in examples:
        start = example * task.hop
        samples = task.samples[start : start + task.row_samples].astype(np.float32)
        row = (samples * np.float32(task.scale)) + np.float32(task.offset)
        digest = hashlib.sha256(row[: task.hop])
        digest.update(row[task.frame :])
        digests.append(digest.hexdigest())
    return digests


def set_digest(digests: Iterable[str], others: str = "0") -> str:
    """Add rows to the digest of others, as numbers: the order does not count, and each time that one comes does."""
    total = sum((int(digest, 16) for digest in digests), start=int(others, 16))
    return f"{total % 2**256:064x}"


def check_order(name: str, found: Sequence[str], expected: Sequence[str]) -> None:
    """Raise BenchmarkError unless the digests of the first rows are those expected, one by one."""
    if list(found) != list(expected):
        raise BenchmarkError(f"{name}: its first mini-batches are not those of the song and the order")


def check_set(name: str, found: str, rows: int, expected: Sequence[str]) -> None:
    """Raise BenchmarkError unless as many rows came as expected, and their `set_digest` is that of those expected."""
    if rows != len(expected) or found != set_digest(expected):
        raise BenchmarkError(f"{name}: an epoch has not each example of the song once")
