"""A stream around streams: what all transformers have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.errors import StateError, TransformerError
from streams.schemes import Scheme
from streams.state import check_state
from streams.transformers.protocol import Batch, Stream

__all__ = ["Transformer", "distinct_names"]

_FORMAT = "streams.transformed"
_VERSION = 1


class Transformer(ABC):
    """Gives the mini-batches of one stream, or of several in step, after something was done to them.

    A transformer has no position of its own: it stands where what it wraps stands, and its state is that
    state with the names and parameters of all transformers on the way. What it does to a mini-batch follows
    from the mini-batch alone, so that the state is as exact as that of the stream. A mini-batch out of which
    an exception came counts as not given.

    Parameters
    ----------
    streams : sequence of Stream
        What is wrapped: streams or transformers, which are to be read by this transformer only.
    sources : sequence of str
        Names of the arrays that it gives.

    Attributes
    ----------
    streams : tuple of Stream
        What is wrapped.
    sources : tuple of str
        Names of the arrays that it gives.

    Raises
    ------
    TransformerError
        A name of a source that is empty or stands twice.
    """

    def __init__(self, streams: Sequence[Stream], sources: Iterable[str]) -> None:
        self.streams = tuple(streams)
        self.sources = distinct_names("sources", sources)

    @abstractmethod
    def transform_batch(self, batch: Batch) -> Batch:
        """Give the arrays of `sources`, made of those of the wrapped streams.

        Parameters
        ----------
        batch : tuple of ndarray
            Not to be written into: inputs and targets are views of one buffer. A rank may have no rows.
        """

    @property
    def parameters(self) -> dict[str, Any]:
        """What tells this transformer from others of its class, beside its sources: plain JSON."""
        return {}

    @property
    def scheme(self) -> Scheme:
        """That of the (first) wrapped stream."""
        return self.streams[0].scheme

    @property
    def rank(self) -> int:
        """That of the wrapped stream."""
        return self.streams[0].rank

    @property
    def world_size(self) -> int:
        """That of the wrapped stream."""
        return self.streams[0].world_size

    @property
    def epoch(self) -> int:
        """That of the wrapped stream."""
        return self.streams[0].epoch

    @property
    def position(self) -> int:
        """That of the wrapped stream."""
        return self.streams[0].position

    @property
    def indices(self) -> npt.NDArray[np.int64]:
        """Those of the wrapped stream."""
        return self.streams[0].indices

    @property
    def resets(self) -> npt.NDArray[np.bool_]:
        """Those of the wrapped stream."""
        return self.streams[0].resets

    @property
    def batch_examples(self) -> int:
        """Those of the wrapped stream."""
        return self.streams[0].batch_examples

    @property
    def waited_seconds(self) -> float:
        """What was waited for all wrapped streams together."""
        return sum(stream.waited_seconds for stream in self.streams)

    def close(self) -> None:
        """Close what is wrapped."""
        for stream in self.streams:
            stream.close()

    def get_epoch_iterator(self, as_dict: bool = False) -> Iterator[Any]:
        """Give what is left of the epoch that the stream stands in; of the next one where nothing is left.

        Parameters
        ----------
        as_dict : bool
            Give each mini-batch as a dict from source to array, and not as a tuple in the order of `sources`.

        Yields
        ------
        tuple or dict of ndarray
            They belong to the consumer; inputs and targets may be views of one buffer.

        Raises
        ------
        StateError
            From an iterator that is no longer the stream's; or a wrapped stream was read on its own.
        TransformerError
            The mini-batch cannot be transformed; it counts as not given.
        """
        self._check_in_step()
        return self._batches([stream.get_epoch_iterator() for stream in self.streams], as_dict)

    def state_dict(self) -> dict[str, Any]:
        """Give the state as small plain JSON: what the transformer is, and the states of what it wraps."""
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "transformer": self._identity(),
            "streams": [stream.state_dict() for stream in self.streams],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where the same chain of transformers stood.

        Raises
        ------
        StateError
            Not such a state, of a newer version, of another chain or other streams. All streams then stand
            where they stood.
        """
        inner = self._inner_states(state)
        before = [stream.state_dict() for stream in self.streams]
        try:
            for stream, its in zip(self.streams, inner, strict=True):
                stream.load_state_dict(its)
            self._check_in_step()
        except StateError:
            self._go_back(before)
            raise

    def _identity(self) -> dict[str, Any]:
        return {"name": type(self).__name__, "sources": list(self.sources), **self.parameters}

    def _inner_states(self, state: Mapping[str, Any]) -> list[Any]:
        """Give the states of the wrapped streams out of one of this very chain."""
        check_state(state, type(self).__name__, _FORMAT, _VERSION, {"transformer": self._identity()})
        inner = state.get("streams")
        if not isinstance(inner, list) or len(inner) != len(self.streams):
            raise StateError(
                f"the state is not of {len(self.streams)} wrapped stream(s); use it with what it was saved from"
            )
        return inner

    def _batches(self, iterators: list[Iterator[Batch]], as_dict: bool) -> Iterator[Any]:
        while (batch := self._next(iterators)) is not None:
            yield dict(zip(self.sources, batch, strict=True)) if as_dict else batch
            del batch  # so that its memory is free once the consumer has let it go

    def _next(self, iterators: list[Iterator[Batch]]) -> Batch | None:
        before = [stream.state_dict() for stream in self.streams]
        try:
            parts = [part for iterator in iterators if (part := next(iterator, None)) is not None]
            self._check_in_step()
            return self.transform_batch(tuple(chain.from_iterable(parts))) if parts else None
        except BaseException:
            self._go_back(before)
            raise

    def _go_back(self, before: list[dict[str, Any]]) -> None:
        for stream, state in zip(self.streams, before, strict=True):
            # Loading would end the right of an iterator that somebody else took meanwhile.
            if stream.state_dict() != state:
                stream.load_state_dict(state)

    def _check_in_step(self) -> None:
        places = [(stream.epoch, stream.position) for stream in self.streams]
        if len(set(places)) > 1:
            raise StateError(
                f"the wrapped streams stand at different places, (epoch, mini-batches given) {places}: "
                "read them through the transformer only, or load one of its states"
            )


def distinct_names(what: str, names: Iterable[str]) -> tuple[str, ...]:
    """Give names as a tuple.

    Parameters
    ----------
    what : str
        What they are, for the message.
    names : iterable of str
        Each once.

    Raises
    ------
    TransformerError
        One bare string, something that is no string or empty, or a name that stands twice.
    """
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TransformerError(f"{what} is {names!r}: give names in a tuple, such as ('inputs',)")
    found = tuple(names)
    for name in found:
        if not isinstance(name, str) or not name:
            raise TransformerError(f"{what} has {name!r} in it: give names that are not empty")
    if len(set(found)) < len(found):
        raise TransformerError(f"{what} {found!r}: a name stands twice; give each once")
    return found
