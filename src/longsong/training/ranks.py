"""The processes that train one run together, as `torchrun` starts them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from longsong.errors import ConfigError, RanksError

__all__ = ["ALONE", "Ranks", "ranks_of_environment"]

_TIMEOUT = timedelta(minutes=30)
"""How long one waits for another that says nothing: one that writes, or computes a mini-batch, is waited for."""

_SECONDS_BETWEEN_SIGNS = 60.0


class Ranks:
    """The ranks of a run.

    Parameters
    ----------
    rank, size : int
        Which this is, from 0, and how many there are.
    local_size : int
        How many of them are on this machine.

    Attributes
    ----------
    first : bool
        Whether this is the one that writes.
    """

    def __init__(self, rank: int = 0, size: int = 1, local_size: int = 1) -> None:
        self.rank, self.size, self.local_size = rank, size, local_size
        self.first = rank == 0
        self._sign = time.monotonic()

    def sum(self, numbers: Tensor) -> None:
        """Add up what all ranks have, in place; all get the same bits.

        Raises
        ------
        RanksError
            Another rank has gone.
        """
        if self.size > 1:
            with _told():
                dist.all_reduce(numbers)

    def wait(self) -> None:
        """Wait until the first rank says that it goes on, for as long as it gives signs; raises as `sum`."""
        busy = torch.ones(1)
        while busy.item():
            self.sum(busy.zero_())

    def keep_waiting(self) -> None:
        """Tell the ranks that wait for the first, which this is, that it is at work; raises as `sum`."""
        if time.monotonic() - self._sign >= _SECONDS_BETWEEN_SIGNS:
            self._tell(busy=True)

    def go_on(self) -> None:
        """Tell the ranks that wait for the first, which this is, that they can go on; raises as `sum`."""
        self._tell(busy=False)

    def _tell(self, *, busy: bool) -> None:
        self.sum(torch.tensor([float(busy)]))
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
    if int(environment.get("WORLD_SIZE", "1")) == 1 or "MASTER_ADDR" not in environment:
        yield ALONE
        return
    try:
        rank, size, local_rank, local_size = (
            int(environment[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        )
    except (KeyError, ValueError) as error:
        raise ConfigError(f"WORLD_SIZE is set, and {error} is not as torchrun sets it; start with torchrun") from error
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(local_rank % torch.cuda.device_count())
    with _told():
        dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=_TIMEOUT)
    try:
        yield Ranks(rank, size, local_size)
    finally:
        dist.destroy_process_group()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise RanksError(
            "another process of this run has gone; start all of them again with the same command, and it goes on from "
            "the last checkpoint"
        ) from error
