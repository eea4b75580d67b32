"""Updates that are handed to a device, and not waited for: their numbers come when they are there."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, Self

import torch
from torch import Tensor

from longsong.model.captured import Repeated, capture
from longsong.model.fused import FusedGradient
from longsong.training.enqueued_step import STATISTICS, EnqueuedStep, statistics_of
from longsong.training.optimiser import RMSProp
from longsong.training.updater import Updater
from longsong.training.updates import ImmediateUpdates, Outcome, Updates

__all__ = ["EnqueuedUpdates", "Enqueuing", "updates_of"]

_MOST_IN_FLIGHT = 8
"""Updates that the host may be ahead by: enough for it to do something else, few to wait for where it has to stop."""

Capture = Callable[[Callable[[], object]], Callable[[], object]]


class Enqueuing(Protocol):
    """A form of the network that does not wait for its device (`longsong.model.fused.FusedGradient`)."""

    def enqueue(self, parameters: Tensor, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Have cost and gradient computed."""

    @property
    def memory(self) -> Hashable:
        """What is the same as long as its buffers are where they are."""


class _Mark(Protocol):
    """A moment in the work of a device: of `torch.cuda.Event`, what is used here."""

    def query(self) -> bool: ...
    def synchronize(self) -> None: ...
    def elapsed_time(self, later: Self) -> float: ...


class _HostMark:
    """A moment on a device whose work is done when a call returns."""

    def __init__(self) -> None:
        self._at = time.perf_counter()

    def query(self) -> bool:
        return True

    def synchronize(self) -> None:
        pass

    def elapsed_time(self, later: _HostMark) -> float:
        """Give the milliseconds to a later moment."""
        return 1000 * (later._at - self._at)


@dataclass
class _Begun:
    """An update that was handed over: when it began and ended, and which row its numbers come to."""

    before: _Mark
    began: _Mark
    ended: _Mark
    row: int


def updates_of(updater: Updater, say: Callable[[str], object]) -> Updates:
    """Give the updates of a run: on CUDA those that the host runs ahead of, in the fused form.

    Parameters
    ----------
    updater : Updater
    say : callable
        As of `EnqueuedUpdates`.
    """
    if updater.parameters.device.type == "cuda" and isinstance(updater.form, FusedGradient):
        return EnqueuedUpdates(updater.parameters, updater.optimiser, updater.form, say)
    return ImmediateUpdates(updater)


class EnqueuedUpdates:
    """Updates that the host runs ahead of.

    On CUDA an update is captured as a graph when its shape comes the second time, and launched as one from then on.
    Nothing waits for the device but what asks for all that was begun, or is 8 updates ahead.

    Parameters
    ----------
    parameters : Tensor, shape (size,)
        Changed in place.
    optimiser : RMSProp
    form : Enqueuing
    say : callable
        Is told in a line what does not go as fast as it could.
    capture : callable, optional
        As of `longsong.model.captured.Repeated`.
    """

    def __init__(
        self,
        parameters: Tensor,
        optimiser: RMSProp,
        form: Enqueuing,
        say: Callable[[str], object],
        capture: Capture = capture,
    ) -> None:
        self._parameters, self._form = parameters.detach(), form
        self._say, self._capture = say, capture
        self._step, self._clip = EnqueuedStep(optimiser), optimiser.step_clip
        self._device = parameters.device
        on_cuda = self._device.type == "cuda"
        self._numbers = torch.empty(_MOST_IN_FLIGHT, STATISTICS, dtype=torch.float64, pin_memory=on_cuda)
        self._free = deque(range(_MOST_IN_FLIGHT))
        self._begun: deque[_Begun] = deque()
        self._work: dict[tuple[tuple[int, ...], ...], tuple[list[Tensor], Repeated]] = {}
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Count the seconds of the next update from here."""
        self._ended = self._mark()

    def begin(self, inputs: Tensor, targets: Tensor) -> None:
        """Hand an update over; waits for the oldest where too many are under way, whose outcome must be taken."""
        given = _in_one(inputs, targets)
        memory, work = self._of_shapes(given)
        for there, here in zip(memory, given, strict=True):
            there.copy_(here)
        self._step.set_rate()
        began = self._mark()
        work()
        row = self._free.popleft()
        self._numbers[row].copy_(self._step.statistics, non_blocking=True)
        before, self._ended = self._ended, self._mark()
        self._begun.append(_Begun(before, began, self._ended, row))

    def finished(self, *, wait: bool) -> Iterator[Outcome]:
        """Give the updates that are made and were not given before; with `wait` all that were begun.

        Raises
        ------
        longsong.errors.NotFiniteError
            As `longsong.training.updates.Updates.finished`.
        """
        while self._begun:
            if wait or not self._free:
                self._begun[0].ended.synchronize()
            elif not self._begun[0].ended.query():
                return
            begun = self._begun.popleft()
            numbers = self._numbers[begun.row].tolist()
            self._free.append(begun.row)
            cost, step = statistics_of(numbers, len(self._parameters), self._clip)
            seconds = begun.before.elapsed_time(begun.ended) / 1000
            yield Outcome(cost, step, seconds, min(seconds, begun.began.elapsed_time(begun.ended) / 1000))

    def _of_shapes(self, given: Sequence[Tensor]) -> tuple[list[Tensor], Repeated]:
        """Give the memory of a mini-batch, from which it is computed, and the update."""
        shapes = tuple(tuple(one.shape) for one in given)
        if shapes not in self._work:
            memory = [torch.empty_like(one, memory_format=torch.contiguous_format) for one in given]
            x, y = memory if len(memory) > 1 else (memory[0][:, :-1], memory[0][:, 1:])
            # Not by a method: what refers to itself would hold the device's memory until Python looks for such things.
            update = partial(_update, self._form, self._step, self._parameters, x, y)
            repeated = Repeated(update, self._device, self._capture, partial(_memory, self._form), self._say)
            self._work[shapes] = memory, repeated
        return self._work[shapes]

    def _mark(self) -> _Mark:
        if self._device.type != "cuda":
            return _HostMark()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event


def _in_one(inputs: Tensor, targets: Tensor) -> Sequence[Tensor]:
    """Give inputs and targets, or the frames, shape (batch, seq + 1, frame), that both are views of, a frame apart."""
    apart = targets.storage_offset() - inputs.storage_offset()
    one = inputs.untyped_storage().data_ptr() == targets.untyped_storage().data_ptr()
    if not one or inputs.stride() != targets.stride() or apart != inputs.stride(1):
        return inputs, targets
    batch, seq, frame = inputs.shape
    return (inputs.as_strided((batch, seq + 1, frame), inputs.stride()),)


def _update(form: Enqueuing, step: EnqueuedStep, parameters: Tensor, x: Tensor, y: Tensor) -> None:
    cost, gradient = form.enqueue(parameters, x, y)
    step(parameters, cost, gradient)


def _memory(form: Enqueuing) -> Hashable:
    return form.memory
