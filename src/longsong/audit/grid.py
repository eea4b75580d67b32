"""The post's 35 configurations on the song at hand: run, left, or impossible, by arithmetic (P03, P04)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from longsong.audit.evidence import Evidence
from longsong.audit.song import examples_that_fit
from longsong.reported import FRAMES, SEQUENCES
from streams import train_samples

__all__ = ["Cell", "Grid", "song_lengths"]


@dataclass(frozen=True)
class Cell:
    """One configuration of the post, on this song.

    Attributes
    ----------
    frame, seq : int
        Samples, and frames.
    needed : int
        Samples of one example's inputs: what the train split must have.
    train_examples, dev_examples : int
        How many fit.
    state : {'run', 'left', 'cannot be'}
        Run, if a complete run has it; impossible, if not one example fits.
    """

    frame: int
    seq: int
    needed: int
    train_examples: int
    dev_examples: int
    state: str


@dataclass(frozen=True)
class Grid:
    """The 35 configurations of P03 by P04.

    Attributes
    ----------
    train_samples : int
        Length of the train split.
    cells : tuple of Cell
        By frame, then by length.
    contradictions : tuple of str
        Where ``grid.json`` has another number of train examples than fit, or lists as runnable what has none.
        (What fits the song and not the memory is no contradiction.)
    """

    train_samples: int
    cells: tuple[Cell, ...]
    contradictions: tuple[str, ...]

    @classmethod
    def of(cls, evidence: Evidence) -> Self | None:
        """Lay the grid out over the song of the runs; None where neither a run nor `grid.json` names one."""
        length, train, _ = song_lengths(evidence)
        if not length:
            return None
        done = {(run.of("data.frame"), run.of("data.seq")) for run in evidence.described}
        cells = []
        for frame in FRAMES:
            for seq in SEQUENCES:
                fit = examples_that_fit(frame, seq, 0, train, length)
                dev = examples_that_fit(frame, seq, train, length, length)
                state = "run" if (frame, seq) in done else "left" if fit else "cannot be"
                cells.append(Cell(frame, seq, frame * seq, fit, dev, state))
        return cls(train, tuple(cells), _contradictions(evidence, length, train))

    @property
    def least_needed(self) -> int:
        """Samples that the smallest impossible configuration needs; 0 where none is impossible."""
        return min((cell.needed for cell in self.cells if cell.state == "cannot be"), default=0)

    def cannot_be(self, key: str, value: int) -> bool:
        """Tell whether not one configuration with this ``frame`` or ``seq`` fits the song."""
        return all(cell.state == "cannot be" for cell in self.cells if getattr(cell, key) == value)

    def needed(self, key: str, value: int) -> int:
        """Give the samples that the smallest configuration with this ``frame`` or ``seq`` needs."""
        return min(cell.needed for cell in self.cells if getattr(cell, key) == value)


def song_lengths(evidence: Evidence) -> tuple[int, int, int]:
    """Give the samples of the song and of its train split, and its rate in Hz; 0 each where there is no song."""
    for run in evidence.complete:
        length = run.of("song.samples")  # P05 tells whether the run itself was split there
        return length, train_samples(length), run.of("song.sample_rate")
    song = (evidence.grid or {}).get("song")
    length, rate = (song.get(key) if isinstance(song, dict) else None for key in ("samples", "sample_rate"))
    if not (isinstance(length, int) and length > 0 and isinstance(rate, int) and rate > 0):
        return 0, 0, 0
    return length, train_samples(length), rate


def _contradictions(evidence: Evidence, length: int, train: int) -> tuple[str, ...]:
    found = []
    for entry in (evidence.grid or {"runs": []})["runs"]:
        fit = examples_that_fit(entry["frame"], entry["seq"], 0, train, length)
        if entry["train_examples"] != fit or (fit == 0 and entry["state"] != "does not fit"):
            said = f"'{entry['state']}' with {entry['train_examples']:,} train examples"
            found.append(f"{entry['name']} is {said}, and {fit:,} fit")
    return tuple(found)
