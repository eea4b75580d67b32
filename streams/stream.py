"""Mini-batches of a song, epoch after epoch, with a state that is exact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.checks import whole
from streams.errors import SchemeError, StateError
from streams.schemes import Scheme
from streams.windows import Windows

__all__ = ["DataStream"]

Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]

_FORMAT = "streams.state"
_VERSION = 1


class DataStream:
    """Windows of a song in the order of a scheme.

    What comes next depends on the state alone (epoch, and mini-batches of it that were given), however it was
    reached: by reading, or by `load_state_dict`.

    Parameters
    ----------
    windows : Windows
        The examples.
    scheme : Scheme
        Their order; its own count of epochs (`Scheme.get_request_iterator`) is neither used nor moved.

    Attributes
    ----------
    epoch : int
        The epoch that the stream stands in, from 0.
    position : int
        Mini-batches of it that were given; with all of them given, the next iterator begins the next epoch.
    indices : ndarray, shape (batch,), int64
        The examples of the mini-batch given last; empty before the first, and after a state was loaded.

    Raises
    ------
    SchemeError
        The scheme orders another number of examples than the windows have.
    """

    sources = ("inputs", "targets")

    def __init__(self, windows: Windows, scheme: Scheme) -> None:
        if scheme.examples != len(windows):
            raise SchemeError(
                f"the scheme orders {scheme.examples} examples and the windows have {len(windows)}: "
                "make it with len(windows)"
            )
        self.windows, self.scheme = windows, scheme
        self.epoch = self.position = 0
        self.indices = np.empty(0, dtype=np.int64)
        self._iterators = 0

    def get_epoch_iterator(self) -> Iterator[Batch]:
        """Give what is left of the epoch that the stream stands in; of the next one where nothing is left.

        A new iterator, or a loaded state, ends the right of earlier iterators to give mini-batches.

        Yields
        ------
        inputs, targets : ndarray, shape (batch, seq, frame), float32
            Both views of one fresh array (`Windows.read`).

        Raises
        ------
        StateError
            From an iterator that is no longer the stream's.
        DamagedShardError
            A shard is not what the index says; the mini-batch counts as not given.
        """
        if self.position == len(self.scheme):
            self.epoch, self.position = self.epoch + 1, 0
        self._iterators += 1
        return self._batches(self.scheme.mini_batches(self.epoch, self.position), self._iterators)

    def _batches(self, requests: Iterator[npt.NDArray[np.int64]], iterator: int) -> Iterator[Batch]:
        for indices in requests:
            if iterator != self._iterators:
                raise StateError(
                    "this iterator is of before: its stream has given a new one or loaded a state; "
                    "go on with get_epoch_iterator()"
                )
            batch = self.windows.read(indices)
            self.indices = indices
            self.position += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Give the state as small plain JSON.

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
            What `state_dict` gave.

        Raises
        ------
        StateError
            Not such a state, of a newer version, of another song, scheme or shape, or a position that cannot
            be. The stream is then as it was.
        """
        if not isinstance(state, Mapping) or state.get("format") != _FORMAT:
            raise StateError(f"not the state of a stream (its format is not {_FORMAT!r}); give what state_dict() gave")
        version = whole("version of the state", state.get("version"), StateError, at_least=1)
        if version > _VERSION:
            raise StateError(f"version {version} of the state is newer than {_VERSION}; update the program")
        self._check_identity(state)
        epoch = whole("epoch of the state", state.get("epoch"), StateError, at_least=0)
        position = whole(
            "position of the state", state.get("position"), StateError, at_least=0, at_most=len(self.scheme)
        )
        self.epoch, self.position = epoch, position
        self.indices = np.empty(0, dtype=np.int64)
        self._iterators += 1

    def _identity(self) -> dict[str, Any]:
        return {
            "song": self.windows.song.digest,
            "windows": self.windows.shape,
            "scheme": self.scheme.identity,
        }

    def _check_identity(self, state: Mapping[str, Any]) -> None:
        differences = [
            f"{name} {theirs!r} and not {ours!r}"
            for name, ours, theirs in _pairs(self._identity(), state)
            if theirs != ours
        ]
        if differences:
            raise StateError(f"the state is of {', '.join(differences)}; use it with what it was saved from")


def _pairs(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Put each value of ours beside theirs, by name; None where one has none."""
    for name, value in ours.items():
        other = theirs.get(name)
        if not isinstance(value, Mapping):
            yield name, value, other
            continue
        inner = other if isinstance(other, Mapping) else {}
        for key in dict.fromkeys((*value, *inner)):
            yield f"{name}.{key}", value.get(key), inner.get(key)
