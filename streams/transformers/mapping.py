"""A function of the user's on each mini-batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.errors import TransformerError
from streams.transformers.base import Transformer, distinct_names
from streams.transformers.protocol import Batch, Stream

__all__ = ["Mapping"]


class Mapping(Transformer):
    """Applies a function to each mini-batch.

    Parameters
    ----------
    stream : Stream
        What is wrapped.
    mapping : callable
        Is given a tuple of arrays in the order of the stream's sources, read-only, since inputs and targets
        are views of one buffer. Gives a tuple of as many arrays, or of those of `add_sources`; each has a row
        for each row that was given, and none where none was. The same arrays must give the same ones again,
        or a restored stream is not what it was.
    add_sources : sequence of str, optional
        What the function gives is added behind the stream's own sources, under these names.
    name : str, optional
        What the mapping is called in a state; by default the function's module and qualified name. A lambda
        and an object without such a name need one.

    Raises
    ------
    TransformerError
        What is not to be called or has no name; a name of a source that stands twice. When a mini-batch is
        given: not arrays, or another number of them, or of rows.
    """

    def __init__(
        self,
        stream: Stream,
        mapping: Callable[[Batch], Iterable[npt.NDArray[Any]]],
        add_sources: Iterable[str] = (),
        *,
        name: str | None = None,
    ) -> None:
        if not callable(mapping):
            raise TransformerError(f"mapping is {mapping!r}: give a function of a tuple of arrays")
        self.add_sources = distinct_names("add_sources", add_sources)
        super().__init__((stream,), (*stream.sources, *self.add_sources))
        self.mapping = mapping
        self.name = _name_of(mapping) if name is None else name
        if not isinstance(self.name, str) or not self.name:
            raise TransformerError(f"name of the mapping is {name!r}: give a name that is not empty")

    @property
    def parameters(self) -> dict[str, Any]:
        """The name of the function."""
        return {"mapping": self.name}

    def transform_batch(self, batch: Batch) -> Batch:
        """Give what the function gives, behind the batch where `add_sources` are named."""
        shown = tuple(_read_only(array) for array in batch)
        found = self.mapping(shown)
        names = self.add_sources or self.sources
        if not isinstance(found, tuple | list) or len(found) != len(names):
            what = f"{len(found)} of them" if isinstance(found, tuple | list) else f"a {type(found).__name__}"
            raise TransformerError(f"mapping {self.name!r} gave {what}: give a tuple of {len(names)} arrays, {names!r}")
        rows = len(batch[0])
        for name, array in zip(names, found, strict=True):
            if not isinstance(array, np.ndarray) or array.ndim == 0 or len(array) != rows:
                what = f"shape {array.shape}" if isinstance(array, np.ndarray) else f"a {type(array).__name__}"
                raise TransformerError(f"mapping {self.name!r} gave {what} for {name!r}: give an array of {rows} rows")
        given = dict(zip(map(id, shown), batch, strict=True))
        made = tuple(given[id(array)] if id(array) in given else _writeable(array) for array in found)
        return batch + made if self.add_sources else made


def _name_of(mapping: Callable[..., Any]) -> str:
    name = getattr(mapping, "__qualname__", "<nameless>")
    if name.endswith(">"):
        raise TransformerError(f"{mapping!r} has no name to be known by in a state: give name=")
    return f"{getattr(mapping, '__module__', '')}.{name}"


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def _writeable(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Give the consumer an array of its own, where the function gave a part of what it was shown."""
    return array if array.flags.writeable else array.copy()
