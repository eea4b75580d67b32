"""Other names for the sources."""

from __future__ import annotations

import collections.abc
from typing import Any

from streams.errors import TransformerError
from streams.transformers.base import Transformer
from streams.transformers.protocol import Batch, Stream

__all__ = ["Rename"]


class Rename(Transformer):
    """Gives sources another name; the arrays stay as they are.

    Parameters
    ----------
    stream : Stream
        What is wrapped.
    names : mapping of str to str
        The new name for each old one. All are renamed at once, so that two sources may change names.

    Raises
    ------
    TransformerError
        An old name that is no source of the stream, or names after which one would stand twice.
    """

    def __init__(self, stream: Stream, names: collections.abc.Mapping[str, str]) -> None:
        if not isinstance(names, collections.abc.Mapping):
            raise TransformerError(f"names is {names!r}: give a mapping such as {{'inputs': 'x'}}")
        for old in names:
            if old not in stream.sources:
                raise TransformerError(f"no source is called {old!r}: rename those of {stream.sources!r}")
        super().__init__((stream,), [names.get(name, name) for name in stream.sources])
        self.names = dict(names)

    @property
    def parameters(self) -> dict[str, Any]:
        """The renaming."""
        return {"names": self.names}

    def transform_batch(self, batch: Batch) -> Batch:
        """Give the arrays as they are."""
        return batch
