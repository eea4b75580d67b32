"""What transformers, checkers and trainers ask of a stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from streams.schemes import Scheme

__all__ = ["Batch", "Stream"]

Batch = tuple[npt.NDArray[Any], ...]
"""An array for each source; each has a row for each example."""


class Stream(Protocol):
    """What is asked of a stream; `DataStream` and every transformer are such."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the arrays of a mini-batch, in order."""

    @property
    def scheme(self) -> Scheme:
        """How many examples and mini-batches an epoch has, and their order."""

    @property
    def rank(self) -> int:
        """Which part of each mini-batch this is, from 0."""

    @property
    def world_size(self) -> int:
        """In how many parts each mini-batch is given."""

    @property
    def epoch(self) -> int:
        """The epoch that the stream stands in, from 0."""

    @property
    def position(self) -> int:
        """Mini-batches of it that were given."""

    @property
    def indices(self) -> npt.NDArray[np.int64]:
        """The examples of this rank's rows, of the mini-batch given last."""

    @property
    def resets(self) -> npt.NDArray[np.bool_]:
        """True for each of these rows that does not continue the same row of the mini-batch before."""

    @property
    def batch_examples(self) -> int:
        """Rows of that mini-batch over all ranks."""

    @property
    def waited_seconds(self) -> float:
        """How long the consumer waited for mini-batches so far."""

    def get_epoch_iterator(self, as_dict: bool = False) -> Iterator[Any]:
        """Give what is left of the epoch that the stream stands in; of the next where nothing is left."""

    def state_dict(self) -> dict[str, Any]:
        """Give the state as small plain JSON."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where a stream of the same kind stood."""

    def close(self) -> None:
        """Let go of threads and files."""
