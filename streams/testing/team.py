"""The streams of all ranks, read in step as one."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.transformers import Batch, Stream

__all__ = ["Given", "MakeTeam", "Print", "Team", "open_team", "read_epoch", "require", "saved"]

Print = str
"""The digest of a mini-batch over all ranks: its examples, its resets, and every bit of its numbers."""

Team = list[Stream]
"""The streams of all ranks, in order."""

MakeTeam = Callable[[], Team]


@dataclass(frozen=True)
class Given:
    """A mini-batch over all ranks.

    Parameters
    ----------
    parts : list of tuple of ndarray
        What each rank gave.
    indices : ndarray, shape (batch,) or (batch, streams), int64
        The examples of all ranks.
    print : str
        The digest of all that is to be the same however the work is shared.
    """

    parts: list[Batch]
    indices: npt.NDArray[np.int64]
    print: Print


@contextmanager
def open_team(make_team: MakeTeam) -> Iterator[Team]:
    """Make the streams of all ranks, and close them at the end."""
    team = make_team()
    try:
        yield team
    finally:
        for stream in team:
            stream.close()


def read_epoch(team: Team, first: int) -> Iterator[Given]:
    """Read what is left of an epoch, of all ranks in step, and look at the form of what comes.

    Parameters
    ----------
    team : list of Stream
        They stand at one place.
    first : int
        Number of the mini-batch that is next, for messages.

    Raises
    ------
    AssertionError
        Names the mini-batch, and where it can the rank, of which the form is wrong.
    """
    iterators = [stream.get_epoch_iterator() for stream in team]
    held: list[tuple[list[Batch], Print]] = []
    before = None
    for number in itertools.count(first):
        found = [next(iterator, None) for iterator in iterators]
        parts = [part for part in found if part is not None]
        if not parts:
            break
        where = f"mini-batch {number}"
        ended = [rank for rank, part in enumerate(found) if part is None]
        require(not ended, f"ranks {ended} of {len(team)} have no {where}, which others have")
        _check_parts(team, parts, where)
        _check_split(team, before, where)
        before = [stream.indices for stream in team]
        indices, resets = np.concatenate(before), np.concatenate([stream.resets for stream in team])
        numbers = _digest(parts)
        held.append((parts, numbers))
        yield Given(parts, indices, _digest([(indices, resets)]) + numbers)
    for number, (parts, numbers) in enumerate(held, start=first):
        require(_digest(parts) == numbers, f"mini-batch {number} was changed after it was given")


def _check_parts(team: Team, parts: list[Batch], where: str) -> None:
    """Look at what each rank gave: an array for each source, with a row for each example."""
    for rank, (stream, batch) in enumerate(zip(team, parts, strict=True)):
        who = f"{where}, rank {rank} of {len(team)}"
        rows = len(stream.indices)
        sources = team[0].sources
        require(stream.sources == sources, f"{who}: the sources are {stream.sources} where rank 0 has {sources}")
        require(len(batch) == len(sources), f"{who}: {len(batch)} arrays for the sources {sources}")
        for name, array, other in zip(sources, batch, parts[0], strict=True):
            require(len(array) == rows, f"{who}: {len(array)} rows of {name} for {rows} examples")
            ours, theirs = f"{array.dtype} {array.shape[1:]}", f"{other.dtype} {other.shape[1:]}"
            require(ours == theirs, f"{who}: {name} is {ours} where rank 0 has {theirs}")
        require(stream.resets.shape == (rows,), f"{who}: resets of shape {stream.resets.shape} for {rows} examples")


def _check_split(team: Team, before: list[npt.NDArray[np.int64]] | None, where: str) -> None:
    """Look at how the rows are split: evenly, or where a state is carried along them, each at one rank."""
    shares = [len(stream.indices) for stream in team]
    totals = sorted({stream.batch_examples for stream in team})
    require(totals == [sum(shares)], f"{where}: batch_examples is {totals} where the ranks have {shares} rows")
    if not team[0].scheme.carries:
        require(max(shares) - min(shares) <= 1, f"{where}: the ranks have {shares} rows, which is no even split")
        return
    for rank, (stream, earlier) in enumerate(zip(team, before, strict=True) if before is not None else ()):
        row = np.flatnonzero(~stream.resets)
        continued = len(stream.indices) <= len(earlier) and np.array_equal(stream.indices[row], earlier[row] + 1)
        require(continued, f"{where}, rank {rank} of {len(team)}: a row does not continue that of the one before")


def _digest(parts: list[Batch]) -> Print:
    """Digest the rows of all ranks as if they were one mini-batch: every bit, the types and shapes."""
    digest = hashlib.sha256()
    for arrays in zip(*parts, strict=True):
        whole = np.concatenate(arrays)
        digest.update(f"{whole.dtype} {whole.shape}".encode())
        digest.update(whole.tobytes())
    return digest.hexdigest()


def saved(team: Team) -> str:
    """Give the state of a team, one for all ranks, as JSON, which it has to survive."""
    texts: list[str] = []
    for stream in team:
        state: dict[str, Any] = stream.state_dict()
        texts.append(json.dumps(state, allow_nan=False))
        require(json.loads(texts[-1]) == state, f"the state is changed by JSON: {state}")
    require(len(set(texts)) == 1, f"ranks have different states: {', '.join(texts)}")
    return texts[0]


def require(holds: bool, message: str) -> None:
    """Raise AssertionError where something does not hold."""
    # Not the statement: python -O would take the check away.
    if not holds:
        raise AssertionError(message)
