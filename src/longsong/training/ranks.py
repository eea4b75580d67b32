"""The processes that train one run together, as `torchrun` starts them."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from longsong.errors import ConfigError, RanksError
from longsong.units import human_time

__all__ = ["ALONE", "Ranks", "ranks_of_environment"]

_LONGEST_WAIT = 30 * 60.0
"""Seconds that one waits for another that says nothing: one that writes, or computes a mini-batch, is waited for."""

_TIMEOUT = timedelta(seconds=_LONGEST_WAIT + 60)  # of torch, which would not say what was waited for

_SHARE_SLEPT, _SHORTEST_SLEEP, _LONGEST_SLEEP = 0.1, 20e-6, 2e-3
"""Between two looks whether a sum is there: of what was waited so far, and in seconds."""

_FIRST_WAIT = timedelta(milliseconds=20)
"""That torch waits by itself: being woken is quicker than sleeping and looking, and most sums end within it."""

_SECONDS_BEFORE_DOUBT = 1.0

_GO_ON_LATER = "start all of them again with the same command, and it goes on from the last checkpoint"

_SECONDS_BETWEEN_SIGNS = 60.0
_GO_ON, _BUSY, _REFUSED = 0.0, 1.0, 2.0  # what the first says to those that wait; they add nothing to it


class Ranks:
    """The ranks of a run.

    Parameters
    ----------
    rank, size : int
        Which this is, from 0, and how many there are.
    local_size : int
        How many of them are on this machine.
    launcher : int, optional
        The parent process, where ranks are to end with it.

    Attributes
    ----------
    first : bool
        Whether this is the one that writes.
    unfinished : bool
        Whether a sum was left while others had still to add to it; there can be no other then.
    """

    def __init__(self, rank: int = 0, size: int = 1, local_size: int = 1, launcher: int | None = None) -> None:
        self.rank, self.size, self.local_size, self.launcher = rank, size, local_size, launcher
        self.first, self.unfinished = rank == 0, False
        self._awaited = False
        self._sign = time.monotonic()

    def sum(self, numbers: Tensor, what: str = "numbers") -> None:
        """Add up what all ranks have, in place; all get the same bits. Signals are obeyed meanwhile.

        Parameters
        ----------
        numbers : Tensor
        what : str
            What the others add, in words for who waits in vain.

        Raises
        ------
        RanksError
            Another rank has gone, or says nothing for half an hour; or what started them has gone while one waited.
        """
        if self.size == 1:
            return
        if self.unfinished:
            raise RanksError(f"an earlier sum was left unfinished; {_GO_ON_LATER}")
        with _told():
            self.unfinished = True  # until it is finished, however this is left
            work = dist.all_reduce(numbers, async_op=True)
            if numbers.device.type == "cpu":  # for nccl a wait that ends too early is an error of the whole group
                with suppress(RuntimeError):  # that its time is over; any other is raised again below
                    work.wait(_FIRST_WAIT)
            self._wait_for(work, what)
            self.unfinished = False
            work.wait()

    def _wait_for(self, work: dist.Work, what: str) -> None:
        # By Python: while torch waits, no handler of a signal is called.
        begun = time.monotonic()
        while not work.is_completed():
            waited = time.monotonic() - begun
            if waited >= _SECONDS_BEFORE_DOUBT and self.launcher not in (None, os.getppid()):
                raise RanksError(
                    f"what started the processes of this run (process {self.launcher}, torchrun) has gone, while one "
                    f"of them waited for {what} of the others; {_GO_ON_LATER}"
                )
            if waited >= _LONGEST_WAIT:
                raise RanksError(
                    f"{what} of the other processes of this run did not come within {human_time(_LONGEST_WAIT)}: one "
                    f"of them hangs or is too slow; {_GO_ON_LATER}"
                )
            time.sleep(min(max(waited * _SHARE_SLEPT, _SHORTEST_SLEEP), _LONGEST_SLEEP))

    def wait(self) -> None:
        """Wait until the first rank says that it goes on, for as long as it gives signs.

        Raises
        ------
        RanksError
            It refused, and says why; or another rank has gone.
        """
        word = torch.full((1,), _BUSY)
        while word.item() == _BUSY:
            self.sum(word.zero_(), "the sign of the first")
        if word.item() == _REFUSED:
            raise RanksError("the first process of this run refused it, and says why", said=True)

    @contextmanager
    def leading(self) -> Iterator[None]:
        """Have the others wait while the first rank, which this is, begins; where it does not go on, they end too.

        Does nothing for a process by itself.
        """
        self._awaited = self.size > 1
        try:
            yield
        except BaseException:
            if self._awaited:
                with suppress(RanksError):
                    self._tell(_REFUSED)
            raise

    def keep_waiting(self) -> None:
        """Tell the ranks that wait for the first, which this is, that it is at work; raises as `sum`."""
        if self._awaited and time.monotonic() - self._sign >= _SECONDS_BETWEEN_SIGNS:
            self._tell(_BUSY)

    def go_on(self) -> None:
        """Tell the ranks that wait for the first, which this is, that they can go on; raises as `sum`."""
        if self._awaited:
            self._awaited = False
            self._tell(_GO_ON)

    def _tell(self, word: float) -> None:
        self.sum(torch.tensor([word]), "the beginning")
        self._sign = time.monotonic()


ALONE = Ranks()
"""A process by itself."""


@contextmanager
def ranks_of_environment(environment: Mapping[str, str] = os.environ) -> Iterator[Ranks]:
    """Join the ranks that `torchrun` started, for as long as the block lasts; alone where it started none.

    Raises
    ------
    ConfigError
        The environment names ranks that cannot be.
    RanksError
        The others are not there.
    """
    found = _read(environment)
    if found is None:
        yield ALONE
        return
    rank, size, local_rank, local_size = found
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(local_rank % torch.cuda.device_count())
    launcher = os.getppid() if "TORCHELASTIC_RUN_ID" in environment else None  # ranks started by hand may outlive it
    with _told(), _ended_by_signals():
        dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=_TIMEOUT)
    ranks = Ranks(rank, size, local_size, launcher)
    try:
        yield ranks
    finally:
        if ranks.unfinished:
            _abandon()
        else:
            dist.destroy_process_group()


def _abandon() -> None:
    """Leave the others where they are; the process can end then, and can have no other ranks."""
    group = dist.group.WORLD
    if group is None:
        return
    group.abort()  # ends what a CUDA device waits for; gloo goes on
    # Whoever takes gloo's group apart waits for the sum in it, and the interpreter does at its end: it is never freed.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(group))


def _read(environment: Mapping[str, str]) -> tuple[int, int, int, int] | None:
    """Give rank, size, and both on this machine; None where there is one process alone."""
    if environment.get("WORLD_SIZE", "1") == "1" or "MASTER_ADDR" not in environment:
        return None
    size = _number(environment, "WORLD_SIZE", 1, 1 << 20)
    local_size = _number(environment, "LOCAL_WORLD_SIZE", 1, size)
    _number(environment, "MASTER_PORT", 1, (1 << 16) - 1)
    rank, local_rank = _number(environment, "RANK", 0, size - 1), _number(environment, "LOCAL_RANK", 0, local_size - 1)
    return rank, size, local_rank, local_size


def _number(environment: Mapping[str, str], name: str, least: int, most: int) -> int:
    text = environment.get(name, "")
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise ConfigError(
            f"{name} is {text!r}, where torchrun sets a number from {least} to {most}; start with torchrun, or unset "
            "WORLD_SIZE for one process"
        )
    return int(text)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Have Ctrl-C and SIGTERM end the process at once: in a wait outside of Python no handler of ours is called."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise RanksError(f"another process of this run has gone; {_GO_ON_LATER}") from error
