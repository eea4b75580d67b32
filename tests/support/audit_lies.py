"""Lies that are told to the audit: each alters a good folder of runs in one way, and names the rows that turn."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from run_folders import Spec, copy, edit, write_run

from streams import Song

NAME = "40x50-gru-199-s1"
BASE = Spec(40, 50)
LENGTH = 40 * 50


@dataclass(frozen=True)
class Scene:
    """A copy of a good folder of runs, to lie about.

    Attributes
    ----------
    runs : Path
        The folder.
    song : Path
        The shards that all runs name; shared by all tests.
    tmp : Path
        An empty folder beside it.
    monkeypatch : pytest.MonkeyPatch
    """

    runs: Path
    song: Path
    tmp: Path
    monkeypatch: pytest.MonkeyPatch

    @property
    def run(self) -> Path:
        """The run that most lies are about."""
        return self.runs / NAME

    def rewrite(self, spec: Spec) -> Path:
        """Write that run again, as another specification."""
        shutil.rmtree(self.run)
        return write_run(self.runs, self.song, spec)

    def own_shards(self) -> Path:
        """Let all runs name a copy of the shards that belongs to this scene."""
        shards = copy(self.song, self.tmp / "shards" / "tones")
        for path in self.runs.glob("*/config.json"):
            edit(path, song__shards=str(shards))
        return shards

    def samples(self, start: int, stop: int) -> np.ndarray:
        """Give samples of the song."""
        return np.array(Song.open(self.song)[start:stop])


@dataclass(frozen=True)
class Lie:
    """One lie.

    Attributes
    ----------
    claim : str
        The row that it is told about.
    name : str
    tell : callable
        Alters a scene.
    turns : dict of str to str
        Every row whose verdict is another one afterwards, and which; all others stay. The claim's own row may be left
        out where it is of the 2016 code, and says afterwards that a run does neither as that nor as described.
    says : str
        A piece of the claim's row afterwards, by which it is seen that it turned for the right reason.
    base : {'honest', 'whole', 'compared'}
        What is altered: two runs and a grid; the same, for a post that names just these sizes; LSTM, GRU and RNN over
        three random seeds.
    """

    claim: str
    name: str
    tell: Callable[[Scene], object]
    turns: dict[str, str]
    says: str = ""
    base: str = "honest"

    def __str__(self) -> str:
        return f"{self.claim}: {self.name}"


LIES: list[Lie] = []


def lie(
    claim: str, turns: dict[str, str] | str = "differs", *, says: str = "", base: str = "honest"
) -> Callable[[Callable[[Scene], object]], Callable[[Scene], object]]:
    """Enter a function into the list of lies; `turns` as one word is of the claim's own row alone."""

    def enter(tell: Callable[[Scene], object]) -> Callable[[Scene], object]:
        own = {claim: turns} if isinstance(turns, str) else turns
        LIES.append(Lie(claim, tell.__name__.replace("_", " "), tell, own, says, base))
        return tell

    return enter


def made_otherwise(claim: str, turns: dict[str, str] | str = "differs", *, says: str = "", **fields: object) -> None:
    """Enter the lie of a run that was made as another specification."""
    own = {claim: turns} if isinstance(turns, str) else turns
    name = ", ".join(f"{key} {value}" for key, value in fields.items())
    LIES.append(Lie(claim, name, lambda scene: scene.rewrite(replace(BASE, **fields)), own, says))
