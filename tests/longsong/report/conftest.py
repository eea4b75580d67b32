"""A small folder of runs, with all that a page has to show."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_folders import Spec, copy, write_grid, write_run, write_song

from longsong.audit import Audit, audit
from longsong.reported import FRAMES, SEQUENCES

SPECS = [Spec(40, 50), Spec(1000, 50), Spec(40, 50, cell="lstm", group="comparison")]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run with dev examples, one without, one of a comparison."""
    root = tmp_path_factory.mktemp("report")
    song = write_song(root / "shards" / "tones")
    runs = root / "runs"
    runs.mkdir()
    for spec in SPECS:
        write_run(runs, song, spec)
    done = {(spec.frame, spec.seq) for spec in SPECS}
    write_grid(runs, song, SPECS, [(f, s) for f in FRAMES for s in SEQUENCES if (f, s) not in done])
    return runs


@pytest.fixture(scope="session")
def audited(made: Path) -> Audit:
    """What an audit finds there: it takes seconds, and most tests of the page are not about it."""
    return audit(made)


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    return copy(made, tmp_path / "runs")
