"""From a stream of a song to tensors on a device: the same bits on each, however they travel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from longsong.training.passes import PassWindows
from streams import DataStream, Normaliser, Transformer, Windows

__all__ = ["StreamDataset", "TorchBatches", "torch_batches"]

Indices = NDArray[np.int64]
Pair = tuple[Tensor, Tensor]
Route = Literal["shared", "resident", "pinned", "samples", "numbers"]

_PIECE = 1 << 24
"""Samples brought to a device at once."""


def torch_batches(
    stream: DataStream | Transformer,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    *,
    resident_bytes: int | None = None,
) -> TorchBatches:
    """Give the mini-batches of a stream as tensors on a device.

    On the CPU they are the stream's own memory. To an accelerator samples travel as int16, two bytes each, and
    are normalised there, by a float32 multiplication and then a float32 addition, so that the numbers are those of
    the CPU to the bit. Where all examples of the stream fit in `resident_bytes`, their samples travel once and stay
    there, and an example is gathered on the device. Else they are pinned and copied by the stream's prefetching
    threads, ahead of their use (`DataStream` with ``prefetch`` above 0).

    Parameters
    ----------
    stream : DataStream or Transformer
        Its state says which mini-batches were given, whatever has travelled ahead. What a transformer gives
        travels as it is, a tensor for each source.
    device : device or str
    dtype : torch.dtype
        What the normalised float32 numbers are turned into.
    resident_bytes : int, optional
        Memory of the device that samples may stay in; by default a quarter of what is free on a CUDA device, and
        nothing elsewhere.

    Returns
    -------
    TorchBatches
        Each ``for inputs, targets in batches`` gives what is left of the stream's epoch, or the next one.
    """
    return TorchBatches(stream, torch.device(device), dtype, resident_bytes)


class TorchBatches:
    """Epochs of a stream as tensors; made by `torch_batches`.

    Attributes
    ----------
    route : {'shared', 'resident', 'pinned', 'samples', 'numbers'}
        How numbers get to the device: they are the stream's own memory; all samples stay there; samples are copied
        from pinned memory, ahead of their use; samples are copied when they are asked for; the numbers of a
        transformer are.
    """

    def __init__(
        self, stream: DataStream | Transformer, device: torch.device, dtype: torch.dtype, resident_bytes: int | None
    ) -> None:
        self.stream, self.device, self.dtype = stream, device, dtype
        if isinstance(stream, Transformer):
            self.route: Route = "numbers"
            return
        windows, budget = stream.windows, resident_bytes
        if budget is None:
            budget = torch.cuda.mem_get_info(device)[0] // 4 if device.type == "cuda" else 0
        self._windows, self.route = windows, "shared"
        # Examples of several passes do not lie at even distances, as one view of the samples would have them.
        even = not isinstance(windows, PassWindows)
        if len(windows) and even and 2 * _length(windows) <= budget:
            self.route, self._resident = "resident", _Resident(windows, device)
        elif device.type == "cuda":
            self.route, self._copies = "pinned", torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        elif device.type != "cpu":
            self.route = "samples"

    def __iter__(self) -> Iterator[Any]:
        """Give what is left of the epoch: inputs and targets, each of shape (rows, seq, frame), views of one tensor.

        Raises
        ------
        streams.StreamsError
            As from `DataStream.get_epoch_iterator`.
        """
        if isinstance(self.stream, Transformer):
            return (
                tuple(torch.from_numpy(np.array(numbers)).to(self.device, self.dtype) for numbers in batch)
                for batch in self.stream.get_epoch_iterator()
            )
        return (_pair(frames.to(self.dtype)) for frames in self._frames(self.stream))

    def _frames(self, stream: DataStream) -> Iterator[Tensor]:
        """Give each mini-batch as one float32 tensor of shape (rows, seq + 1, frame)."""
        windows = self._windows
        if self.route == "resident":
            for indices in stream.read_epoch(lambda rows: rows):
                yield self._resident.read(indices)
        elif self.route == "shared":
            for frames in stream.read_epoch(windows.read_frames):
                yield torch.from_numpy(frames)
        elif self.route == "samples":
            for samples in stream.read_epoch(windows.read_samples):
                yield _normalised(torch.from_numpy(samples).to(self.device), windows.normaliser)
        else:
            for copied, done in stream.read_epoch(self._copy):
                current = torch.cuda.current_stream(self.device)
                current.wait_event(done)
                copied.record_stream(current)
                yield _normalised(copied, windows.normaliser)

    def _copy(self, indices: Indices) -> tuple[Tensor, torch.cuda.Event]:
        """Read examples into pinned memory, and have them copied; in a thread of the stream."""
        windows = self._windows
        shape = (len(indices), windows.seq + 1, windows.frame)
        # Of torch's own pinned memory, which it uses again only once the copy is made.
        pinned = torch.empty(shape, dtype=torch.int16, pin_memory=True)
        windows.read_samples(indices, out=pinned.numpy())
        with torch.cuda.stream(self._copies):
            copied = pinned.to(self.device, non_blocking=True)
            done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            done.record()
        return copied, done


class _Resident:
    """All samples of windows on a device, and examples gathered there."""

    def __init__(self, windows: Windows, device: torch.device) -> None:
        self._shape = (-1, windows.seq + 1, windows.frame)
        self._normaliser, self._device = windows.normaliser, device
        start, length = windows.first_sample(0), _length(windows)
        samples = torch.empty(length, dtype=torch.int16, device=device)
        for at in range(0, length, _PIECE):
            stop = min(at + _PIECE, length)
            # A copy of what may be a read-only map: torch gives tensors that could be written to.
            samples[at:stop] = torch.from_numpy(windows.song[start + at : start + stop].copy()).to(device)
        # Each example a row of a view: rows may overlap, and nothing is copied.
        self._examples = samples.as_strided((len(windows), windows.frame * (windows.seq + 1)), (windows.hop, 1))

    def read(self, indices: Indices) -> Tensor:
        rows = torch.from_numpy(indices.copy())
        # From memory that is not pinned a copy is waited for, and with it all that the device was to do before.
        if self._device.type == "cuda":
            rows = rows.pin_memory()
        rows = rows.to(self._device, non_blocking=True)
        return _normalised(self._examples[rows], self._normaliser).view(self._shape)


class StreamDataset(IterableDataset[tuple[NDArray[np.float32], NDArray[np.float32]]]):
    """A stream for a `torch.utils.data.DataLoader`, with ``batch_size=None``: the stream makes the mini-batches.

    With worker processes each of them makes every n-th mini-batch, and the loader gives them in the stream's order.
    The workers' streams are copies, so that the one here does not move: say the epoch by `set_epoch` before each,
    or the same one comes again. Have workers started by ``spawn``, or before threads read from the song: Python's
    and libraries' own locks do not survive a fork in the middle of something. Threads (``prefetch``) do the same in
    one process, with an exact state; this is for code that wants a loader.

    Parameters
    ----------
    stream : DataStream
        Of one process, whatever the environment says, or of one rank; what it gives first is what is left of its
        epoch.
    """

    def __init__(self, stream: DataStream) -> None:
        self.stream = stream
        # Seen by workers that live through several epochs too.
        self._begin = torch.tensor([stream.epoch, stream.position]).share_memory_()  # type: ignore[no-untyped-call]

    def set_epoch(self, epoch: int) -> None:
        """Have the next iteration begin with the first mini-batch of an epoch, from 0.

        Raises
        ------
        streams.StateError
            `epoch` is no such number.
        """
        self._go_to(epoch, 0)
        self._begin[0], self._begin[1] = epoch, 0

    def _go_to(self, epoch: int, position: int) -> None:
        self.stream.load_state_dict({**self.stream.state_dict(), "epoch": epoch, "position": position})

    def __len__(self) -> int:
        return len(self.stream.scheme)

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        if worker is None:
            return self.stream.get_epoch_iterator()
        self._go_to(*self._begin.tolist())
        return (
            self.stream.windows.read(indices)
            for number, indices in enumerate(self.stream.read_epoch(lambda rows: rows))
            if number % worker.num_workers == worker.id
        )


def _length(windows: Windows) -> int:
    """Give the samples from the beginning of the first example to the end of the last."""
    first, stop = windows.samples_of(0, len(windows))
    return stop - first


def _normalised(samples: Tensor, normaliser: Normaliser) -> Tensor:
    """Give int16 samples as normalised float32, in two steps that no device fuses."""
    numbers = samples.to(torch.float32)
    numbers.mul_(normaliser.scale)
    numbers.add_(normaliser.offset)
    return numbers


def _pair(frames: Tensor) -> Pair:
    return frames[:, :-1], frames[:, 1:]
