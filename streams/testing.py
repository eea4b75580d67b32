"""Checkers that every stream must pass; for the tests of streams, ours and yours."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from streams.stream import Batch, DataStream

__all__ = ["check_exactly_once", "check_resumes_anywhere"]

Print = str
"""The digest of a mini-batch: its examples, and every bit of its numbers."""


def check_exactly_once(stream: DataStream) -> None:
    """Read the next epoch that is whole, and look that each example comes once, with rows of its own.

    Parameters
    ----------
    stream : DataStream
        It stands behind that epoch afterwards.

    Raises
    ------
    AssertionError
        Names the examples that came twice, never or from nowhere; or a mini-batch in which the numbers of
        rows and indices differ, the size is not the scheme's, or the targets are not the inputs a frame
        later.
    """
    if 0 < stream.position < len(stream.scheme):
        for _ in stream.get_epoch_iterator():
            pass
    seen: list[int] = []
    sizes: list[int] = []
    for inputs, targets in stream.get_epoch_iterator():
        rows = len(stream.indices)
        _require(
            len(inputs) == len(targets) == rows,
            f"mini-batch {len(sizes)} has {len(inputs)} inputs and {len(targets)} targets of {rows} examples",
        )
        _require(
            np.array_equal(inputs[:, 1:], targets[:, :-1]),
            f"mini-batch {len(sizes)}: the targets are not the inputs one frame later",
        )
        seen += stream.indices.tolist()
        sizes.append(rows)
    examples, batch = stream.scheme.examples, stream.scheme.batch_size
    twice = sorted(example for example, times in Counter(seen).items() if times > 1)
    never = sorted(set(range(examples)) - set(seen))
    strange = sorted(set(seen) - set(range(examples)))
    _require(
        not (twice or never or strange),
        f"of {examples} examples, twice: {twice}, never: {never}, not of this stream: {strange}",
    )
    due = [min(batch, examples - at) for at in range(0, examples, batch)]
    _require(sizes == due, f"mini-batches of {sizes} examples where {due} are due")


def check_resumes_anywhere(make_stream: Callable[[], DataStream], epochs: int) -> None:
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
    stream = make_stream()
    steps: list[tuple[int, int, str]] = [(0, 0, _saved(stream))]
    unbroken: list[list[Print]] = []
    for epoch in range(epochs):
        prints: list[Print] = []
        for batch in stream.get_epoch_iterator():
            prints.append(_print(stream, batch))
            steps.append((epoch, len(prints), _saved(stream)))
        steps.append((epoch, len(prints), _saved(stream)))
        unbroken.append(prints)
    _require(any(unbroken), "the stream has no mini-batches, so there is nothing to check")
    for epoch, position, state in steps:
        resumed = make_stream()
        resumed.load_state_dict(json.loads(state))
        where = f"restored after mini-batch {position} of epoch {epoch}"
        _compare(resumed, _left(unbroken, epoch, position), where)


def _left(unbroken: list[list[Print]], epoch: int, position: int) -> Iterator[tuple[int, int, list[Print]]]:
    """Give what is due after a step: epoch, number of its first mini-batch, and the prints from there on."""
    if position < len(unbroken[epoch]):
        yield epoch, position, unbroken[epoch][position:]
    for later in range(epoch + 1, len(unbroken)):
        yield later, 0, unbroken[later]


def _compare(stream: DataStream, due: Iterator[tuple[int, int, list[Print]]], where: str) -> None:
    for epoch, first, prints in due:
        found = [_print(stream, batch) for batch in stream.get_epoch_iterator()]
        for number, (ours, theirs) in enumerate(zip(found, prints, strict=False), start=first):
            _require(ours == theirs, f"{where}: mini-batch {number} of epoch {epoch} is another one")
        _require(
            len(found) == len(prints),
            f"{where}: epoch {epoch} had {len(found)} mini-batches left, not {len(prints)}",
        )


def _print(stream: DataStream, batch: Batch) -> Print:
    digest = hashlib.sha256(stream.indices.astype("<i8").tobytes())
    for array in batch:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _saved(stream: DataStream) -> str:
    """Give the state as JSON, which it has to survive."""
    state: dict[str, Any] = stream.state_dict()
    text = json.dumps(state, allow_nan=False)
    _require(json.loads(text) == state, f"the state is changed by JSON: {state}")
    return text


def _require(holds: bool, message: str) -> None:
    # Not the statement: python -O would take the check away.
    if not holds:
        raise AssertionError(message)
