"""Honest folders of runs, made once; each test that tells a lie gets a copy of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from remembered import computed_once
from run_folders import Spec, comparison, copy, write_grid, write_run, write_song

from longsong.audit import Audit, audit
from longsong.reported import FRAMES, SEQUENCES

SMALL = (Spec(40, 50), Spec(50, 50, hidden=256))


@pytest.fixture(scope="session", autouse=True)
def _computed_once() -> Iterator[None]:
    """Most folders differ from each other in one file."""
    with computed_once():
        yield


@pytest.fixture(scope="session")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_song(tmp_path_factory.mktemp("song") / "shards" / "tones")


@pytest.fixture(scope="session")
def honest(song: Path) -> Path:
    """Two runs, and a grid that lists all that was not run."""
    runs = song.parents[1] / "honest"
    runs.mkdir()
    for spec in SMALL:
        write_run(runs, song, spec)
    shapes = [(frame, seq) for frame in FRAMES for seq in SEQUENCES]
    write_grid(runs, song, list(SMALL), [shape for shape in shapes if shape not in ((40, 50), (50, 50))])
    return runs


@pytest.fixture(scope="session")
def honest_audit(honest: Path) -> Audit:
    return audit(honest)


@pytest.fixture(scope="session")
def compared(song: Path) -> Path:
    """LSTM, GRU and RNN over three seeds, the LSTM as good as the GRU."""
    runs = song.parents[1] / "compared"
    runs.mkdir()
    for spec in comparison():
        write_run(runs, song, spec)
    return runs


@pytest.fixture
def runs(honest: Path, song: Path, tmp_path: Path) -> Path:
    """A copy of the honest folder, with shards of its own."""
    copy(song, tmp_path / "shards" / "tones")
    return copy(honest, tmp_path / "runs")


@pytest.fixture
def rewrite(song: Path, runs: Path) -> Callable[[Spec], Path]:
    """Write the run of 40x50 again, as another specification."""

    def again(spec: Spec) -> Path:
        shutil.rmtree(runs / "40x50-gru-199-s1")
        return write_run(runs, song, spec)

    return again


@pytest.fixture
def turned(honest_audit: Audit) -> Callable[[Path], dict[str, str]]:
    """Audit a folder and give the rows whose verdict is not that of the honest one."""

    def rows(folder: Path) -> dict[str, str]:
        found = audit(folder)
        return {
            row.id: row.verdict.value
            for row, before in zip(found.rows, honest_audit.rows, strict=True)
            if row.verdict is not before.verdict
        }

    return rows
