"""What kernels touch of memory, in Triton's interpreter: where, and between which barriers. No number is computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import pytest
import torch
import triton.language as tl
from numpy.typing import NDArray
from triton.runtime.interpreter import GridExecutor, InterpreterBuilder, TensorHandle, _get_np_dtype

__all__ = ["Buffer", "Memory"]

_SPACE = 1 << 44  # of addresses, for a buffer
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class _Tile:
    """What one load or store touched; its order says which thread has which entry."""

    shape: tuple[int, ...]
    addresses: NDArray[np.uint64]
    lowest: int
    highest: int

    def overlaps(self, other: _Tile) -> bool:
        apart = self.highest < other.lowest or other.highest < self.lowest
        return not apart and bool(np.isin(self.addresses, other.addresses).any())

    def equals(self, other: _Tile) -> bool:
        return self.shape == other.shape and np.array_equal(self.addresses, other.addresses)


class Memory:
    """Memory of which nothing is there but its addresses; a load of it gives zeros.

    That a program keeps to it, and with barriers where threads change hands, is asserted at each load and store. That
    programs share nothing of what one of them stores is asserted at the end of a kernel.
    """

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}
        self._reached: dict[int, int] = {}
        self._loaded: list[_Tile] = []
        self._stored: list[_Tile] = []
        self._programs: list[tuple[list[_Tile], list[_Tile]]] = []
        self._buffers = 0

    def buffer(self, *shape: int, dtype: torch.dtype = torch.float32) -> Buffer:
        """Give what stands for a tensor of a shape, which may be larger than any machine."""
        self._buffers += 1
        return Buffer(self, shape, dtype, self._buffers * _SPACE)

    def reached(self) -> bool:
        """Say whether the last number of each buffer was touched."""
        ends = {address: self._reached.get(address) for address in self._sizes if address % _SPACE == 0}
        return all(end == self._sizes[address] for address, end in ends.items())

    @contextmanager
    def traced(self, first: int = 0) -> Iterator[None]:
        """Have the interpreter do nothing but touch; programs are numbered from `first` on."""

        def load(_: Any, pointers: Any, mask: Any, *__: Any) -> TensorHandle:
            self._load(self._touch(pointers, mask))
            of = pointers.get_element_ty()
            return TensorHandle(np.zeros(pointers.data.shape, _get_np_dtype(of)), of)

        def number(builder: Any, axis: int) -> TensorHandle:
            return TensorHandle(np.array([first + builder.grid_idx[axis]], dtype=np.int32), tl.int32)

        def arguments(_: Any, given: Sequence[Any], named: dict[str, Any]) -> tuple[Sequence[Any], dict[str, Any]]:
            for one in given:
                if hasattr(one, "data_ptr"):
                    self._sizes[one.data_ptr()] = prod(one.shape) * one.dtype.itemsize
            return given, named

        set_index = InterpreterBuilder.set_grid_idx

        def begin(builder: Any, x: int, y: int, z: int) -> None:
            set_index(builder, x, y, z)
            self._programs.append(([], []))
            self._barrier()

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(InterpreterBuilder, "create_masked_load", load)
            patched.setattr(
                InterpreterBuilder,
                "create_masked_store",
                lambda _, pointers, value, mask, *__: self._store(self._touch(pointers, mask)),
            )
            patched.setattr(InterpreterBuilder, "create_dot", lambda _, a, b, total, *__: total)
            patched.setattr(InterpreterBuilder, "create_barrier", lambda _: self._barrier())
            patched.setattr(InterpreterBuilder, "create_get_program_id", number)
            patched.setattr(InterpreterBuilder, "set_grid_idx", begin)
            patched.setattr(GridExecutor, "_init_args_hst", arguments)
            patched.setattr(GridExecutor, "_restore_args_dev", lambda *_: self._end())
            yield

    def _touch(self, pointers: Any, mask: Any) -> _Tile:
        addresses = pointers.data[np.broadcast_to(mask.data, pointers.data.shape)]
        if len(addresses) == 0:
            return _Tile(pointers.data.shape, addresses, 0, -1)
        lowest, highest = int(addresses.min()), int(addresses.max())
        start = max((one for one in self._sizes if one <= lowest), default=0)
        end = highest - start + pointers.get_element_ty().primitive_bitwidth // 8
        assert end <= self._sizes.get(start, 0), "touched what is beside all that it was given"
        self._reached[start] = max(self._reached.get(start, 0), end)
        return _Tile(pointers.data.shape, addresses, lowest, highest)

    def _load(self, tile: _Tile) -> None:
        # Which threads load what others have stored, compilers decide.
        assert not any(tile.overlaps(one) for one in self._stored), "loaded with no barrier since it was stored"
        self._loaded.append(tile)
        self._programs[-1][0].append(tile)

    def _store(self, tile: _Tile) -> None:
        # What is loaded, changed, and stored where it was, is nobody else's.
        for one in self._stored + self._loaded:
            assert tile.equals(one) or not tile.overlaps(one), "stored with no barrier since others were there"
        self._stored.append(tile)
        self._programs[-1][1].append(tile)

    def _barrier(self) -> None:
        self._loaded, self._stored = [], []

    def _end(self) -> None:
        touched, stored = ([_all(tiles) for tiles in (one[0] + one[1], one[1])] for one in self._programs), []
        for everything, own in touched:
            assert not any(np.isin(everything, other).any() for other in stored), "programs share memory"
            stored.append(own)
        self._programs.clear()


def _all(tiles: Sequence[_Tile]) -> NDArray[np.uint64]:
    return np.unique(np.concatenate([tile.addresses for tile in tiles])) if tiles else np.zeros(0, np.uint64)


@dataclass(frozen=True)
class Buffer:
    """What stands for a tensor, of which kernels are told shape, type and address."""

    memory: Memory
    shape: tuple[int, ...]
    dtype: torch.dtype
    address: int

    device = _CPU

    def __len__(self) -> int:
        return self.shape[0]

    def data_ptr(self) -> int:
        return self.address

    def new_empty(self, *shape: int, dtype: torch.dtype) -> Buffer:
        """Give another one."""
        return self.memory.buffer(*shape, dtype=dtype)
