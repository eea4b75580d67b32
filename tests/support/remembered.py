"""What takes an audit long, computed once for all tests: it follows from a song's samples and a run's files alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from run_folders import remembered_first_update

from longsong.audit import evidence
from longsong.audit.regenerate import SeenSeed, regenerate
from longsong.audit.revaluate import Workload, revaluate
from longsong.audit.run import Run
from longsong.audit.song import SeenSong

__all__ = ["computed_once"]

_COSTS: dict[tuple[Any, ...], Any] = {}
_SOUNDS: dict[tuple[Any, ...], Any] = {}
_DIGESTS: dict[tuple[Any, ...], str] = {}


@contextmanager
def computed_once() -> Iterator[None]:
    """Remember dev costs, first predictions and first updates for as long as this lasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "first_update", remembered_first_update)
        patch.setattr(evidence, "revaluate", _revaluate)
        patch.setattr(evidence, "regenerate", _regenerate)
        yield


def _revaluate(run: Run, song: SeenSong, recurrence: str, span: int, workload: Workload) -> Any:
    files = ("config.json", "summary.json", "metrics.jsonl", "checkpoints/best.safetensors")
    key = (song.digest, recurrence, span, *(_digest(run.path(name)) for name in files))
    return _once(_COSTS, key, lambda: revaluate(run, song, recurrence, span, workload))


def _regenerate(run: Run, seed: SeenSeed) -> Any:
    files = ["config.json", "generated.json", "generated.wav", "checkpoints/best.safetensors"]
    paths = [*(run.path(name) for name in files), run.last_parameters]
    key = (hashlib.sha256(seed.samples.tobytes()).hexdigest(), seed.left, *map(_digest, paths))
    return _once(_SOUNDS, key, lambda: regenerate(run, seed))


def _once(known: dict[tuple[Any, ...], Any], key: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
    """Give what is known, or compute it; what cannot be computed is tried anew each time."""
    if key not in known:
        known[key] = compute()
    return known[key]


def _digest(path: Path) -> str:
    """Give the digest of a file that no test writes to in place: copies are hard links, and what is altered is new."""
    if not path.exists():
        return ""
    state = path.stat()
    key = (state.st_dev, state.st_ino, state.st_mtime_ns, state.st_size)
    if key not in _DIGESTS:
        _DIGESTS[key] = hashlib.sha256(path.read_bytes()).hexdigest()
    return _DIGESTS[key]
