"""What every stream has to keep to."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from streams.testing.team import MakeTeam, Print, open_team, read_epoch, require, saved
from streams.transformers import Stream

__all__ = ["check_exactly_once", "check_moves", "check_ranks", "check_resumes_anywhere", "check_workers"]


@dataclass
class _Record:
    """What a team gave: the prints of each epoch, and the state before and after each of them."""

    epochs: list[list[Print]] = field(default_factory=list)
    steps: list[tuple[int, int, str]] = field(default_factory=list)


def check_exactly_once(stream: Stream, *, targets_follow: bool = True) -> None:
    """Read the next epoch that is whole, and look that each example comes once, where its scheme has it.

    Parameters
    ----------
    stream : Stream
        Of one rank. It stands behind that epoch afterwards.
    targets_follow : bool
        Whether sources come in pairs of which the second is the first one frame later. That of a transformer
        which treats the two otherwise does not.

    Raises
    ------
    AssertionError
        Names the examples that came twice, never or from nowhere; or a mini-batch that is not that of the
        scheme, has another number of rows than of examples, or other targets.
    """
    if 0 < stream.position < len(stream.scheme):
        for _ in stream.get_epoch_iterator():
            pass
    seen: list[npt.NDArray[np.int64]] = []
    for number, given in enumerate(read_epoch([stream], 0)):
        (batch,) = given.parts
        for inputs, targets in zip(batch[::2], batch[1::2], strict=False) if targets_follow else ():
            require(
                np.array_equal(inputs[:, 1:], targets[:, :-1]),
                f"mini-batch {number}: the targets are not the inputs one frame later",
            )
        seen.append(given.indices)
    _once(seen, stream.scheme.examples)
    due = list(stream.scheme.mini_batches(stream.epoch))
    found, wanted = [len(indices) for indices in seen], [len(indices) for indices in due]
    require(found == wanted, f"mini-batches of {found} examples where {wanted} are due")
    for number, (ours, theirs) in enumerate(zip(seen, due, strict=True)):
        require(np.array_equal(_columns(ours)[:, 0], theirs), f"mini-batch {number} is not that of the scheme")


def check_resumes_anywhere(make_stream: Callable[[], Stream], epochs: int) -> None:
    """Restore a stream at every step and compare all that follows with an unbroken one.

    A step is before the first mini-batch, after each, and after an epoch's iterator has ended. Every state
    goes through JSON into a fresh stream, and all epochs are read to their ends, so that a mini-batch too
    many or too few is noticed as well. The work grows with the square of the number of mini-batches.

    Parameters
    ----------
    make_stream : callable
        Gives a fresh stream; all that it gives are alike.
    epochs : int
        How many to read, 1 or more.

    Raises
    ------
    AssertionError
        Names the step, and the epoch and mini-batch that came out otherwise.
    """
    _resume(_record(_alone(make_stream), epochs), _alone(make_stream), "restored")


def check_ranks(make_stream: Callable[[int, int], Stream], world_sizes: Sequence[int], epochs: int = 1) -> None:
    """Put the rows of all ranks together, and compare them with what one rank alone gives.

    Looks that they are the rows of the global mini-batch, in order and each once, also where they do not
    split evenly; that each rank gives as many mini-batches as the others, of no rows where it has none; that
    no rank has over one row more than another, or, where the scheme carries a state along the rows, that each
    row stays with its rank; and that all ranks have one state.

    Parameters
    ----------
    make_stream : callable
        Of (rank, world_size): gives a fresh stream.
    world_sizes : sequence of int
        Numbers of ranks; more than a mini-batch has rows is worth a try.
    epochs : int
        How many to read, 1 or more.

    Raises
    ------
    AssertionError
        Names the number of ranks, and the epoch and mini-batch that came out otherwise.
    """
    alone = _record(_team(make_stream, 1), epochs)
    for world_size in world_sizes:
        _alike(_record(_team(make_stream, world_size), epochs), alone, f"{world_size} ranks", "1")


def check_workers(make_stream: Callable[[int], Stream], workers: Sequence[int], epochs: int = 1) -> None:
    """Compare what a stream gives with other numbers of prefetch threads.

    Parameters
    ----------
    make_stream : callable
        Of a number of threads: gives a fresh stream.
    workers : sequence of int
        Numbers of threads; all are compared with the first.
    epochs : int
        How many to read, 1 or more.

    Raises
    ------
    AssertionError
        Names the number of threads, and the epoch and mini-batch that came out otherwise.
    """
    records = {number: _record(_alone(partial(make_stream, number)), epochs) for number in workers}
    for number in workers[1:]:
        _alike(records[number], records[workers[0]], f"{number} threads", f"{workers[0]}")


def check_moves(
    make_stream: Callable[[int, int, int], Stream], settings: Sequence[tuple[int, int]], epochs: int = 1
) -> None:
    """Save at every step with one number of ranks and threads, and go on with each other one.

    Parameters
    ----------
    make_stream : callable
        Of (rank, world_size, workers): gives a fresh stream.
    settings : sequence of (world_size, workers)
        Two or more; each is tried after each.
    epochs : int
        How many to read, 1 or more.

    Raises
    ------
    AssertionError
        Names both settings, the step, and the epoch and mini-batch that came out otherwise.
    """
    teams = {(world_size, workers): _team(make_stream, world_size, workers) for world_size, workers in settings}
    records = {setting: _record(team, epochs) for setting, team in teams.items()}
    for before, after in itertools.permutations(settings, 2):
        _alike(records[after], records[before], f"{after} (ranks, threads)", f"{before}")
        _resume(records[before], teams[after], f"saved with {before} (ranks, threads), restored with {after}")


def _alone(make_stream: Callable[[], Stream]) -> MakeTeam:
    return lambda: [make_stream()]


def _team(make_stream: Callable[..., Stream], world_size: int, *workers: int) -> MakeTeam:
    return lambda: [make_stream(rank, world_size, *workers) for rank in range(world_size)]


def _record(make_team: MakeTeam, epochs: int) -> _Record:
    record = _Record()
    with open_team(make_team) as team:
        record.steps.append((0, 0, saved(team)))
        for epoch in range(epochs):
            prints: list[Print] = []
            seen: list[npt.NDArray[np.int64]] = []
            for given in read_epoch(team, 0):
                prints.append(given.print)
                seen.append(given.indices)
                record.steps.append((epoch, len(prints), saved(team)))
            record.steps.append((epoch, len(prints), saved(team)))
            record.epochs.append(prints)
            _once(seen, team[0].scheme.examples)
    require(any(record.epochs), "the stream has no mini-batches, so there is nothing to check")
    return record


def _resume(record: _Record, make_team: MakeTeam, how: str) -> None:
    for epoch, position, state in record.steps:
        where = f"{how} after mini-batch {position} of epoch {epoch}"
        with open_team(make_team) as team:
            for stream in team:
                stream.load_state_dict(json.loads(state))
            for later, first, due in _left(record.epochs, epoch, position):
                found = [given.print for given in read_epoch(team, first)]
                _compare(found, due, first, where, later)


def _left(unbroken: list[list[Print]], epoch: int, position: int) -> Iterator[tuple[int, int, list[Print]]]:
    """Give what is due after a step: epoch, number of its first mini-batch, and the prints from there on."""
    if position < len(unbroken[epoch]):
        yield epoch, position, unbroken[epoch][position:]
    for later in range(epoch + 1, len(unbroken)):
        yield later, 0, unbroken[later]


def _once(seen: list[npt.NDArray[np.int64]], examples: int) -> None:
    for column in _columns(np.concatenate(seen)).T if seen else [np.empty(0, dtype=np.int64)]:
        twice = sorted(example for example, times in Counter(column.tolist()).items() if times > 1)
        never = sorted(set(range(examples)) - set(column.tolist()))
        strange = sorted(set(column.tolist()) - set(range(examples)))
        require(
            not (twice or never or strange),
            f"of {examples} examples, twice: {twice}, never: {never}, not of this stream: {strange}",
        )


def _columns(indices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Give the examples with a column for each stream, of which a `Merge` has several."""
    return indices if indices.ndim == 2 else indices[:, None]


def _alike(found: _Record, due: _Record, who: str, whom: str) -> None:
    for epoch, (prints, others) in enumerate(zip(found.epochs, due.epochs, strict=True)):
        _compare(prints, others, 0, f"{who} against {whom}", epoch)
    for (epoch, position, ours), (_, _, theirs) in zip(found.steps, due.steps, strict=True):
        require(
            ours == theirs,
            f"{who} against {whom}: another state after mini-batch {position} of epoch {epoch}: {ours}, not {theirs}",
        )


def _compare(found: list[Print], due: list[Print], first: int, where: str, epoch: int) -> None:
    for number, (ours, theirs) in enumerate(zip(found, due, strict=False), start=first):
        require(ours == theirs, f"{where}: mini-batch {number} of epoch {epoch} is another one")
    require(len(found) == len(due), f"{where}: epoch {epoch} had {len(found)} mini-batches left, not {len(due)}")
