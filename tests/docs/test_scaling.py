"""The page on growing: its commands are understood, and its counts are those of the code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from longsong.cli import _parser
from longsong.config import DataConfig, ModelConfig
from longsong.cost_model import SongSize, workload
from longsong.cost_steps import launches_of_step
from longsong.units import human_bytes

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
LINES = [line for block in re.findall(r"```(?:sh)?\n(.*?)```", PAGE, flags=re.DOTALL) for line in block.splitlines()]


def commands() -> list[list[str]]:
    """Give the words of each command of longsong, however it is started."""
    found = []
    for line in LINES:
        words = shlex.split(line, comments=True)
        if "longsong" in words:
            found.append(words[words.index("longsong") + 1 :])
        elif "scripts/slurm-grid.sbatch" in words:
            after = words[words.index("scripts/slurm-grid.sbatch") + 1 :]
            assert after[0] in ("run", "reproduce")
            found += [after] if after[0] == "reproduce" else []
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_its_commands_are_understood(words):
    assert _parser().parse_args(words).run is not None


def row(name: str) -> list[str]:
    (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_its_counts_are_those_of_the_code():
    songs = [SongSize(hours * 3600 * 16_000, 16_000) for hours in (1, 10, 100, 1000, 10_000)]
    assert row("files")[:5] == [f"{song.shards:,}" for song in songs]
    for cell, song in zip(row("shards, int16")[:3], songs, strict=False):
        number, unit = human_bytes(song.shard_bytes()).split()
        assert cell.split()[1] == unit
        assert float(cell.split()[0]) == pytest.approx(float(number), rel=0.01)
    updates = [workload(songs[n], DataConfig(40, 50), ModelConfig(), 30).updates for n in (1, 2, 4)]
    assert row("40x50, 199 units: updates") == [f"{count:,}" for count in updates]
    launches = [launches_of_step(ModelConfig(cell=cell))[0] for cell in ("gru", "lstm", "rnn")]
    assert "{} operations of torch (GRU; {} LSTM, {} RNN".format(*launches) in PAGE
