"""Mini-batches of a song, epoch after epoch, with a state that is exact."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, Literal, TypeVar, overload

import numpy as np
import numpy.typing as npt

from streams.checks import whole
from streams.errors import SchemeError, StateError, StreamsError
from streams.prefetch import in_order
from streams.schemes import Scheme
from streams.state import check_state
from streams.windows import Windows

__all__ = ["DataStream"]

Indices = npt.NDArray[np.int64]
Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
Result = TypeVar("Result")

_FORMAT = "streams.state"
_VERSION = 1

_BETWEEN_LOOKS = 8
"""Mini-batches from one look at what has to be fetched ahead to the next."""


class DataStream:
    """Windows of a song in the order of a scheme.

    What comes next depends on the state alone (epoch, and mini-batches of it that were given), however it was
    reached: by reading, or by `load_state_dict`; and not on how many ranks or threads share the work.

    Of a mini-batch of n examples, rank r of w has those from ``r n // w`` to ``(r + 1) n // w``; where rows continue
    each other (`LaneScheme`), n is the size of a whole mini-batch also for the last, so that a lane keeps its rank.
    All ranks give the same number of mini-batches; where a rank has no rows of one, it gives one without rows, so
    that none waits for another.

    Parameters
    ----------
    windows : Windows
        The examples.
    scheme : Scheme
        Their order; its own count of epochs (`Scheme.get_request_iterator`) is neither used nor moved.
    rank, world_size : int, optional
        Which of how many processes this is; by default what ``torchrun`` says (RANK and WORLD_SIZE in the
        environment), or the only one.
    prefetch : int
        Mini-batches at most that are made before they are asked for; 0 makes each when it is asked for.
    threads : int
        Threads that make them. They read from a song one after the other; more than one is of use where a
        transformer's or a reader's own work (`read_epoch`) is what takes time.

    Attributes
    ----------
    epoch : int
        The epoch that the stream stands in, from 0.
    position : int
        Mini-batches of it that were given; with all of them given, the next iterator begins the next epoch.
    indices : ndarray, shape (rows,), int64
        This rank's examples of the mini-batch given last; empty before the first, and after a state was loaded.
    batch_examples : int
        Examples of the whole mini-batch, over all ranks; 0 where `indices` is empty for lack of one.
    waited_seconds : float
        How long the consumer has waited for mini-batches so far.

    Raises
    ------
    SchemeError
        The scheme orders another number of examples than the windows have, or carries on from one example to the
        next where the windows overlap or have gaps; a rank that cannot be; a number out of its range.
    """

    sources: tuple[str, ...] = ("inputs", "targets")

    def __init__(
        self,
        windows: Windows,
        scheme: Scheme,
        *,
        rank: int | None = None,
        world_size: int | None = None,
        prefetch: int = 0,
        threads: int = 1,
    ) -> None:
        if scheme.examples != len(windows):
            raise SchemeError(
                f"the scheme orders {scheme.examples} examples and the windows have {len(windows)}: "
                "make it with len(windows)"
            )
        if scheme.carries and windows.hop != windows.frame * windows.seq:
            raise SchemeError(
                f"{type(scheme).__name__} continues each example with the next, and the hop is {windows.hop}: "
                f"give windows with a hop of {windows.frame * windows.seq}, frame x seq"
            )
        self.windows, self.scheme = windows, scheme
        self.world_size = _of_environment("world_size", world_size, "WORLD_SIZE", 1, at_least=1)
        self.rank = _of_environment("rank", rank, "RANK", 0, at_least=0, at_most=self.world_size - 1)
        self.prefetch = whole("prefetch", prefetch, SchemeError, at_least=0)
        self.threads = whole("threads", threads, SchemeError, at_least=1)
        self.epoch = self.position = 0
        self.waited_seconds = 0.0
        self._iterators = 0
        self._ahead: Generator[Any, None, None] | None = None
        self._forget()

    @property
    def resets(self) -> npt.NDArray[np.bool_]:
        """Where this rank's rows do not continue the same rows of the mini-batch before: shape (rows,), bool.

        A network that carries its state along the song begins those rows with its initial state (`LaneScheme`).
        """
        if not self.batch_examples:
            return np.ones(0, dtype=np.bool_)
        first, stop = self._rows(self.batch_examples)
        return self.scheme.resets(self.epoch, self.position - 1)[first:stop]

    @overload
    def get_epoch_iterator(self, as_dict: Literal[False] = False) -> Iterator[Batch]: ...

    @overload
    def get_epoch_iterator(self, as_dict: Literal[True]) -> Iterator[dict[str, npt.NDArray[np.float32]]]: ...

    def get_epoch_iterator(self, as_dict: bool = False) -> Iterator[Any]:
        """Give what is left of the epoch that the stream stands in; of the next one where nothing is left.

        A new iterator, or a loaded state, ends the right of earlier iterators to give mini-batches.

        Parameters
        ----------
        as_dict : bool
            Give each mini-batch as a dictionary from source to array, in place of a tuple.

        Yields
        ------
        inputs, targets : ndarray, shape (rows, seq, frame), float32
            Both views of one array that is the caller's own (`Windows.read`).

        Raises
        ------
        StateError
            From an iterator that is no longer the stream's.
        DamagedShardError, StorageError, CacheError
            Samples are not what the index says, or cannot be had; the mini-batch counts as not given.
        """
        batches = self.read_epoch(self.windows.read)
        if not as_dict:
            return batches
        return (dict(zip(self.sources, batch, strict=True)) for batch in batches)

    def read_epoch(self, read: Callable[[Indices], Result]) -> Iterator[Result]:
        """Give what `get_epoch_iterator` gives, read in another way.

        Parameters
        ----------
        read : callable
            Turns this rank's examples of a mini-batch, shape (rows,), int64, into whatever is to be given, such as
            ``windows.read_samples``. Threads may call it at once.
        """
        if self.position == len(self.scheme):
            self.epoch, self.position = self.epoch + 1, 0
        self._end_iterators()
        return self._results(read, self._iterators)

    def _results(self, read: Callable[[Indices], Result], iterator: int) -> Iterator[Result]:
        def read_rows(request: tuple[Indices, int]) -> Result:
            return read(request[0])

        self._check_current(iterator)
        self._ahead = batches = in_order(self._requests(), read_rows, self.prefetch, self.threads)
        while True:
            self._check_current(iterator)
            asked = time.perf_counter()
            item = next(batches, None)
            self.waited_seconds += time.perf_counter() - asked
            if item is None:
                return
            self._check_current(iterator)
            (self.indices, self.batch_examples), result = item
            del item
            self.position += 1
            yield result
            del result  # so that its memory is free once the caller has let it go

    def _requests(self) -> Iterator[tuple[Indices, int]]:
        """Give this rank's rows of each mini-batch that is left, and the size of the whole."""
        epoch, first_number, alone = self.epoch, self.position, self.world_size == 1
        fetches = self.windows.song.fetches
        for number, indices in enumerate(self.scheme.mini_batches(epoch, first_number), start=first_number):
            if fetches and (number - first_number) % _BETWEEN_LOOKS == 0:
                self._fetch_ahead(epoch, number)
            examples = len(indices)
            if alone:
                yield indices, examples
            else:
                first, stop = self._rows(examples)
                yield indices[first:stop], examples

    def _rows(self, examples: int) -> tuple[int, int]:
        # Lanes keep their rank, also where the last mini-batch of an epoch lacks some.
        shared = self.scheme.batch_size if self.scheme.carries else examples
        first, stop = self.rank * shared // self.world_size, (self.rank + 1) * shared // self.world_size
        return min(first, examples), min(stop, examples)

    def _fetch_ahead(self, epoch: int, number: int) -> None:
        runs = [self.windows.samples_of(*run) for run in self.scheme.ahead(epoch, number)]
        if runs:
            self.windows.song.fetch_ahead(runs)

    def _check_current(self, iterator: int) -> None:
        if iterator != self._iterators:
            raise StateError(
                "this iterator is of before: its stream has given a new one or loaded a state; "
                "go on with get_epoch_iterator()"
            )

    def _forget(self) -> None:
        self.indices = np.empty(0, dtype=np.int64)
        self.batch_examples = 0

    def state_dict(self) -> dict[str, Any]:
        """Give the state as small plain JSON, the same on every rank.

        Taken after a mini-batch was given, it restores the one after it.
        """
        return {
            "format": _FORMAT,
            "version": _VERSION,
            **self._identity(),
            "epoch": self.epoch,
            "position": self.position,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where a stream stood; the next `get_epoch_iterator` gives what was left of its epoch.

        Parameters
        ----------
        state : mapping
            What `state_dict` gave, on any rank of any number of them.

        Raises
        ------
        StateError
            Not such a state, of a newer version, of another song, scheme or shape, or a position that cannot
            be. The stream is then as it was.
        """
        check_state(state, "stream", _FORMAT, _VERSION, self._identity())
        epoch = whole("epoch of the state", state.get("epoch"), StateError, at_least=0)
        position = whole(
            "position of the state", state.get("position"), StateError, at_least=0, at_most=len(self.scheme)
        )
        self.epoch, self.position = epoch, position
        self._forget()
        self._end_iterators()

    def close(self) -> None:
        """End all iterators and their threads; `get_epoch_iterator` goes on from where the stream stands."""
        self._end_iterators()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_ahead": None}  # iterators stay in their process

    def _end_iterators(self) -> None:
        self._iterators += 1
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None

    def _identity(self) -> dict[str, Any]:
        return {
            "song": self.windows.song.digest,
            "windows": self.windows.shape,
            "scheme": self.scheme.identity,
        }


def _of_environment(
    name: str, value: int | None, variable: str, default: int, *, at_least: int, at_most: int | None = None
) -> int:
    """Give a number, or what the environment says where it is None."""
    if value is not None:
        return whole(name, value, SchemeError, at_least=at_least, at_most=at_most)
    text = os.environ.get(variable, str(default))
    number: object = int(text) if text.isascii() and text.isdigit() else text

    def error(message: str) -> StreamsError:
        return SchemeError(f"{message} ({variable} in the environment)")

    return whole(name, number, error, at_least=at_least, at_most=at_most)
