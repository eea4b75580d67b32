"""What a candidate is given, and what it has to be able to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Batch", "Candidate", "Task"]

Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
"""inputs, targets: shape (rows, seq, frame) each."""


@dataclass(frozen=True)
class Task:
    """One song in one shape.

    Parameters
    ----------
    song : str
        The song as a file of int16 little-endian samples.
    folder : str
        Where the candidate's own data are.
    frame, seq, batch : int
        Samples of a frame, frames of a sequence, examples of a mini-batch.
    scale, offset : float
        How a sample is normalised: ``x * scale + offset`` in float32, each step rounded.
    """

    song: str
    folder: str
    frame: int
    seq: int
    scale: float
    offset: float
    batch: int = 128

    @property
    def hop(self) -> int:
        """Samples from one example to the next."""
        return self.frame * self.seq

    @property
    def row_samples(self) -> int:
        """Samples that an example is made of: its inputs and one frame more."""
        return self.hop + self.frame

    @cached_property
    def examples(self) -> int:
        """How many the song holds."""
        return (len(self.samples) - self.frame) // self.hop

    @cached_property
    def samples(self) -> npt.NDArray[np.int16]:
        """The song, shape (n,), as a memory map."""
        return np.memmap(Path(self.song), dtype="<i2", mode="r")

    def row(self, example: int) -> npt.NDArray[np.int16]:
        """Give the samples of an example, shape (row_samples,)."""
        return self.samples[example * self.hop : example * self.hop + self.row_samples]

    def orders(self) -> Iterator[list[npt.NDArray[np.int64]]]:
        """Give the mini-batches of one epoch after the other: the global shuffle that all candidates follow."""
        generator = np.random.RandomState(1)
        while True:
            order = np.arange(self.examples)
            generator.shuffle(order)
            yield [order[at : at + self.batch] for at in range(0, self.examples, self.batch)]

    def normalised(self, rows: npt.NDArray[np.int16]) -> Batch:
        """Normalise a mini-batch of whole examples, shape (rows, row_samples), in two passes of NumPy.

        Of the ways that were tried for what stacks its examples as int16 (for each example before it is stacked;
        here; in torch, which has no huge pages for fresh memory), it was the fastest at most shapes.
        """
        out = np.multiply(rows, np.float32(self.scale), dtype=np.float32)
        out += np.float32(self.offset)
        return self.inputs_and_targets(out)

    def inputs_and_targets(self, rows: npt.NDArray[np.float32]) -> Batch:
        """See one buffer of shape (rows, row_samples) twice."""
        frames = rows.reshape(len(rows), self.seq + 1, self.frame)
        return frames[:, :-1], frames[:, 1:]


class Candidate(ABC):
    """Something that gives mini-batches.

    Attributes
    ----------
    title : str
        As it is printed.
    kind : str
        ``peer``: counts as one; ``reference``: beside the peers, to know the machine by.
    own_order : str
        Empty where it follows `Task.orders`; else what it does instead.
    per_shape : bool
        Whether its data have to be prepared for each shape anew.
    needs, needs_to_prepare : tuple of str
        The modules that it imports, and those beside them that `prepare` does.
    settles_after : int
        Samples after which it runs as it does from then on.
    """

    title: str
    kind: Literal["ours", "floor", "peer", "reference"] = "peer"
    own_order = ""
    per_shape = True
    needs: tuple[str, ...] = ()
    needs_to_prepare: tuple[str, ...] = ()
    settles_after = 0

    def missing(self) -> str:
        """Say what is not installed; empty where it can run."""
        return ", ".join(name for name in self.needs if find_spec(name.partition(".")[0]) is None)

    def load(self) -> None:
        """Import all that is needed."""
        for name in self.needs:
            import_module(name)

    @abstractmethod
    def prepare(self, task: Task) -> None:
        """Write the data of a task from `Task.samples` to `Task.folder`, an empty folder."""

    @abstractmethod
    def open(self, task: Task) -> Iterator[Iterator[Batch]]:
        """Open them and give epochs, one after the other."""
