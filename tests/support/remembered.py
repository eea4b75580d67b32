"""What takes an audit long, computed once for all tests: it follows from a song's samples and a run's files alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from run_folders import remembered_first_update

from longsong.audit import evidence, likeness, replays
from longsong.audit.coarse_search import Pattern
from longsong.audit.copying import copy_figures
from longsong.audit.regenerate import Regenerated, SeenSeed, regenerate
from longsong.audit.replay import Replayed, replay
from longsong.audit.revaluate import Workload, dev_cost_after, revaluate
from longsong.audit.run import Run
from longsong.audit.song import SeenSong

__all__ = ["computed_once"]

_COSTS: dict[tuple[Any, ...], Any] = {}
_SOUNDS: dict[tuple[Any, ...], Any] = {}
_REPLAYS: dict[tuple[Any, ...], Any] = {}
_COPIES: dict[tuple[Any, ...], Any] = {}
_DIGESTS: dict[tuple[Any, ...], str] = {}


@contextmanager
def computed_once() -> Iterator[None]:
    """Remember dev costs, sounds, likeness to the song and first updates for as long as this lasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "first_update", remembered_first_update)
        patch.setattr(evidence, "revaluate", _revaluate)
        patch.setattr(evidence, "dev_cost_after", _dev_cost_after)
        patch.setattr(evidence, "regenerate", _regenerate)
        patch.setattr(replays, "replay", _replay)
        patch.setattr(likeness, "copy_figures", _copy_figures)
        yield


def _revaluate(run: Run, song: SeenSong, recurrence: str, span: int, workload: Workload) -> Any:
    files = ("config.json", "summary.json", "metrics.jsonl", "checkpoints/best.safetensors")
    key = (song.digest, recurrence, span, *(_digest(run.path(name)) for name in files))
    return _once(_COSTS, key, lambda: revaluate(run, song, recurrence, span, workload))


def _dev_cost_after(epoch: int, parameters: Any, run: Run, song: SeenSong, *how: Any) -> Any:
    files = ("config.json", "metrics.jsonl", "checkpoints/best.safetensors")
    recurrence, span, _, what = how
    key = (song.digest, epoch, recurrence, span, what, *(_digest(run.path(name)) for name in files))
    key = (*key, _digest(run.last_parameters))
    return _once(_COSTS, key, lambda: dev_cost_after(epoch, parameters, run, song, *how))


def _regenerate(run: Run, seed: SeenSeed) -> Any:
    return _once(_SOUNDS, _sound(run, seed), lambda: regenerate(run, seed))


def _replay(run: Run, seed: SeenSeed, found: Regenerated, count: int) -> Replayed:
    return _once(_REPLAYS, (*_sound(run, seed), count), lambda: replay(run, seed, found, count))


def _sound(run: Run, seed: SeenSeed) -> tuple[Any, ...]:
    files = ["config.json", "generated.json", "generated.wav", "checkpoints/best.safetensors"]
    paths = [*(run.path(name) for name in files), run.last_parameters]
    return (hashlib.sha256(seed.samples.tobytes()).hexdigest(), seed.left, *map(_digest, paths))


def _copy_figures(samples: Any, song: Any, train_samples: int, pattern: Pattern) -> Any:
    key = (hashlib.sha256(samples.tobytes()).hexdigest(), song.digest, train_samples)
    return _once(_COPIES, key, lambda: copy_figures(samples, song, train_samples, pattern))


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
